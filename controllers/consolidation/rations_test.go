package consolidation

import (
	"context"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/disruption"
	"github.com/kerf-autoscaler/kerf/pkg/events"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/test/builders"
	"github.com/kerf-autoscaler/kerf/test/workbench"
)

func budgets(list ...v1alpha5.Budget) builders.ProvisionerModifier {
	return func(p *v1alpha5.Provisioner) { p.Spec.Disruption = &v1alpha5.Disruption{Budgets: list} }
}

// street returns houses of one provisioner, all of them empty and due.
func street(t *testing.T, count int, modifiers ...builders.ProvisionerModifier) []*house {
	t.Helper()
	first := newHouse(t, append(modifiers, builders.TTLAfterEmpty(0))...)
	houses := []*house{first}
	for range count - 1 {
		h := *first
		h.machine, h.node = h.Ready(h.Cloud(0), func(m *v1alpha5.Machine) { m.Labels[v1alpha5.ProvisionerNameLabel] = first.provisioner.Name })
		h.empty()
		houses = append(houses, &h)
	}
	first.Clock.Step(time.Second)
	return houses
}

// round looks at every house twice and returns how many are going.
func round(houses []*house) int {
	going := 0
	for range 2 {
		for _, h := range houses {
			h.look()
		}
	}
	for _, h := range houses {
		if h.going() {
			going++
		}
	}
	return going
}

func TestNoMoreMachinesGoThanBudgetsAllow(t *testing.T) {
	tests := map[string]struct {
		budgets []v1alpha5.Budget
		change  func([]*house)
		want    int
	}{
		"no budgets":                 {nil, func([]*house) {}, 4},
		"one":                        {[]v1alpha5.Budget{{Nodes: new("1")}}, func([]*house) {}, 1},
		"none":                       {[]v1alpha5.Budget{{Nodes: new("0")}}, func([]*house) {}, 0},
		"half of them":               {[]v1alpha5.Budget{{Nodes: new("50%")}}, func([]*house) {}, 2},
		"none for another reason":    {[]v1alpha5.Budget{{Nodes: new("0"), Reasons: []v1alpha5.DisruptionReason{"Drifted"}}}, func([]*house) {}, 4},
		"half, and one is not ready": {[]v1alpha5.Budget{{Nodes: new("50%")}}, func(h []*house) { workbench.Update(h[3].Bench, h[3].node, notReady) }, 1},
		"half, and one is being deleted": {[]v1alpha5.Budget{{Nodes: new("50%")}}, func(h []*house) {
			h[3].Delete(h[3].machine)
		}, 2}, // that one among them
		"half, and one is not initialized": {[]v1alpha5.Budget{{Nodes: new("50%")}}, func(h []*house) {
			workbench.Update(h[3].Bench, h[3].machine, func(m *v1alpha5.Machine) { machines.Conditions(m).Clear(v1alpha5.ConditionInitialized) })
		}, 2}, // of three, rounded up
		"one, and the instance of one is being ended": {[]v1alpha5.Budget{{Nodes: new("1")}}, func(h []*house) {
			h[3].Delete(h[3].machine)
			workbench.Update(h[3].Bench, h[3].machine, func(m *v1alpha5.Machine) {
				machines.Conditions(m).Unknown(v1alpha5.ConditionTerminated, v1alpha5.ReasonTerminating, "")
			})
		}, 2}, // that one is out of the count
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			houses := street(t, 4, budgets(tc.budgets...))
			tc.change(houses)
			if got := round(houses); got != tc.want {
				t.Errorf("%d of 4 machines go, want %d", got, tc.want)
			}
		})
	}
}

func notReady(n *corev1.Node) {
	for i := range n.Status.Conditions {
		if n.Status.Conditions[i].Type == corev1.NodeReady {
			n.Status.Conditions[i].Status = corev1.ConditionUnknown
		}
	}
}

func TestWhatABudgetHoldsGoesOnceItMay(t *testing.T) {
	houses := street(t, 2, budgets(v1alpha5.Budget{Nodes: new("1")}))
	first, second := houses[0], houses[1]
	if round(houses) != 1 || second.going() {
		t.Fatal("it is not the first machine alone that goes")
	}
	if again := second.look(); again != rationRecheck {
		t.Errorf("the second is looked at again after %s", again)
	}
	if second.tainted() || second.decided() {
		t.Errorf("tainted %t, decided %t", second.tainted(), second.decided())
	}
	if first.Told.Count(events.ReasonDisruptionHeld) != 1 || !first.Told.Contains("nodes: 1", "1 of 2") {
		t.Errorf("told: %q", first.Told.Lines())
	}
	first.Release(first.machine)
	first.Clock.Step(censusLasts)
	if round(houses[1:]) != 1 {
		t.Error("the first is gone, and the second stays")
	}
}

func TestABudgetThatIsLiftedLetsMachinesGo(t *testing.T) {
	houses := street(t, 1, budgets(v1alpha5.Budget{Nodes: new("0")}))
	if round(houses) != 0 {
		t.Fatal("a machine goes")
	}
	workbench.Update(houses[0].Bench, houses[0].provisioner, budgets())
	if round(houses) != 1 {
		t.Error("the machine stays without a budget")
	}
}

func TestAMachineIsLookedAtWhenTheWindowOfABudgetEnds(t *testing.T) {
	h := street(t, 1, budgets(v1alpha5.Budget{Nodes: new("0"), Schedule: new("* * * * *"), Duration: &metav1.Duration{Duration: time.Hour}}))[0]
	if again := h.look(); again != rationRecheck {
		t.Errorf("it is looked at again after %s", again)
	}
	for name, tc := range map[string]struct {
		hold disruption.Hold
		want time.Duration
	}{
		"until others have gone": {disruption.Hold{}, rationRecheck},
		"for a moment":           {disruption.Hold{Until: h.Clock.Now().Add(3 * time.Second)}, 3 * time.Second},
		"for an hour":            {disruption.Hold{Until: h.Clock.Now().Add(time.Hour)}, rationRecheck},
		"until a pause ends":     {disruption.Hold{Paused: true}, 0},
	} {
		if got := recheck(&tc.hold, h.Clock.Now()); got != tc.want {
			t.Errorf("what is held %s is looked at again after %s, want %s", name, got, tc.want)
		}
	}
}

// behind returns a client whose lists show the machines as they were.
func (h *house) behind(old ...*v1alpha5.Machine) client.WithWatch {
	return interceptor.NewClient(h.Client, interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, o ...client.ListOption) error {
			machineList, ok := list.(*v1alpha5.MachineList)
			if !ok {
				return c.List(ctx, list, o...)
			}
			for _, m := range old {
				machineList.Items = append(machineList.Items, *m.DeepCopy())
			}
			return nil
		},
	})
}

func TestDecisionsThatACacheDoesNotShowYetCount(t *testing.T) {
	houses := street(t, 2, budgets(v1alpha5.Budget{Nodes: new("1")}))
	first, second := houses[0], houses[1]
	first.Reload(first.machine)
	second.Reload(second.machine)
	controller := first.with(first.behind(first.machine, second.machine))
	for _, h := range houses {
		h.Reconcile(controller, h.machine.Name)
	}
	if !first.decided() || second.decided() {
		t.Fatalf("the first is decided on: %t, the second as well: %t", first.decided(), second.decided())
	}

	// The first is given back, and the cache catches up.
	first.RunningPod(first.Namespace(), first.node.Name)
	first.look()
	first.Reload(first.machine)
	controller.rations.client = first.behind(first.machine, second.machine)
	first.Clock.Step(censusLasts)
	second.Reconcile(controller, second.machine.Name)
	if first.decided() || !second.decided() {
		t.Errorf("the first is decided on: %t, the second: %t", first.decided(), second.decided())
	}
}

func TestMachinesThatAreGoneAreNotRemembered(t *testing.T) {
	houses := street(t, 1, budgets(v1alpha5.Budget{Nodes: new("1")}))
	h := houses[0]
	if round(houses) != 1 || len(h.controller.rations.recorded) != 1 {
		t.Fatalf("remembered are %v, want one", h.controller.rations.recorded)
	}
	h.Release(h.machine)
	h.look()
	if got := h.controller.rations.recorded; len(got) != 0 {
		t.Errorf("remembered are %v", got)
	}
}

// pause annotates the namespace kube-system, which other tests share.
func (h *house) pause(value string) {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: metav1.NamespaceSystem}}
	h.Reload(namespace)
	workbench.Update(h.Bench, namespace, func(n *corev1.Namespace) {
		metav1.SetMetaDataAnnotation(&n.ObjectMeta, v1alpha5.PauseDisruptionAnnotation, value)
	})
}

func TestAPauseKeepsEveryMachine(t *testing.T) {
	houses := street(t, 2)
	houses[0].pause("true")
	defer houses[0].pause("false")
	if got := round(houses); got != 0 {
		t.Fatalf("%d machines go", got)
	}
	if told := houses[0].Told; told.Count(events.ReasonDisruptionHeld) != 1 || !told.Contains(v1alpha5.PauseDisruptionAnnotation, "kube-system") {
		t.Errorf("told: %q", told.Lines())
	}
	houses[0].pause("false")
	if got := round(houses); got != 2 {
		t.Errorf("%d of 2 machines go when the pause is over", got)
	}
}

func TestAPauseGivesBackWhatIsDecidedAndNotDone(t *testing.T) {
	h := street(t, 1)[0]
	h.look()
	if !h.decided() {
		t.Fatal("nothing was decided")
	}
	h.pause("true")
	defer h.pause("false")
	h.look()
	if h.going() || h.tainted() || h.decided() {
		t.Errorf("going %t, tainted %t, decided %t", h.going(), h.tainted(), h.decided())
	}
	if got := machines.Conditions(h.machine).Get(v1alpha5.ConditionDisrupting); got.Reason != v1alpha5.ReasonHeld {
		t.Errorf("Disrupting is %v", got)
	}
}

// Nothing but the watch of the namespace tells a machine that is held by a pause.
func TestTheEndOfAPauseWakesWhatItHeld(t *testing.T) {
	h := street(t, 1)[0]
	h.pause("true")
	defer h.pause("false")
	h.Manage(func(mgr ctrl.Manager) error {
		return NewController(World{Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Nominations: h.expected, Market: newYard(t)}, Settings{}, h.Journal).Register(mgr)
	})
	watch, err := h.Client.Watch(t.Context(), &v1alpha5.MachineList{}, client.MatchingLabels{v1alpha5.ProvisionerNameLabel: h.provisioner.Name})
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Stop()
	for deadline := time.After(time.Minute); h.Told.Count(events.ReasonDisruptionHeld) == 0; {
		select {
		case <-deadline:
			t.Fatal("the pause is not told of")
		case <-time.After(10 * time.Millisecond):
		}
	}
	if h.decided() || h.going() {
		t.Fatal("the machine goes in spite of the pause")
	}
	h.pause("false")
	for deadline := time.After(time.Minute); ; {
		select {
		case <-deadline:
			t.Fatal("the machine stays after the pause")
		case <-time.After(100 * time.Millisecond):
			h.Clock.Step(time.Second) // it waits for schedulers to see the taint
		case change := <-watch.ResultChan():
			if machine, ok := change.Object.(*v1alpha5.Machine); ok && !machine.DeletionTimestamp.IsZero() {
				return
			}
		}
	}
}

func TestAPauseBySettingLastsAsLongAsTheProcess(t *testing.T) {
	h := street(t, 1)[0]
	h.controller = h.newController(h.Client, Settings{PauseDisruption: true})
	if round([]*house{h}) != 0 {
		t.Error("a machine goes")
	}
}

func TestThatDisruptionIsPausedOrGoesOnWakesEverything(t *testing.T) {
	namespace := func(name, value string) *corev1.Namespace {
		return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{v1alpha5.PauseDisruptionAnnotation: value}}}
	}
	for name, tc := range map[string]struct {
		before, after *corev1.Namespace
		want          bool
	}{
		"it is paused":              {namespace("kube-system", ""), namespace("kube-system", "true"), true},
		"it goes on":                {namespace("kube-system", "true"), namespace("kube-system", "false"), true},
		"another word":              {namespace("kube-system", ""), namespace("kube-system", "yes"), false},
		"another namespace":         {namespace("default", ""), namespace("default", "true"), false},
		"something else about it":   {namespace("kube-system", "true"), namespace("kube-system", "true"), false},
		"a start while it is":       {nil, namespace("kube-system", "true"), true},
		"a start while it is not":   {nil, namespace("kube-system", ""), false},
		"a namespace of other name": {nil, namespace("default", "true"), false},
	} {
		got := false
		if tc.before == nil {
			got = pauses().Create(event.CreateEvent{Object: tc.after})
		} else {
			got = pauses().Update(event.UpdateEvent{ObjectOld: tc.before, ObjectNew: tc.after})
		}
		if got != tc.want {
			t.Errorf("%s: it wakes: %t", name, got)
		}
	}
	h := newHouse(t)
	woken := map[string]bool{}
	for _, request := range h.controller.everything(t.Context(), namespace("kube-system", "true")) {
		woken[request.Name] = true
	}
	if !woken[h.machine.Name] {
		t.Errorf("%s is not among the %d machines that are woken", h.machine.Name, len(woken))
	}
}
