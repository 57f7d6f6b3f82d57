package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/test/awssim"
	"github.com/kerf-autoscaler/kerf/test/awssim/apierror"
	"github.com/kerf-autoscaler/kerf/test/awssim/wire"
)

// outageLasts is how long EC2 is down.
const outageLasts = 10 * time.Minute

// outages are the ways in which EC2 is down.
func outages() map[string]awssim.Hook {
	return map[string]awssim.Hook{
		"refuse": func(_ context.Context, _ *wire.Request, _ awssim.Handler) (*wire.Response, error) {
			return &wire.Response{Abort: true}, nil
		},
		"500": func(_ context.Context, _ *wire.Request, _ awssim.Handler) (*wire.Response, error) {
			return nil, apierror.New("InternalError", "An internal error has occurred").WithStatus(500)
		},
		"hang": func(ctx context.Context, _ *wire.Request, _ awssim.Handler) (*wire.Response, error) {
			<-ctx.Done()
			return &wire.Response{Abort: true}, nil
		},
		"empty": func(ctx context.Context, r *wire.Request, next awssim.Handler) (*wire.Response, error) {
			if r.Action == "DescribeInstances" {
				for key := range r.Form {
					if strings.HasPrefix(key, "InstanceId.") {
						r.Form.Del(key)
					}
				}
				r.Form.Set("Filter.9.Name", "instance-id")
				r.Form.Set("Filter.9.Value.1", "i-00000000000000bad")
			}
			return next(ctx, r)
		},
	}
}

// uids of the machines that there are.
func (l *loop) uids() map[string]v1alpha5.Machine {
	out := map[string]v1alpha5.Machine{}
	for _, m := range l.machines() {
		out[string(m.UID)] = m
	}
	return out
}

// disrupted counts the Nodes that are tainted, silent or on their way out.
func (l *loop) disrupted() int {
	l.t.Helper()
	var nodes corev1.NodeList
	if err := l.kube.List(l.t.Context(), &nodes); err != nil {
		l.t.Fatal(err)
	}
	n := 0
	for i := range nodes.Items {
		if node := &nodes.Items[i]; !node.DeletionTimestamp.IsZero() || len(node.Spec.Taints) > 0 || !machines.NodeIsReady(node) {
			n++
		}
	}
	return n
}

// together is how many machines launch together.
const together = 4

// grow creates the machines of a launch group.
func (l *loop) grow(name string) {
	for _, m := range l.group(name, together) {
		l.create(m)
	}
}

func TestTenMinutesWithoutEC2CostNoMachine(t *testing.T) {
	for _, mode := range slices.Sorted(maps.Keys(outages())) {
		t.Run(mode, func(t *testing.T) {
			t.Parallel() // the SDK's and the batchers' waits are of real time
			outage(t, mode)
		})
	}
}

// What the cluster has before an outage, what of that is being ended, and what it wants more when it comes.
const steady, going, coming = 9, 3, 8

// prepare returns a cluster in which machines are being ended, and its launch templates are as they are without launches.
func prepare(t *testing.T) (*loop, int) {
	t.Helper()
	l := openAccount(t).join("cluster-a", 0).loop()
	for i := range (steady + going) / together {
		l.grow(fmt.Sprintf("first%d", i))
	}
	if took := l.run(3*time.Minute, func() bool { return l.ready(steady + going) }); took >= 3*time.Minute {
		t.Fatalf("the cluster does not come up: %v", l.machines())
	}
	l.run(2*time.Minute, func() bool { return false }) // launch templates that are not used go
	templates := len(l.sim.LaunchTemplates())
	for i, m := range l.machines() {
		if i < going {
			if err := l.kube.Delete(t.Context(), &m); err != nil {
				t.Fatal(err)
			}
		}
	}
	l.run(2*time.Second, func() bool { return false })
	return l, templates
}

// launched counts the machines that came with the outage and have an instance.
func (l *loop) launched() (n int) {
	l.t.Helper()
	for _, m := range l.machines() {
		if strings.HasPrefix(m.Name, "more") && m.Status.ProviderID != "" {
			n++
		}
	}
	return n
}

// endure lets EC2 be down, and returns how often each action was called.
func (l *loop) endure(mode string) string {
	l.t.Helper()
	l.inject(outages()[mode])
	if mode == "hang" {
		l.patience.Store(int64(20 * time.Millisecond))
	}
	began := l.sim.Calls()
	l.grow("more0")
	l.grow("more1")
	before := l.uids()
	l.run(outageLasts, func() bool { return false })
	after := l.uids()
	for uid, m := range before {
		if now, ok := after[uid]; m.DeletionTimestamp.IsZero() && (!ok || !now.DeletionTimestamp.IsZero()) {
			l.t.Errorf("machine %s was deleted", m.Name)
		}
	}
	if n := l.disrupted(); n > going {
		l.t.Errorf("%d nodes are disrupted, %d of which were before", n, going)
	}
	var calls []string
	for name, action := range l.sim.Calls().Actions {
		if n := action.Count - began.Actions[name].Count; strings.HasPrefix(name, "ec2:") && n > 0 {
			calls = append(calls, fmt.Sprintf("%s %d", name, n))
			if n > int(outageLasts/time.Second) {
				l.t.Errorf("%d calls of %s in %s", n, name, outageLasts)
			}
		}
	}
	slices.Sort(calls)
	l.inject(nil)
	l.patience.Store(int64(time.Minute))
	return strings.Join(calls, ", ")
}

// outage takes EC2 away from a cluster in which machines stay, are being ended and are being added.
func outage(t *testing.T, mode string) {
	t.Helper()
	l, templates := prepare(t)
	calls := l.endure(mode)
	during := l.launched()
	first := l.run(5*time.Minute, func() bool { return l.launched() > 0 })
	all := first + l.run(5*time.Minute, func() bool { return l.launched() == coming })
	settled := all + l.run(5*time.Minute, func() bool { return l.ready(steady + coming) })
	l.run(2*time.Minute, func() bool { return false })
	t.Logf("%s: calls during the outage: %s; %d launched during it; after it the first machine after %s, all %d after %s, all in place after %s; launch templates %d, before %d",
		mode, calls, during, first, coming, all, settled, len(l.sim.LaunchTemplates()), templates)
	if first > 30*time.Second || !l.ready(steady+coming) || len(l.sim.LaunchTemplates()) > templates {
		t.Errorf("the first launch came after %s; the cluster is whole: %t; launch templates: %d", first, l.ready(steady+coming), len(l.sim.LaunchTemplates()))
	}
	if live := l.live(); live != steady+coming || len(l.uids()) != live {
		t.Errorf("%d instances for %d machines", live, len(l.uids()))
	}
}
