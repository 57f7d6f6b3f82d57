package live_test

import (
	"os"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/kerf-autoscaler/kerf/test/chaos/live"
)

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard())
	os.Exit(m.Run())
}

func newSite(t *testing.T, flags ...string) *live.Site {
	t.Helper()
	site, err := live.NewSite(t.Context(), flags...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := site.Close(); err != nil {
			t.Error(err)
		}
	})
	return site
}

// run runs a world whose faults all have to strike.
func run(t *testing.T, site *live.Site, plan live.Plan) live.Result {
	t.Helper()
	r := live.Run(t.Context(), site, plan)
	t.Logf("%s: %v; %d calls, %d processes, struck %v", r.Took, plan.Troubles, r.Calls, r.Processes, r.Struck)
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	if !r.Hit {
		t.Errorf("not all that was planned went wrong: %v", r.Struck)
	}
	for _, v := range r.Violations {
		t.Error(v)
	}
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		if err := r.History.Print(t.Output()); err != nil {
			t.Error(err)
		}
	})
	return r
}

// Each of these is a way in which kerf could launch twice: nobody knows whether it has launched, or two think that they should.
func TestMachinesAreLaunchedOnceWhateverGoesWrong(t *testing.T) {
	site := newSite(t)
	for name, troubles := range map[string][]live.Trouble{
		"crashed when the fleet is there": {{Class: live.CrashApplied, Action: "CreateFleet", Call: 1}},
		"answers lost": {
			{Class: live.AWSLost, Action: "CreateFleet", Call: 1, For: time.Second}, {Class: live.APILost, Call: 30, For: time.Second, Share: 0.3},
		},
		"a leader that does not know that it is none": {{Class: live.HandoverZombie, Call: 12, Delay: 4 * time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			plan := live.Plan{Seed: 1, Machines: 12, Shapes: 2, Replicas: 1, Troubles: troubles}
			if troubles[0].Class == live.HandoverZombie {
				plan.Replicas = 2
			}
			run(t, site, plan)
		})
	}
}

func TestALaunchGoesOnWhenTheControlPlaneComesBack(t *testing.T) {
	site := newSite(t)
	for name, trouble := range map[string]live.Trouble{
		"the API server was killed":    {Class: live.ServerKilled, Call: 30, For: 2 * time.Second},
		"etcd was killed":              {Class: live.EtcdKilled, Call: 30, For: 2 * time.Second},
		"nobody answers for a webhook": {Class: live.WebhookDown, Call: 5},
	} {
		t.Run(name, func(t *testing.T) {
			r := run(t, site, live.Plan{Seed: 1, Machines: 10, Shapes: 1, Replicas: 1, Troubles: []live.Trouble{trouble}})
			t.Logf("kerf was done %s after the control plane was back", r.Recovered)
		})
	}
}

// Without a cache of its own the API server watches in etcd, which forgets versions after a second or two.
func TestAWatchWhosePlaceIsForgottenBeginsAnew(t *testing.T) {
	site := newSite(t, "--watch-cache=false", "--etcd-compaction-interval=1s")
	run(t, site, live.Plan{Seed: 1, Machines: 10, Shapes: 1, Replicas: 1, Troubles: []live.Trouble{
		{Class: live.WatchLost, Resource: "machines", Call: 20, For: 4 * time.Second},
	}})
	if err := site.Forgotten(t.Context()); err != nil {
		t.Error(err)
	}
}
