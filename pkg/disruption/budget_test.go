package disruption_test

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/disruption"
)

func nodes(text string, reasons ...v1alpha5.DisruptionReason) v1alpha5.Budget {
	return v1alpha5.Budget{Nodes: &text, Reasons: reasons}
}

// from returns a budget that applies for a time from each start of the schedule on.
func from(schedule string, duration time.Duration, b v1alpha5.Budget) v1alpha5.Budget {
	b.Schedule, b.Duration = &schedule, &metav1.Duration{Duration: duration}
	return b
}

func TestHowManyMoreMayGo(t *testing.T) {
	const any = disruption.Unbounded
	fleet := func(total, unavailable int) disruption.Fleet {
		return disruption.Fleet{Total: total, Unavailable: unavailable}
	}
	tests := map[string]struct {
		budgets []v1alpha5.Budget
		reason  v1alpha5.DisruptionReason
		fleet   disruption.Fleet
		want    int
	}{
		"a number":                                {[]v1alpha5.Budget{nodes("5")}, "Empty", fleet(100, 0), 5},
		"a number, some of which are gone":        {[]v1alpha5.Budget{nodes("5")}, "Empty", fleet(100, 3), 2},
		"a number, more of which are gone":        {[]v1alpha5.Budget{nodes("5")}, "Empty", fleet(100, 30), 0},
		"a number above that of nodes":            {[]v1alpha5.Budget{nodes("5")}, "Empty", fleet(2, 1), 4},
		"a part":                                  {[]v1alpha5.Budget{nodes("10%")}, "Empty", fleet(100, 0), 10},
		"a part is rounded up":                    {[]v1alpha5.Budget{nodes("10%")}, "Empty", fleet(11, 0), 2},
		"a part of one":                           {[]v1alpha5.Budget{nodes("1%")}, "Empty", fleet(1, 0), 1},
		"a part of none":                          {[]v1alpha5.Budget{nodes("50%")}, "Empty", fleet(0, 0), 0},
		"all":                                     {[]v1alpha5.Budget{nodes("100%")}, "Empty", fleet(7, 2), 5},
		"none, as a number":                       {[]v1alpha5.Budget{nodes("0")}, "Empty", fleet(100, 0), 0},
		"none, as a part":                         {[]v1alpha5.Budget{nodes("0%")}, "Empty", fleet(100, 0), 0},
		"nothing said is a tenth":                 {[]v1alpha5.Budget{{}}, "Empty", fleet(100, 0), 10},
		"the strictest":                           {[]v1alpha5.Budget{nodes("7"), nodes("3"), nodes("5%")}, "Empty", fleet(100, 0), 3},
		"the strictest for the reason":            {[]v1alpha5.Budget{nodes("7"), nodes("3", "Drifted"), nodes("5%", "Drifted", "Empty")}, "Empty", fleet(100, 0), 5},
		"none for the reason":                     {[]v1alpha5.Budget{nodes("0", "Drifted")}, "Empty", fleet(100, 0), any},
		"no part that can be read":                {[]v1alpha5.Budget{nodes("101%")}, "Empty", fleet(100, 0), 0},
		"no number that can be read":              {[]v1alpha5.Budget{nodes("ten")}, "Empty", fleet(100, 0), 0},
		"no schedule that can be read":            {[]v1alpha5.Budget{from("61 * * * *", time.Hour, nodes("5"))}, "Empty", fleet(100, 0), 0},
		"no schedule that can be read, elsewhere": {[]v1alpha5.Budget{from("61 * * * *", time.Hour, nodes("5", "Drifted"))}, "Empty", fleet(100, 0), any},
		"a day that never comes":                  {[]v1alpha5.Budget{from("0 0 31 4 *", time.Hour, nodes("5"))}, "Empty", fleet(100, 0), 0},
		"a time zone":                             {[]v1alpha5.Budget{from("TZ=", time.Hour, nodes("5"))}, "Empty", fleet(100, 0), 0},
		"a schedule without a duration":           {[]v1alpha5.Budget{{Nodes: new("5"), Schedule: new("@daily")}}, "Empty", fleet(100, 0), 0},
		"by default, of empty ones all":           {(&v1alpha5.Provisioner{}).Budgets(), "Empty", fleet(100, 99), any},
		"by default, of others a tenth":           {(&v1alpha5.Provisioner{}).Budgets(), "Drifted", fleet(95, 4), 6},
		"by default, of expired ones a tenth":     {(&v1alpha5.Provisioner{}).Budgets(), "Expired", fleet(10, 0), 1},
		"by default, of underused ones a tenth":   {(&v1alpha5.Provisioner{}).Budgets(), "Underutilized", fleet(10, 1), 0},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := disruption.Allowed(tc.budgets, tc.reason, tc.fleet, now())
			if got.Machines != tc.want {
				t.Errorf("%d more may go, want %d", got.Machines, tc.want)
			}
			if (got.Held == "") != (got.Machines > 0) {
				t.Errorf("%d more may go, and %q", got.Machines, got.Held)
			}
		})
	}
}

func TestWhatHoldsIsNamed(t *testing.T) {
	tests := map[string]struct {
		budgets []v1alpha5.Budget
		want    []string
	}{
		"the strictest": {[]v1alpha5.Budget{nodes("100%"), nodes("10%")}, []string{`budget "nodes: 10%"`, "1 of 10", "2 are"}},
		"the first of equals": {[]v1alpha5.Budget{nodes("1", "Empty"), nodes("2")},
			[]string{`budget "nodes: 1, reasons: [Empty]"`, "1 of 10", "2 are"}},
		"with its time": {[]v1alpha5.Budget{from("0 9 * * *", 8*time.Hour, nodes("0"))}, []string{`"nodes: 0, schedule: 0 9 * * *, duration: 8h0m"`}},
		"what is wrong with it": {[]v1alpha5.Budget{from("61 * * * *", time.Hour, nodes("5"))},
			[]string{"61 * * * *", "cannot be read", "above maximum (59)"}},
		"a number that is none": {[]v1alpha5.Budget{nodes("ten")}, []string{`nodes "ten" must be a number`}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := disruption.Allowed(tc.budgets, "Empty", disruption.Fleet{Total: 10, Unavailable: 2}, now())
			for _, want := range tc.want {
				if !strings.Contains(got.Held, want) {
					t.Errorf("it says %q, want %q in it", got.Held, want)
				}
			}
		})
	}
}

func TestWindowsBeginAtTheirStartAndAreOverAtTheirEnd(t *testing.T) {
	day := func(hour, minute, second int) time.Time {
		return time.Date(2026, 3, 29, hour, minute, second, 0, time.UTC)
	} // a Sunday
	tests := map[string]struct {
		schedule string
		duration time.Duration
		at       time.Time
		applies  bool
		until    time.Time
	}{
		"right before":                   {"0 9 * * *", time.Hour, day(8, 59, 59), false, day(9, 0, 0)},
		"a nanosecond before":            {"0 9 * * *", time.Hour, day(9, 0, 0).Add(-1), false, day(9, 0, 0)},
		"the start":                      {"0 9 * * *", time.Hour, day(9, 0, 0), true, day(10, 0, 0)},
		"within":                         {"0 9 * * *", time.Hour, day(9, 30, 1), true, day(10, 0, 0)},
		"a nanosecond before the end":    {"0 9 * * *", time.Hour, day(10, 0, 0).Add(-1), true, day(10, 0, 0)},
		"the end":                        {"0 9 * * *", time.Hour, day(10, 0, 0), false, day(33, 0, 0)},
		"over midnight":                  {"0 22 * * *", 4 * time.Hour, day(1, 0, 0), true, day(2, 0, 0)},
		"the end is the next start":      {"0 * * * *", time.Hour, day(9, 30, 0), true, day(9, 0, 0).Add(101 * time.Hour)},
		"it lasts into the next but one": {"0 9 28,29 3 *", 36 * time.Hour, day(0, 0, 0), true, day(45, 0, 0)},
		"on workdays":                    {"0 9 * * mon-fri", time.Hour, day(9, 30, 0), false, day(33, 0, 0)},
		"hourly":                         {"@hourly", time.Minute, day(9, 0, 30), true, day(9, 1, 0)},
		"daily":                          {"@daily", 2 * time.Hour, day(1, 0, 0), true, day(2, 0, 0)},
		"at midnight":                    {"@midnight", time.Hour, day(1, 0, 0), false, day(24, 0, 0)},
		"weekly, which is on Sundays":    {"@weekly", time.Hour, day(0, 0, 0), true, day(1, 0, 0)},
		"monthly":                        {"@monthly", 48 * time.Hour, day(0, 0, 0), false, day(72, 0, 0)},
		"yearly":                         {"@yearly", 90 * 24 * time.Hour, day(0, 0, 0), true, day(72, 0, 0)},
		"annually":                       {"@annually", time.Hour, day(0, 0, 0), false, time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)},
		"on a leap day":                  {"0 0 29 2 *", time.Hour, day(0, 0, 0), false, time.Date(2028, 2, 29, 0, 0, 0, 0, time.UTC)},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			budgets := []v1alpha5.Budget{from(tc.schedule, tc.duration, nodes("0"))}
			got := disruption.Allowed(budgets, "Empty", disruption.Fleet{Total: 10}, tc.at)
			if (got.Machines == 0) != tc.applies || !got.Until.Equal(tc.until) {
				t.Errorf("it applies: %t until %s, want %t until %s", got.Machines == 0, got.Until, tc.applies, tc.until)
			}
		})
	}
}

// In Berlin the hour from 2 to 3 is left out on this day: a schedule in local time would not come.
func TestSchedulesAreInUTC(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 3, 29, 2, 30, 0, 0, time.UTC).In(berlin)
	budgets := []v1alpha5.Budget{from("30 2 * * *", time.Minute, nodes("0"))}
	if got := disruption.Allowed(budgets, "Empty", disruption.Fleet{Total: 10}, at); got.Machines != 0 {
		t.Errorf("%d may go at %s", got.Machines, at)
	}
	if got := disruption.Allowed(budgets, "Empty", disruption.Fleet{Total: 10}, at.Add(-2*time.Hour)); got.Machines == 0 {
		t.Errorf("none may go at %s", at.Add(-2*time.Hour))
	}
}

func TestTheNextChangeIsThatOfAnyBudgetThatIsAboutTheReason(t *testing.T) {
	budgets := []v1alpha5.Budget{
		nodes("50%"), from("0 14 * * *", time.Hour, nodes("0")), from("0 13 * * *", time.Hour, nodes("0", "Drifted")), from("61 * * * *", time.Hour, nodes("5", "Expired")),
	}
	for reason, want := range map[v1alpha5.DisruptionReason]time.Time{
		"Empty": now().Add(2 * time.Hour), "Drifted": now().Add(time.Hour), "Expired": now().Add(2 * time.Hour),
	} {
		if got := disruption.Allowed(budgets, reason, disruption.Fleet{Total: 10}, now()).Until; !got.Equal(want) {
			t.Errorf("%s: it changes at %s, want %s", reason, got, want)
		}
	}
	if got := disruption.Allowed(budgets[:1], "Empty", disruption.Fleet{Total: 10}, now()).Until; !got.IsZero() {
		t.Errorf("a budget without a schedule changes at %s", got)
	}
}
