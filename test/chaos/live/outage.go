package live

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/pkg/webhooks"
	"github.com/kerf-autoscaler/kerf/test/chaos/history"
	"github.com/kerf-autoscaler/kerf/test/cluster"
	"github.com/kerf-autoscaler/kerf/test/workbench"
)

// What happens to the cluster itself. These last for longer than other troubles, and are not drawn.
const (
	// ServerKilled and EtcdKilled end a program of the control plane, which is started again after a time.
	ServerKilled Class = "server.killed"
	EtcdKilled   Class = "etcd.killed"
	// WebhookDown has the API server ask webhooks that nobody answers about kerf's kinds.
	WebhookDown Class = "webhook.down"
)

// outside carries a trouble of the cluster out, while everything else goes on.
func (w *World) outside(t Trouble) {
	w.outages.Go(func() {
		if err := w.carry(context.Background(), t); err != nil {
			w.mu.Lock()
			w.outageErr = errors.Join(w.outageErr, fmt.Errorf("%s: %w", t.Class, err))
			w.mu.Unlock()
		}
	})
}

func (w *World) carry(ctx context.Context, t Trouble) error {
	w.mark(history.MarkFault, t.String(), 0)
	if t.Class == WebhookDown {
		return w.site.unanswered(ctx)
	}
	name := cluster.APIServer
	if t.Class == EtcdKilled {
		name = cluster.Etcd
	}
	component := w.site.cluster.Component(name)
	component.Kill()
	timer := time.NewTimer(t.For)
	defer timer.Stop()
	<-timer.C
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := component.Start(ctx); err != nil {
		return fmt.Errorf("starting it again: %w", err)
	}
	w.mu.Lock()
	w.served = time.Now()
	w.mu.Unlock()
	w.mark(history.MarkFault, "it serves again", 0)
	return nil
}

// nobody is where no webhook answers: a port that is never given out.
const nobody = "https://127.0.0.1:1"

// unanswered installs kerf's webhook configurations, and nobody answers for them.
func (s *Site) unanswered(ctx context.Context) error {
	file, err := workbench.FromRoot("config", "webhook", "manifests.yaml")
	if err != nil {
		return err
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("reading the webhooks: %w", err)
	}
	for document := range strings.SplitSeq(string(content), "\n---\n") {
		var object client.Object
		var clients []*admissionregistrationv1.WebhookClientConfig
		if strings.Contains(document, "kind: Mutating") {
			var c admissionregistrationv1.MutatingWebhookConfiguration
			err = yaml.Unmarshal([]byte(document), &c)
			for i := range c.Webhooks {
				clients = append(clients, &c.Webhooks[i].ClientConfig)
			}
			object = &c
		} else {
			var c admissionregistrationv1.ValidatingWebhookConfiguration
			err = yaml.Unmarshal([]byte(document), &c)
			for i := range c.Webhooks {
				clients = append(clients, &c.Webhooks[i].ClientConfig)
			}
			object = &c
		}
		if err != nil {
			return fmt.Errorf("reading the webhooks: %w", err)
		}
		for _, c := range clients {
			c.URL, c.Service = new(nobody+*c.Service.Path), nil
		}
		if err := s.direct.Create(ctx, object); err != nil {
			return fmt.Errorf("installing webhooks: %w", err)
		}
	}
	return nil
}

// answered takes the webhook configurations away.
func (s *Site) answered(ctx context.Context) error {
	objects := []client.Object{
		&admissionregistrationv1.MutatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: webhooks.ConfigurationDefaulting}},
		&admissionregistrationv1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: webhooks.ConfigurationProvisioners}},
		&admissionregistrationv1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: webhooks.ConfigurationAWSNodeTemplates}},
	}
	var errs []error
	for _, object := range objects {
		errs = append(errs, client.IgnoreNotFound(s.direct.Delete(ctx, object)))
	}
	return errors.Join(errs...)
}
