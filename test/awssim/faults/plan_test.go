package faults_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kerf-autoscaler/kerf/test/awssim/faults"
)

func epoch() time.Time { return time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC) }

func injector(t *testing.T, p faults.Plan) *faults.Injector {
	t.Helper()
	i := faults.NewInjector()
	if err := i.Set(p, epoch()); err != nil {
		t.Fatal(err)
	}
	return i
}

// full is a plan with every field of it set.
const full = `{
  "seed": 9,
  "token": {"lifetime": "1h0m0s"},
  "ambiguous": [{"after": "1s", "for": "1m0s", "share": 0.5, "most": 3, "actions": ["CreateFleet"], "kind": "drop"}],
  "visibility": {"byId": {"least": "1s", "most": "2s"}, "byFilter": {"most": "5m0s"}},
  "flap": [{"share": 0.05, "reads": "filter"}],
  "empty": [{"nth": [1, 3], "actions": ["DescribeSubnets"]}],
  "partial": [{"kind": "short"}],
  "ice": [{"share": 0.9, "instanceType": "m5.large", "zone": "us-east-1a", "capacityType": "spot", "instances": 2}],
  "throttle": {"buckets": {"CreateFleet": {"size": 5, "refill": 1}}, "resources": {"RunInstances": {"size": 10, "refill": 1}}, "neighbour": 0.8},
  "down": [{"actions": ["ec2"], "kind": "slow", "delay": "3s"}],
  "shutdownLag": {"most": "2m0s"},
  "events": [{"after": "1m0s", "do": "interrupt", "tags": {"a": "b"}}],
  "clockOffset": "-10m0s",
  "boot": [{"kind": "late", "delay": "4m0s"}]
}`

func TestAPlanIsReadFromJSONAndWrittenAsTheSame(t *testing.T) {
	p, err := faults.Parse([]byte(full))
	if err != nil {
		t.Fatal(err)
	}
	for i, v := 0, reflect.ValueOf(p); i < v.NumField(); i++ {
		if v.Field(i).IsZero() {
			t.Errorf("the plan of this test lacks %s", v.Type().Field(i).Name)
		}
	}
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var want, got any
	if err := json.Unmarshal([]byte(full), &want); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("written again (-read +written):\n%s", diff)
	}
}

func TestPlansThatMeanNothingAreRefused(t *testing.T) {
	for text, says := range map[string]string{
		`{"ambiguous": [{"kind": "slow"}]}`:                    "ambiguous 1",
		`{"ambiguous": [{"kind": "drop", "share": -1}]}`:       "share -1",
		`{"flap": [{}, {"reads": "tea leaves"}]}`:              "flap 2",
		`{"empty": [{"share": 0.1, "nth": [1]}]}`:              "exclude",
		`{"empty": [{"nth": [0]}]}`:                            "counts from 1",
		`{"empty": [{"most": -1}]}`:                            "negative",
		`{"empty": [{"after": "-1s"}]}`:                        "negative",
		`{"partial": [{"kind": "odd"}]}`:                       "partial 1",
		`{"ice": [{"capacityType": "free"}]}`:                  "free",
		`{"ice": [{"instances": -1}]}`:                         "negative",
		`{"ice": [{"nth": [1]}]}`:                              "use share",
		`{"down": [{"kind": "slow"}]}`:                         "delay",
		`{"down": [{"kind": "drop", "delay": "1s"}]}`:          "delay",
		`{"events": [{"do": "explode"}]}`:                      "explode",
		`{"events": [{"do": "stop", "for": "1s"}]}`:            "duration",
		`{"boot": [{"kind": "late"}]}`:                         "delay",
		`{"boot": [{"kind": "never", "delay": "1s"}]}`:         "delay",
		`{"token": {}}`:                                        "lifetime",
		`{"shutdownLag": {"least": "2s", "most": "1s"}}`:       "no range",
		`{"visibility": {"byId": {"least": "-1s"}}}`:           "no range",
		`{"visibility": {"byFilter": {"most": "-1s"}}}`:        "no range",
		`{"throttle": {"neighbour": 1}}`:                       "neighbour",
		`{"throttle": {"buckets": {"X": {"size": -1}}}}`:       "bucket of X",
		`{"throttle": {"resources": {"CreateFleet": {}}}}`:     "CreateFleet",
		`{"throttle": {"bukets": {}}}`:                         "bukets",
		`{"clockOffset": 5}`:                                   "clockOffset",
		`{"events": [{"do": "fail"}, {"do": ""}], "seed": -1}`: "seed",
	} {
		if _, err := faults.Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want an error about %q", text, err, says)
		}
	}
}

func TestASeedMakesTheSameDecisionsWhateverOtherCallsThereAre(t *testing.T) {
	plan := faults.Plan{Seed: 4, Down: []faults.Outage{{When: faults.When{Share: 0.5}, Kind: faults.Drop}, {When: faults.When{Share: 0.5}, Kind: faults.Failure}}}
	decide := func(seed uint64, between int) string {
		plan.Seed = seed
		i := injector(t, plan)
		var out strings.Builder
		for range 40 {
			out.WriteString(i.Before("ec2", "CreateFleet", epoch()).Kind + " ")
			for range between {
				i.Before("ec2", "DescribeInstances", epoch())
				i.Lost("ec2", "CreateFleet", epoch())
				i.Fleet(3, epoch())
			}
		}
		return out.String()
	}
	if a, b := decide(4, 0), decide(4, 3); a != b {
		t.Errorf("other calls change what happens:\n%s\n%s", a, b)
	}
	if a, b := decide(4, 0), decide(5, 0); a == b {
		t.Errorf("another seed decides the same: %s", a)
	}
}

func TestRulesHoldInTheirTimeAndNoOftenerThanTheyMay(t *testing.T) {
	i := injector(t, faults.Plan{Down: []faults.Outage{
		{When: faults.When{After: faults.Duration(time.Minute), For: faults.Duration(time.Minute), Most: 2}, Kind: faults.Drop},
		{When: faults.When{Nth: []int{2}}, Actions: []string{"ssm"}, Kind: faults.Failure},
	}})
	at := func(service string, seconds int) string {
		return i.Before(service, "Get", epoch().Add(time.Duration(seconds)*time.Second)).Kind
	}
	got := []string{at("eks", 0), at("eks", 59), at("eks", 60), at("eks", 119), at("eks", 119), at("eks", 120), at("ssm", 130), at("ssm", 131), at("ssm", 132)}
	want := []string{"", "", faults.Drop, faults.Drop, "", "", "", faults.Failure, ""}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what befell the calls (-want +got):\n%s", diff)
	}
	if hits := i.Report().Hits; hits["down.drop"] != 2 || hits["down.error"] != 1 {
		t.Errorf("hits %v", hits)
	}
}

func TestANewPlanBeginsAnewAndKeepsTheHits(t *testing.T) {
	plan := faults.Plan{Empty: []faults.Emptiness{{When: faults.When{Nth: []int{1}}}}}
	i := injector(t, plan)
	first, second := i.Empty("DescribeInstances", epoch()), i.Empty("DescribeInstances", epoch())
	if err := i.Set(plan, epoch()); err != nil {
		t.Fatal(err)
	}
	if third := i.Empty("DescribeInstances", epoch()); !first || second || !third {
		t.Errorf("empty: %t, %t, and after the plan was set again %t", first, second, third)
	}
	if err := i.Set(faults.Plan{Partial: []faults.Partial{{}}}, epoch()); err == nil {
		t.Error("a plan that means nothing was accepted")
	}
	if report := i.Report(); report.Hits[faults.EmptyHit] != 2 || len(report.Plan.Empty) != 1 {
		t.Errorf("report %+v", report)
	}
}

func TestOverlappingShortagesBindByTheLeast(t *testing.T) {
	i := injector(t, faults.Plan{ICE: []faults.Shortage{{Instances: 5}, {Zone: "a", Instances: 2}, {Zone: "b", Instances: 7}}})
	got := map[string]int{}
	for _, zone := range []string{"a", "b"} {
		bound, ok := i.Capacity(faults.Pool{InstanceType: "m5.large", Zone: zone, CapacityType: "spot"}, epoch())
		if !ok {
			t.Errorf("zone %s has no bound", zone)
		}
		got[zone] = bound
	}
	if diff := cmp.Diff(map[string]int{"a": 2, "b": 5}, got); diff != "" {
		t.Errorf("bounds (-want +got):\n%s", diff)
	}
}
