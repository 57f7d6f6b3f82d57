package lifecycle

import (
	"context"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

// lagging reads Machines as they were.
func lagging(c client.WithWatch, past *v1alpha5.Machine) client.Client {
	return interceptor.NewClient(c, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, options ...client.GetOption) error {
			if machine, ok := o.(*v1alpha5.Machine); ok && key.Name == past.Name {
				past.DeepCopyInto(machine)
				return nil
			}
			return c.Get(ctx, key, o, options...)
		},
	})
}

func TestALaggingCacheDoesNotHaveALaunchCountedTwice(t *testing.T) {
	l := newLife(t)
	machine := l.group(1)[0]
	l.Reconcile(l.controller, machine.Name) // writes the intent
	l.Reload(machine)
	late := l.with(lagging(l.Client, machine.DeepCopy()), l.cloud)
	for range 3 {
		l.Reconcile(late, machine.Name)
	}
	l.expect(t, machine, v1alpha5.ConditionLaunched, "True", v1alpha5.ReasonLaunched)
	registry := prometheus.NewRegistry()
	registry.MustRegister(l.Journal.Metrics.MachinesLaunched)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	if got := families[0].GetMetric()[0].GetCounter().GetValue(); got != 1 {
		t.Errorf("the launch was counted %g times", got)
	}
}
