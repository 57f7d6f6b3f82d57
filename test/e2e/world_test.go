package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/test/awssim/admin"
	"github.com/kerf-autoscaler/kerf/test/environment"
)

const (
	// patience bounds every wait; what is waited for takes seconds on an idle machine.
	patience = 90 * time.Second
	// lookEvery is how often the world is looked at while waiting.
	lookEvery = 100 * time.Millisecond
	// registrationTimeout is long enough for every instance that joins, which takes three seconds.
	registrationTimeout = 20 * time.Second
)

// world is the one environment of the package, with what tests ask of it.
type world struct {
	*environment.Environment
}

// startWorld starts the environment, with kerf from its chart or from its plain manifests, and ends it with the test.
func startWorld(t *testing.T, chart bool) *world {
	t.Helper()
	e, err := environment.Start(t.Context(), environment.Options{
		Root: "../..", Chart: chart, ChartValues: []string{"settings.setPodDeletionCost=true"}, Audit: true, BootDelay: time.Second, ShutdownDelay: 500 * time.Millisecond,
		ControllerArguments: []string{"--registration-timeout=" + registrationTimeout.String()},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the end of the controller's log:\n%s", e.Controller().LogTail(40))
		}
		if err := e.Stop(); err != nil {
			t.Errorf("stopping the world: %v", err)
		}
	})
	w := &world{e}
	t.Cleanup(func() { w.record(t) })
	return w
}

// await waits until look returns nil; what it returned last tells what was missing.
func (w *world) await(t *testing.T, what string, look func(context.Context) error) {
	t.Helper()
	w.awaitEvery(t, lookEvery, what, look)
}

// awaitEvery is await for moments that are soon over.
func (w *world) awaitEvery(t *testing.T, interval time.Duration, what string, look func(context.Context) error) {
	t.Helper()
	var last error
	err := wait.PollUntilContextTimeout(t.Context(), interval, patience, true, func(ctx context.Context) (bool, error) {
		err := look(ctx)
		if ctx.Err() == nil {
			last = err // what was missing, rather than that the time was over
		}
		return err == nil, nil
	})
	if err != nil {
		t.Fatalf("waiting for %s: %v\n%s", what, errors.Join(err, last), w.describe(t))
	}
}

// describe shows what kerf works on.
func (w *world) describe(t *testing.T) string {
	t.Helper()
	var out strings.Builder
	for _, arguments := range [][]string{
		{"get", "provisioners,awsnodetemplates,machines,nodes,pods", "--all-namespaces", "--output=wide"},
		{"get", "events", "--all-namespaces", "--sort-by=.metadata.creationTimestamp"},
	} {
		text, err := w.Kubectl(context.WithoutCancel(t.Context()), arguments...)
		_, _ = fmt.Fprintln(&out, text, err)
	}
	return out.String()
}

func (w *world) create(t *testing.T, objects ...client.Object) {
	t.Helper()
	for _, o := range objects {
		if err := w.Client().Create(t.Context(), o); err != nil {
			t.Fatalf("creating %T %s: %v", o, o.GetName(), err)
		}
	}
}

func (w *world) delete(t *testing.T, objects ...client.Object) {
	t.Helper()
	for _, o := range objects {
		err := w.Client().Delete(t.Context(), o, client.PropagationPolicy(metav1.DeletePropagationBackground))
		if err != nil && !apierrors.IsNotFound(err) {
			t.Fatalf("deleting %T %s: %v", o, o.GetName(), err)
		}
	}
}

// clear deletes what a failed scenario has left, so that the next one has a world of its own.
func (w *world) clear(t *testing.T) {
	t.Helper()
	for _, kind := range []string{"deployments", "statefulsets", "persistentvolumeclaims", "persistentvolumes", "storageclasses", "provisioners", "awsnodetemplates"} {
		if out, err := w.Kubectl(t.Context(), "delete", "--all", "--wait=false", kind); err != nil {
			t.Errorf("clearing away: %v: %s", err, out)
		}
	}
}

// condition returns nil when the object has the condition in that status, and an error that shows it otherwise.
func condition(conditions []metav1.Condition, name string, status metav1.ConditionStatus, reason string, mentions ...string) error {
	c := apimeta.FindStatusCondition(conditions, name)
	if c == nil {
		return fmt.Errorf("there is no condition %s", name)
	}
	if c.Status != status || reason != "" && c.Reason != reason {
		return fmt.Errorf("condition %s is %s, %s: %s", name, c.Status, c.Reason, c.Message)
	}
	return mentionsAll("the message of condition "+name, c.Message, mentions)
}

func mentionsAll(what, text string, mentions []string) error {
	for _, m := range mentions {
		if !strings.Contains(text, m) {
			return fmt.Errorf("%s does not mention %q: %s", what, m, text)
		}
	}
	return nil
}

// events lists what kerf has said about an object, under the reason.
func (w *world) events(ctx context.Context, object client.Object, reason string) ([]eventsv1.Event, error) {
	var list eventsv1.EventList
	if err := w.Client().List(ctx, &list); err != nil {
		return nil, err
	}
	var found []eventsv1.Event
	for _, e := range list.Items {
		if e.Regarding.UID == object.GetUID() && e.Reason == reason && strings.HasPrefix(e.ReportingController, "kerf") {
			found = append(found, e)
		}
	}
	return found, nil
}

// awaitEvent waits for an event whose note mentions all the texts and returns the note.
func (w *world) awaitEvent(t *testing.T, object client.Object, reason string, mentions ...string) (note string) {
	t.Helper()
	w.await(t, fmt.Sprintf("an event %s about %s", reason, object.GetName()), func(ctx context.Context) error {
		found, err := w.events(ctx, object, reason)
		if err != nil {
			return err
		}
		err = errors.New("there is none")
		for _, e := range found {
			if err = mentionsAll("the event", e.Note, mentions); err == nil {
				note = e.Note
				return nil
			}
		}
		return err
	})
	return note
}

// pods lists the pods of a workload that are not about to end.
func (w *world) pods(ctx context.Context, workload string) ([]corev1.Pod, error) {
	var list corev1.PodList
	if err := w.Client().List(ctx, &list, client.InNamespace(metav1.NamespaceDefault), client.MatchingLabels{"app": workload}); err != nil {
		return nil, err
	}
	var found []corev1.Pod
	for _, p := range list.Items {
		if p.DeletionTimestamp.IsZero() {
			found = append(found, p)
		}
	}
	return found, nil
}

// awaitRunning waits until exactly so many pods of a workload run.
func (w *world) awaitRunning(t *testing.T, workload string, count int) {
	t.Helper()
	w.await(t, fmt.Sprintf("%d pods of %s to run", count, workload), func(ctx context.Context) error {
		found, err := w.pods(ctx, workload)
		if err != nil {
			return err
		}
		running := 0
		for _, p := range found {
			if p.Status.Phase == corev1.PodRunning {
				running++
			}
		}
		if running != count || len(found) != count {
			return fmt.Errorf("%d of %d run", running, len(found))
		}
		return nil
	})
}

// machines lists the Machines of a provisioner.
func (w *world) machines(ctx context.Context, provisioner string) ([]v1alpha5.Machine, error) {
	var list v1alpha5.MachineList
	err := w.Client().List(ctx, &list, client.MatchingLabels{v1alpha5.ProvisionerNameLabel: provisioner})
	return list.Items, err
}

// instances lists the instances of a provisioner, those that have ended included.
func (w *world) instances(provisioner string) []admin.Instance {
	var found []admin.Instance
	for _, i := range w.AWS().Instances() {
		if i.Tags[v1alpha5.ProvisionerNameLabel] == provisioner {
			found = append(found, i)
		}
	}
	return found
}

// awaitClean waits until nothing of a provisioner is left anywhere.
func (w *world) awaitClean(t *testing.T, provisioner string) {
	t.Helper()
	w.await(t, "nothing of provisioner "+provisioner+" to be left", func(ctx context.Context) error {
		machines, err := w.machines(ctx, provisioner)
		if err != nil {
			return err
		}
		var nodes corev1.NodeList
		if err := w.Client().List(ctx, &nodes, client.MatchingLabels{v1alpha5.ProvisionerNameLabel: provisioner}); err != nil {
			return err
		}
		alive := 0
		for _, i := range w.instances(provisioner) {
			if i.State != "terminated" {
				alive++
			}
		}
		if len(machines)+len(nodes.Items)+alive > 0 {
			return fmt.Errorf("there are %d machines, %d nodes and %d instances", len(machines), len(nodes.Items), alive)
		}
		return nil
	})
}
