package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/test/audit"
)

const (
	// quietFor is how long nothing may happen in a cluster in which nothing changes.
	quietFor = 2 * time.Minute
	// settledFor is how long nothing has happened in a cluster that has settled.
	settledFor = 10 * time.Second
)

// oddly states quantities in ways that the API takes and does not print: what is read is not, letter by letter, what was written.
func oddly(s *v1alpha5.ProvisionerSpec) {
	quantities := func(cpu, memory string) corev1.ResourceList {
		return corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory)}
	}
	s.Limits = &v1alpha5.Limits{Resources: quantities("1e3", "1048576Mi")}
	s.KubeletConfiguration = &v1alpha5.KubeletConfiguration{
		SystemReserved: quantities("0.1", "1e8"), KubeReserved: quantities("0.25", "1024Mi"), EvictionHard: map[string]string{"memory.available": "0.1Gi"},
	}
}

// writes counts what kerf has written so far, by what it was; leases apart.
func (w *world) writes() (map[string]int, error) {
	log, err := os.ReadFile(w.Cluster().AuditLog())
	if err != nil {
		return nil, err
	}
	entries, err := audit.ReadLog(bytes.NewReader(log[:bytes.LastIndexByte(log, '\n')+1])) // the last line may be half written
	if err != nil {
		return nil, err
	}
	out := map[string]int{}
	for _, e := range entries {
		if !slices.Contains([]string{"get", "list", "watch"}, e.Verb) && e.Resource != "leases" {
			out[fmt.Sprint(e.Request)]++
		}
	}
	return out, nil
}

// reconciles counts the reconciles of each controller so far.
func (w *world) reconciles(ctx context.Context) (map[string]int, error) {
	series, err := w.Controller().Metrics(ctx)
	if err != nil {
		return nil, err
	}
	out := map[string]int{}
	for name, value := range series {
		if _, labels, ok := strings.Cut(name, "controller_runtime_reconcile_total{controller=\""); ok {
			controller, _, _ := strings.Cut(labels, "\"")
			out[controller] += int(value)
		}
	}
	return out, nil
}

// more returns what there is more of than before.
func more(now, before map[string]int) map[string]int {
	out := map[string]int{}
	for what, n := range now {
		if n > before[what] {
			out[what] = n - before[what]
		}
	}
	return out
}

// staysQuiet has a cluster in which nothing changes, full of quantities in odd spellings, and kerf leave it alone.
func (w *world) staysQuiet(t *testing.T) {
	const name = "quiet"
	odd := workload(name, 2, "0.1")
	odd.Spec.Template.Spec.Containers[0].Resources.Requests[corev1.ResourceMemory] = resource.MustParse("1e8")
	second := workload(name+"-more", 2, "1500m")
	second.Spec.Template.Spec.NodeSelector[v1alpha5.ProvisionerNameLabel] = name
	second.Spec.Template.Spec.Containers[0].Resources.Requests[corev1.ResourceMemory] = resource.MustParse("1024Mi")
	w.serve(t, provisioner(name, oddly), odd)
	w.create(t, second)
	w.awaitRunning(t, name, 2)
	w.awaitRunning(t, name+"-more", 2)
	if found, err := w.machines(t.Context(), name); err != nil || len(found) != 1 {
		t.Fatalf("%d machines, %v; want one", len(found), err)
	}
	w.awaitSettled(t)
	w.wantQuiet(t)
	w.delete(t, second)
	w.end(t, name)
}

// wantQuiet has kerf neither write nor look again at anything for a while.
func (w *world) wantQuiet(t *testing.T) {
	t.Helper()
	written, err := w.writes()
	reconciled, err2 := w.reconciles(t.Context())
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	_ = wait.PollUntilContextTimeout(t.Context(), quietFor, quietFor, false, func(context.Context) (bool, error) { return false, nil }) // it ends by time
	since, err := w.writes()
	again, err2 := w.reconciles(t.Context())
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	if got := more(since, written); len(got) > 0 {
		t.Errorf("in %s kerf wrote %v", quietFor, got)
	}
	if reconciled["machine.lifecycle"] == 0 {
		t.Errorf("the metrics tell of no reconciles: %v", reconciled)
	}
	looks := more(again, reconciled)
	t.Logf("reconciles in %s: %v", quietFor, looks)
	for controller, n := range looks {
		if n > 1 { // of what a controller looks at there is one, pods apart: those are bound
			t.Errorf("in %s controller %s looked %d times", quietFor, controller, n)
		}
	}
}

// awaitSettled waits until kerf has not written for a while.
func (w *world) awaitSettled(t *testing.T) {
	t.Helper()
	var before map[string]int
	var since time.Time
	w.await(t, "kerf to settle", func(context.Context) error {
		now, err := w.writes()
		if err != nil {
			return err
		}
		if !maps.Equal(now, before) {
			before, since = now, time.Now()
		}
		if quiet := time.Since(since); quiet < settledFor {
			return fmt.Errorf("it wrote %s ago", quiet.Round(time.Second))
		}
		return nil
	})
}
