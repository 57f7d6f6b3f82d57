package live_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"testing"

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

var (
	worlds = flag.Int("worlds", 3, "how many worlds in which every fault has struck")
	seed   = flag.Uint64("seed", 1, "the seed of the first of them")
	show   = flag.String("history", "", "a file for the history of the last world")
)

func TestKerfKeepsItsPromisesWhateverGoesWrong(t *testing.T) {
	site, err := live.NewSite(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer site.Close()
	for s := *seed; s < *seed+uint64(*worlds); s++ {
		r := live.Run(context.Background(), site, live.Draw(s))
		fmt.Printf("seed %d %v took %s calls %d procs %d crashes %d struck %v violations %d err %v\n", s, live.Draw(s).Troubles, r.Took, r.Calls, r.Processes, r.Crashes, r.Struck, len(r.Violations), r.Err)
		for _, v := range r.Violations {
			t.Errorf("seed %d: %s", s, v)
		}
		if *show != "" {
			f, _ := os.Create(*show)
			r.History.Print(f)
			f.Close()
		}
	}
}
