package e2e

import "testing"

// TestKerf runs all scenarios in one world, because starting one takes longer than most of them. Those that look at what kerf
// says run one after the other: what kerf says about a pod depends on all the provisioners that there are.
func TestKerf(t *testing.T) {
	startWorld(t, false).play(t, []scenario{
		{"where the API server does not stream lists kerf asks for them", (*world).listsWhatIsNotStreamed},
		{"without AWS kerf is alive, not ready, says why, and recovers", (*world).startsWithoutAWS},
		{"with refused credentials kerf is alive, not ready, says why, and recovers", (*world).startsWithRefusedCredentials},
		{"without a region Provisioners can be applied already", (*world).servesWithoutRegion},
		{"every example applies", (*world).examplesApply},
		{"kubectl does with what is kerf's what people are used to", (*world).answersKubectl},
		{"a Provisioner without requirements shows the default ones", (*world).writesDefaults},
		{"every mistake of an object is shown at once", (*world).showsEveryMistake},
		{"Provisioners that take the same pods are warned of", (*world).warnsOfOverlaps},
		{"a controller that is told to end answers webhooks for a while", (*world).answersWhileItEnds},
		{"where nobody answers webhooks all goes on but changes of specs", (*world).worksWithoutWebhook},
		{"a missing template is named until it is there", (*world).namesMissingTemplate},
		{"selectors that match nothing are named", (*world).namesEmptySelectors},
		{"a node that is gone leaves its lease behind", (*world).leavesLease},
		{"a pod that is too large gets one event and no machine", (*world).leavesTooLargePodAlone},
		{"a pod that tolerates no provisioner is told which taint", (*world).namesUntoleratedTaint},
		{"limits hold and are named when reached", (*world).holdsLimits},
		{"a cluster in which nothing changes is left alone", (*world).staysQuiet},
		{"pods with claims run where their volumes are", (*world).followsVolumes},
		{"a lease that a node has left is gone", (*world).missesLease},
		{"all that a template and a kubelet configuration say reaches nodes", (*world).honoursTemplates},
		{"a Provisioner that describes its machines itself gets nodes, and leaves nothing", (*world).launchesFromInlineProviders},
		{"a machine that is not what is asked for any more is replaced", (*world).replacesWhatHasDrifted},
		{"pods leave a spot instance before it is taken away", (*world).leavesBeforeReclaim},
		{"ends of all kinds are clean, and machines that never join are replaced", (*world).endsCleanly},
		{"a controller killed in mid-launch resumes with one instance for each machine", (*world).survivesKills},
	})
}

// TestKerfFromItsChart installs kerf with helm and runs it with the account, the rules and the settings of the chart.
func TestKerfFromItsChart(t *testing.T) {
	startWorld(t, true).play(t, []scenario{
		{"a Provisioner without requirements shows the default ones", (*world).writesDefaults},
		{"every example applies", (*world).examplesApply},
		{"pods say what deleting them costs", (*world).saysWhatDeletingCosts},
	})
}

// scenario is a part of what happens in a world.
type scenario struct {
	name string
	run  func(*world, *testing.T)
}

func (w *world) play(t *testing.T, scenarios []scenario) {
	for _, s := range scenarios {
		if !t.Run(s.name, func(t *testing.T) { s.run(w, t) }) {
			w.clear(t)
		}
	}
}
