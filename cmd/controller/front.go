package main

import (
	"context"

	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/kerf-autoscaler/kerf/pkg/operator"
	"github.com/kerf-autoscaler/kerf/pkg/webhooks"
	"github.com/kerf-autoscaler/kerf/pkg/webhooks/certificate"
)

// front returns the parts of the process that face the cluster: metrics, and the webhooks of kerf's own kinds. Every replica
// has them from its start on, so that a Provisioner can be applied while another replica leads or AWS cannot be reached.
func (p *process) front(ctx context.Context) ([]func(context.Context) error, error) {
	o := p.options
	mgr, err := operator.NewFront(p.restConfig, o)
	if err != nil {
		return nil, err
	}
	if o.DisableWebhook {
		p.health.Check(operator.CheckWebhook, func() error { return nil }) // whoever asks has nothing to wait for
		return []func(context.Context) error{mgr.Start}, nil
	}
	peers, err := webhooks.NewCachedPeers(ctx, mgr.GetCache())
	if err != nil {
		return nil, err
	}
	handler, err := webhooks.NewHandler(peers, p.metrics, ctrl.Log)
	if err != nil {
		return nil, err
	}
	keeper, err := certificate.New(certificate.Settings{
		Namespace: o.SystemNamespace, Secret: o.WebhookCertSecret,
		Mutating:          []string{webhooks.ConfigurationDefaulting},
		Validating:        []string{webhooks.ConfigurationProvisioners, webhooks.ConfigurationAWSNodeTemplates},
		Lifetime:          o.WebhookCertificateLifetime,
		AuthorityLifetime: o.WebhookAuthorityLifetime,
	}, mgr.GetAPIReader(), mgr.GetClient(), p.metrics, clock.RealClock{})
	if err != nil {
		return nil, err
	}
	if err := keeper.Register(mgr); err != nil {
		return nil, err
	}
	p.health.Check(operator.CheckWebhook, keeper.Ready)
	p.health.Check(operator.CheckCertificate, keeper.Kept)
	server := webhooks.NewServer(webhooks.Settings{Host: o.BindAddress, Port: o.WebhookPort, Drain: o.WebhookDrain},
		handler, keeper.TLS(), clock.RealClock{}, ctrl.Log)
	return []func(context.Context) error{mgr.Start, server.Start}, nil
}
