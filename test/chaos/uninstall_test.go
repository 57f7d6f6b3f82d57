package chaos_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/test/chaos/history"
	"github.com/kerf-autoscaler/kerf/test/chaos/world"
)

const (
	// uninstalls is how many runs there are.
	uninstalls = 50
	// goneWithin is how long after the last provisioner was deleted something of kerf's may be there, and searchedWithin the same for
	// machines whose launch has no answer on record: EC2 may take 5 minutes to show what came of it.
	goneWithin, searchedWithin = 3 * time.Minute, 5*time.Minute + 30*time.Second
)

// leftovers tells what of kerf's there was at a time: machines, instances and nodes. Machines whose instance is searched for may be left
// out.
func leftovers(h *history.History, at time.Time, searched bool) []string {
	objects, instances := map[string]bool{}, map[string]bool{}
	for _, e := range h.Events {
		if e.At.After(at) {
			break
		}
		switch {
		case e.Write != nil && slices.Contains([]string{"Machine", "Node"}, e.Write.Kind):
			objects[name(e.Write)] = e.Write.After != nil && (searched || !isSearchedFor(e.Write.After))
		case e.Call != nil:
			for _, made := range e.Call.Made {
				instances[made.ID] = made.ClusterUID == h.Terms.ClusterUID
			}
			for _, id := range e.Call.Ended {
				instances[id] = false
			}
		}
	}
	var out []string
	for _, there := range []map[string]bool{objects, instances} {
		for what, is := range there {
			if is {
				out = append(out, what)
			}
		}
	}
	slices.Sort(out)
	return out
}

func isSearchedFor(object client.Object) bool {
	machine, ok := object.(*v1alpha5.Machine)
	return ok && machine.Status.ProviderID == "" && machine.Status.Launch != nil && !machine.Status.Launch.Answered
}

func name(w *history.Write) string {
	return fmt.Sprintf("%s %s", w.Kind, w.Object().GetName())
}

func TestNothingIsLeftOfMachinesWhoseProvisionerOrTemplateGoesWhileTheyLaunch(t *testing.T) {
	hits, launched := map[string]int{}, 0
	for seed := range uint64(uninstalls) {
		plan, removed := world.Uninstall(seed)
		result := world.Run(t, plan)
		if result.Err != nil {
			t.Fatalf("seed %d: %v", seed, result.Err)
		}
		for step, n := range result.Hits {
			hits[step] += n
		}
		for _, e := range result.History.Events {
			if e.Call != nil && e.Call.By == history.ByKerf {
				launched += len(e.Call.Made)
			}
		}
		last := result.History.Events[0].At.Add(removed)
		left := append(leftovers(&result.History, last.Add(goneWithin), false), leftovers(&result.History, last.Add(searchedWithin), true)...)
		if len(left) > 0 {
			t.Errorf("seed %d, steps %v: %s or %s after the last step there are %v", seed, plan.Steps, goneWithin, searchedWithin, left)
		}
	}
	t.Logf("%d runs, %d instances launched, steps %v", uninstalls, launched, hits)
	if launched < uninstalls || hits[world.StepReplaceTemplate] == 0 || hits[world.StepReplaceProvisioner] == 0 {
		t.Error("hardly anything was launched or taken away")
	}
}
