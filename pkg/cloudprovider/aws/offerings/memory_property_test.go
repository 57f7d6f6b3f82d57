package offerings

import (
	"math/rand/v2"
	"testing"
	"time"
)

// Whatever happens in whatever order: a rest is never longer than it may be, what starves is tried within a minute, nobody is let
// through unbounded before it is proven, an answer never changes without the generation, and all is forgotten in the end.
func TestAnyHistoryKeepsThePromises(t *testing.T) {
	const longest = 10 * time.Minute
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 7))
		w := newWorld(t, longest)
		var restSince, starvedSince time.Time
		last, generation := w.standing(), w.Generation()
		for i := range 300 {
			w.step(time.Duration(r.IntN(90)) * time.Second)
			before := w.standing()
			if before.Available {
				starvedSince = time.Time{}
			}
			switch r.IntN(6) {
			case 0:
				w.MarkUnavailable(spot())
			case 1:
				w.MarkStarved(spot())
				if starvedSince.IsZero() {
					starvedSince = w.clock.Now()
				}
			case 2:
				w.MarkAvailable(spot())
			}
			now, at := w.standing(), w.clock.Now()
			if now != last && w.Generation() == generation {
				t.Fatalf("seed %d, step %d: %+v became %+v without a new generation", seed, i, last, now)
			}
			last, generation = now, w.Generation()
			if before.Available && !now.Available {
				restSince = at
			}
			if !now.Available && (at.Sub(restSince) >= longest || !starvedSince.IsZero() && at.Sub(starvedSince) >= time.Minute) {
				t.Fatalf("seed %d, step %d: it rests since %s, somebody starves since %s, and it is %s", seed, i, restSince, starvedSince, at)
			}
			if before.Trial > 0 && now.Available && now.Trial == 0 && before.Trial < proven/growth {
				t.Fatalf("seed %d, step %d: %+v became %+v at once", seed, i, before, now)
			}
		}
		w.step(2 * longest)
		if left := w.Remembered(); len(left) > 0 {
			t.Fatalf("seed %d: left %v", seed, left)
		}
	}
}
