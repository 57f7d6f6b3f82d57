package environment

import (
	"context"
	"fmt"
	"net"

	"github.com/kerf-autoscaler/kerf/test/helm"
)

// roleARN stands for the controller's role at AWS, which nobody asks for here.
const roleARN = "arn:aws:iam::000000000000:role/kerf"

// installChart installs kerf in the way of most people: helm, the chart and the settings that they have always typed. The
// controller is a process of this machine: there are no pods, the webhooks are called at a URL, and what the chart has for the
// environment of pods becomes that of the process.
func (e *Environment) installChart(ctx context.Context, values []string) error {
	h, err := helm.New(e.root, e.directory, e.cluster.Kubeconfig())
	if err != nil {
		return err
	}
	install := []string{
		"upgrade", "--install", ServiceAccount, helm.Chart, "--namespace=" + Namespace, "--create-namespace", "--wait",
		`--set=serviceAccount.annotations.eks\.amazonaws\.com/role-arn=` + roleARN,
		"--set=clusterName=" + e.clusterName,
		"--set=clusterEndpoint=" + e.cluster.Server(),
		"--set=aws.defaultInstanceProfile=" + InstanceProfile,
		"--set=settings.aws.interruptionQueueName=" + e.queueName(),
		"--set=replicas=0", "--set=webhook.url=https://" + net.JoinHostPort(loopback, e.ports.webhook),
	}
	for _, value := range values {
		install = append(install, "--set="+value)
	}
	if _, err := h.Run(ctx, install...); err != nil {
		return fmt.Errorf("installing the chart: %w", err)
	}
	manifests, err := h.Run(ctx, "get", "manifest", ServiceAccount, "--namespace="+Namespace)
	if err != nil {
		return fmt.Errorf("reading what the chart has installed: %w", err)
	}
	e.variables, err = helm.ControllerEnvironment(manifests.Text)
	return err
}

// settings returns the flags of the controller that say what the cluster is like, where no environment variables do.
func (e *Environment) settings() []string {
	if e.variables != nil {
		return nil
	}
	return []string{
		"--cluster-name=" + e.clusterName,
		"--cluster-endpoint=" + e.cluster.Server(),
		"--aws-default-instance-profile=" + InstanceProfile,
		"--interruption-queue=" + e.queueName(),
	}
}
