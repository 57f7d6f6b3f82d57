package disruption_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/disruption"
)

func TestPartsAreTheLeastThatAreNotBelow(t *testing.T) {
	for total := range 250 {
		for percent := range 101 {
			least := 0
			for least*100 < total*percent {
				least++
			}
			budgets := []v1alpha5.Budget{nodes(strconv.Itoa(percent) + "%")}
			if got := disruption.Allowed(budgets, "Drifted", disruption.Fleet{Total: total}, now()).Machines; got != least {
				t.Fatalf("%d%% of %d are %d, want %d", percent, total, got, least)
			}
		}
	}
}

func TestMoreBudgetsAndFewerNodesNeverLetMoreGo(t *testing.T) {
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 3))
		budgets := make([]v1alpha5.Budget, r.IntN(5))
		for i := range budgets {
			budgets[i] = anyBudget(r)
		}
		fleet := disruption.Fleet{Total: r.IntN(50), Unavailable: r.IntN(10)}
		reason := anyReason(r)
		all := disruption.Allowed(budgets, reason, fleet, now())

		strictest := disruption.Unbounded
		for i := range budgets {
			strictest = min(strictest, disruption.Allowed(budgets[i:i+1], reason, fleet, now()).Machines)
		}
		if all.Machines != strictest || all.Machines < 0 {
			t.Fatalf("seed %d: %d of %+v may go by %v, and %d by the strictest of them", seed, all.Machines, fleet, budgets, strictest)
		}
		shuffled := slices.Clone(budgets)
		r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		if got := disruption.Allowed(shuffled, reason, fleet, now()); got.Machines != all.Machines || !got.Until.Equal(all.Until) {
			t.Fatalf("seed %d: in another order %+v in place of %+v", seed, got, all)
		}
		fleet.Unavailable++
		if less := disruption.Allowed(budgets, reason, fleet, now()).Machines; less > all.Machines {
			t.Fatalf("seed %d: with one less there %d may go, before it %d", seed, less, all.Machines)
		}
	}
}

// The oracle reads the same schedule from lists and looks at every minute, one by one.
func TestWindowsAreThoseOfALookAtEveryMinute(t *testing.T) {
	const seeds, looks = 600, 20000 // minutes, two weeks
	open, exact := 0, 0
	for seed := range uint64(seeds) {
		r := rand.New(rand.NewPCG(seed, 4))
		c, minutes := anyCalendar(r), 1+r.IntN(1<<(1+r.IntN(12)))
		duration := time.Duration(minutes) * time.Minute
		at := time.Date(2024+r.IntN(4), time.Month(1+r.IntN(12)), 1+r.IntN(28), r.IntN(24), r.IntN(60), r.IntN(2)*r.IntN(60), 0, time.UTC)
		got := disruption.Allowed([]v1alpha5.Budget{from(c.String(), duration, nodes("0"))}, "Empty", disruption.Fleet{Total: 9}, at)

		// Windows begin and end with a minute, so what is true of its beginning is true of all of it.
		next := at.Truncate(time.Minute).Add(time.Minute - duration)
		left := 0 // minutes, of the window that was opened last
		look := func() bool {
			if left--; c.starts(next) {
				left = minutes
			}
			next = next.Add(time.Minute)
			return left > 0
		}
		want := false
		for !next.After(at) {
			want = look()
		}
		if want {
			open++
		}
		if (got.Machines == 0) != want {
			t.Fatalf("seed %d: %q for %s applies at %s: %t, want %t", seed, c, duration, at, !want, want)
		}
		for range looks {
			if change := next; look() != want {
				if change.Before(got.Until) {
					t.Fatalf("seed %d: %q for %s at %s changes at %s, not at %s", seed, c, duration, at, change, got.Until)
				} else if change.Equal(got.Until) {
					exact++
				}
				break
			}
		}
	}
	t.Logf("open %d times, changed exactly when said %d times", open, exact)
	if open < seeds/8 || open > seeds*7/8 || exact < seeds/3 {
		t.Errorf("too few of a kind to prove anything: open %d times, changed exactly when said %d times", open, exact)
	}
}

// calendar is a schedule as lists; an empty one stands for all.
type calendar struct {
	minutes, hours, days, months, weekdays []int
}

func anyCalendar(r *rand.Rand) calendar {
	some := func(low, high, most int) []int {
		if r.IntN(2) == 0 {
			return nil
		}
		out := make([]int, 1+r.IntN(most))
		for i := range out {
			out[i] = low + r.IntN(high-low+1)
		}
		return out
	}
	return calendar{some(0, 59, 6), some(0, 23, 4), some(1, 28, 5), some(1, 12, 6), some(0, 6, 3)}
}

func (c calendar) String() string {
	texts := make([]string, 0, 5)
	for _, list := range [][]int{c.minutes, c.hours, c.days, c.months, c.weekdays} {
		text := strings.ReplaceAll(strings.Trim(fmt.Sprint(list), "[]"), " ", ",")
		if text == "" {
			text = "*"
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, " ")
}

// starts reports whether a window starts in that minute. Of days and weekdays either will do if both are given.
func (c calendar) starts(t time.Time) bool {
	in := func(list []int, value int) bool { return len(list) == 0 || slices.Contains(list, value) }
	day, weekday := in(c.days, t.Day()), in(c.weekdays, int(t.Weekday()))
	if len(c.days) > 0 && len(c.weekdays) > 0 {
		day = day || weekday
	} else {
		day = day && weekday
	}
	return in(c.minutes, t.Minute()) && in(c.hours, t.Hour()) && in(c.months, int(t.Month())) && day
}

func anyReason(r *rand.Rand) v1alpha5.DisruptionReason {
	return []v1alpha5.DisruptionReason{"Empty", "Drifted", "Expired", "Underutilized"}[r.IntN(4)]
}

func anyBudget(r *rand.Rand) v1alpha5.Budget {
	b := nodes([]string{"0", "3", "20", "0%", "10%", "55%", "100%", "ten"}[r.IntN(8)])
	for range r.IntN(3) {
		b.Reasons = append(b.Reasons, anyReason(r))
	}
	if r.IntN(2) == 0 {
		b = from([]string{"@daily", "0 12 * * *", "@hourly", "59 11 1 1 *", "broken"}[r.IntN(5)], time.Duration(1+r.IntN(1000))*time.Minute, b)
	}
	return b
}
