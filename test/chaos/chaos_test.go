package chaos_test

import (
	"flag"
	"os"
	"testing"
	"time"

	"github.com/kerf-autoscaler/kerf/test/chaos/invariant"
	"github.com/kerf-autoscaler/kerf/test/chaos/world"
)

var (
	from = flag.Uint64("from", 1, "")
	runs = flag.Int("runs", 100, "")
	show = flag.String("show", "", "")
)

func TestSeeds(t *testing.T) {
	hits := map[string]int{}
	bad := 0
	start := time.Now()
	for seed := *from; seed < *from+uint64(*runs); seed++ {
		begun := time.Now()
		r := world.Run(t, world.Draw(seed))
		for k, n := range r.Hits {
			if n > 0 {
				hits[k]++
			}
		}
		if r.Err != nil {
			t.Errorf("seed %d: %v", seed, r.Err)
		}
		if v := invariant.Judge(&r.History); len(v) > 0 {
			bad++
			t.Errorf("seed %d (%s): %d violations, first: %s", seed, time.Since(begun).Round(time.Millisecond), len(v), v[0])
		}
		if *show != "" {
			f, _ := os.Create(*show)
			r.History.Print(f)
			for _, v := range invariant.Judge(&r.History) {
				t.Log(v)
			}
			t.Logf("%+v", world.Draw(seed))
			f.Close()
		}
	}
	t.Logf("%d runs, %d bad, %s, hits %v", *runs, bad, time.Since(start), hits)
}
