package awssim_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/kerf-autoscaler/kerf/test/awssim/admin"
	"github.com/kerf-autoscaler/kerf/test/awssim/faults"
)

func after(d time.Duration) faults.When { return faults.When{After: faults.Duration(d)} }

// upTo is a range that begins at nothing.
func upTo(d time.Duration) *faults.Range { return &faults.Range{Most: faults.Duration(d)} }

// spotOf asks for spot in place of on-demand.
func spotOf(in *ec2.CreateFleetInput) *ec2.CreateFleetInput {
	in.TargetCapacitySpecification.DefaultTargetCapacityType = ec2types.DefaultTargetCapacityTypeSpot
	return in
}

// shown counts the instances that EC2 shows, asked by filter and, one by one, by id.
func (s *sim) shown() (byFilter, byID int) {
	s.t.Helper()
	for _, i := range s.Instances() {
		switch out, err := s.once().DescribeInstances(s.ctx(), &ec2.DescribeInstancesInput{InstanceIds: []string{i.ID}}); {
		case err == nil && len(out.Reservations) == 1:
			byID++
		case err != nil && code(err) != "InvalidInstanceID.NotFound":
			s.t.Fatal(err)
		}
	}
	return len(s.describe(&ec2.DescribeInstancesInput{})), byID
}

func TestNewInstancesBecomeVisibleLaterByIDAndByFilter(t *testing.T) {
	s := start(t)
	s.makeTemplate()
	s.launch(s.fleetOf(10, "m5.large"))
	s.clock.Step(time.Second)
	s.plan(faults.Plan{Seed: 7, Visibility: &faults.Visibility{ByID: upTo(5 * time.Minute), ByFilter: upTo(5 * time.Minute)}})
	if byFilter, byID := s.shown(); byFilter != 10 || byID != 10 {
		t.Fatalf("%d and %d instances; want those from before the plan to be seen", byFilter, byID)
	}
	ids := ids(s.launch(s.fleetOf(20, "m5.large")))
	if byFilter, byID := s.shown(); byFilter != 10 || byID != 10 {
		t.Errorf("%d and %d instances are seen at once, want 10", byFilter, byID)
	}
	if _, err := s.ec2.TerminateInstances(s.ctx(), &ec2.TerminateInstancesInput{InstanceIds: ids[:1]}); code(err) != "InvalidInstanceID.NotFound" {
		t.Errorf("%v for ending what is not seen yet", err)
	}
	s.clock.Step(150 * time.Second)
	byFilter, byID := s.shown()
	if byFilter < 13 || byFilter > 27 || byID < 13 || byID > 27 || byFilter == byID {
		t.Errorf("%d by filter and %d by id are seen after half of the time, want each about half of the 20 new ones, not the same", byFilter, byID)
	}
	s.clock.Step(150 * time.Second)
	if byFilter, byID := s.shown(); byFilter != 30 || byID != 30 {
		t.Errorf("%d and %d instances are seen after all of the time, want 30", byFilter, byID)
	}
	hits := s.Faults().Hits
	if hits[faults.VisibilityByFilter] < 20 || hits[faults.VisibilityByID] < 21 {
		t.Errorf("hits %v", hits)
	}
}

func TestLiveInstancesFlap(t *testing.T) {
	s := start(t)
	s.makeTemplate()
	launched := ids(s.launch(s.fleetOf(20, "m5.large")))
	for _, tc := range []struct {
		reads          string
		byFilter, byID bool
	}{{"", true, true}, {faults.ByFilter, true, false}, {faults.ByID, false, true}} {
		s.plan(faults.Plan{Seed: 1, Flap: []faults.Flap{{When: faults.When{Share: 0.2}, Reads: tc.reads}}})
		var seen [2][]int
		for range 10 {
			seen[0] = append(seen[0], len(s.describe(&ec2.DescribeInstancesInput{})))
			seen[1] = append(seen[1], len(s.describe(&ec2.DescribeInstancesInput{InstanceIds: launched})))
		}
		for kind, flaps := range []bool{tc.byFilter, tc.byID} {
			least, most := slices.Min(seen[kind]), slices.Max(seen[kind])
			if flaps && (least > 17 || least < 8 || most == least) || !flaps && least < 20 {
				t.Errorf("reads %q: %v instances are seen of 20 (by filter, then by id)", tc.reads, seen)
			}
		}
	}
	if hits := s.Faults().Hits[faults.FlapHit]; hits < 80 || hits > 240 {
		t.Errorf("%d hits in 40 reads of 20, want about 160", hits)
	}
	s.plan(faults.Plan{Flap: []faults.Flap{{}}})
	if _, err := s.ec2.TerminateInstances(s.ctx(), &ec2.TerminateInstancesInput{InstanceIds: launched}); err != nil {
		t.Fatal(err)
	}
	if n := len(s.describe(&ec2.DescribeInstancesInput{})); n != 20 {
		t.Errorf("%d ended instances are seen, want all 20: only live ones flap", n)
	}
}

func TestAnAnswerMayBeEmptyThoughThereIsSomething(t *testing.T) {
	s := start(t)
	s.makeTemplate()
	launched := ids(s.launch(s.fleetOf(2, "m5.large")))
	s.plan(faults.Plan{Empty: []faults.Emptiness{{When: faults.When{Nth: []int{1, 2}}}, {Actions: []string{"DescribeSubnets", "DescribeLaunchTemplates"}}}})
	got := []int{
		len(s.describe(&ec2.DescribeInstancesInput{})), len(s.describe(&ec2.DescribeInstancesInput{InstanceIds: launched})),
		len(s.describe(&ec2.DescribeInstancesInput{})),
	}
	if diff := cmp.Diff([]int{0, 0, 2}, got); diff != "" {
		t.Errorf("instances in three answers (-want +got):\n%s", diff)
	}
	subnets, err := s.ec2.DescribeSubnets(s.ctx(), &ec2.DescribeSubnetsInput{})
	if err != nil || len(subnets.Subnets) != 0 {
		t.Errorf("%d subnets, %v", len(subnets.Subnets), err)
	}
	s.wantHits(map[string]int{faults.EmptyHit: 3})
}

func TestFleetsAreNotWhatWasAskedFor(t *testing.T) {
	for kind, tc := range map[string]struct{ launched, told, distinct, errors int }{
		faults.Short:     {2, 2, 2, 1}, // the seed draws 2 of 5
		faults.Silent:    {0, 0, 0, 0},
		faults.Extra:     {6, 6, 6, 0},
		faults.Duplicate: {5, 6, 5, 0},
		faults.OtherType: {5, 5, 5, 0},
		faults.Untold:    {5, 2, 2, 0},
	} {
		t.Run(kind, func(t *testing.T) {
			s := start(t)
			s.makeTemplate()
			s.plan(faults.Plan{Seed: 3, Partial: []faults.Partial{{When: faults.When{Nth: []int{2}}, Kind: kind}}})
			if n := len(ids(s.launch(s.withToken(s.fleetOf(5, "m5.large"), "as asked")))); n != 5 {
				t.Errorf("the first fleet has %d instances, want 5", n)
			}
			out := s.launch(s.withToken(s.fleetOf(5, "m5.large"), "odd"))
			told := ids(out)
			distinct := slices.Compact(slices.Sorted(slices.Values(told)))
			if n := len(s.Instances()) - 5; n != tc.launched || len(told) != tc.told || len(distinct) != tc.distinct || len(out.Errors) != tc.errors {
				t.Errorf("%d launched, %d told, %d of them different, %d errors; want %+v", n, len(told), len(distinct), len(out.Errors), tc)
			}
			others := 0
			for _, i := range s.Instances() {
				if i.Type != "m5.large" {
					others++
				}
			}
			if (others == 1) != (kind == faults.OtherType) || others > 1 {
				t.Errorf("%d instances of another type", others)
			}
			if again := ids(s.launch(s.withToken(s.fleetOf(5, "m5.large"), "odd"))); !slices.Equal(told, again) {
				t.Errorf("the same token tells %v, then %v", told, again)
			}
			s.wantHits(map[string]int{"partial." + kind: 1, faults.TokenReplayed: 1})
		})
	}
}

func TestPoolsRunShortOnSchedule(t *testing.T) {
	s := start(t)
	s.makeTemplate()
	s.plan(faults.Plan{ICE: []faults.Shortage{
		{When: faults.When{After: faults.Duration(time.Minute), For: faults.Duration(time.Minute)}, InstanceType: "m5.large", Zone: "us-east-1a", CapacityType: "on-demand"},
		{InstanceType: "c5.large", Instances: 1},
	}})
	launched := func(in *ec2.CreateFleetInput) (int, string) {
		out := s.launch(in)
		if len(out.Errors) == 0 {
			return len(ids(out)), ""
		}
		return len(ids(out)), *out.Errors[0].ErrorCode
	}
	for step, want := range []string{"", "InsufficientInstanceCapacity", ""} {
		if _, got := launched(s.fleetOf(1, "m5.large")); got != want {
			t.Errorf("in minute %d: %q, want %q", step, got, want)
		}
		if _, got := launched(spotOf(s.fleetOf(1, "m5.large"))); got != "" {
			t.Errorf("in minute %d: %q for spot, which is another pool", step, got)
		}
		s.clock.Step(time.Minute)
	}
	if n, refused := launched(s.fleetOf(3, "c5.large")); n != 1 || refused != "InsufficientInstanceCapacity" {
		t.Errorf("%d instances, %q; want the 1 that the pool has", n, refused)
	}
	s.wantHits(map[string]int{faults.ICEHit: 2})
}

func TestChancePicksThePoolsThatAreShort(t *testing.T) {
	s := start(t)
	s.makeTemplate()
	s.plan(faults.Plan{Seed: 5, ICE: []faults.Shortage{{When: faults.When{Share: 0.5}}}})
	short := map[string]bool{}
	for range 2 { // the same ones each time
		for _, size := range []string{"large", "xlarge", "2xlarge", "4xlarge"} {
			for _, family := range []string{"m5", "c5", "r5", "m5d", "c5d", "r5d", "m6i", "c6i", "r6i", "m5n"} {
				name := family + "." + size
				failed := len(s.launch(s.fleetOf(1, name)).Errors) > 0
				if before, known := short[name]; known && before != failed {
					t.Errorf("%s is short: %t, then %t", name, before, failed)
				}
				short[name] = failed
			}
		}
	}
	n := 0
	for _, failed := range short {
		if failed {
			n++
		}
	}
	if n < 10 || n > 30 {
		t.Errorf("%d of 40 pools are short, want about 20", n)
	}
	s.wantHits(map[string]int{faults.ICEHit: 2 * n})
}

func TestInstancesTakeTheirTimeToShutDown(t *testing.T) {
	s := start(t)
	s.makeTemplate()
	launched := ids(s.launch(s.fleetOf(20, "m5.large")))
	s.plan(faults.Plan{ShutdownLag: &faults.Range{Least: faults.Duration(time.Minute), Most: faults.Duration(2 * time.Minute)}})
	if _, err := s.ec2.TerminateInstances(s.ctx(), &ec2.TerminateInstancesInput{InstanceIds: launched}); err != nil {
		t.Fatal(err)
	}
	gone := func() (n int) {
		for _, i := range s.Instances() {
			if i.State == "terminated" {
				n++
			}
		}
		return n
	}
	s.clock.Step(59 * time.Second)
	early := gone()
	s.clock.Step(31 * time.Second)
	half := gone()
	s.clock.Step(30 * time.Second)
	if all := gone(); early != 0 || half < 3 || half > 17 || all != 20 {
		t.Errorf("%d, %d and %d of 20 are gone after 59, 90 and 120 seconds", early, half, all)
	}
	s.wantHits(map[string]int{faults.ShutdownLagHit: 20})
}

// states maps the number of an instance -> its state.
func (s *sim) states() map[int]string {
	out := map[int]string{}
	for _, i := range s.Instances() {
		out[i.Number] = i.State
	}
	return out
}

func TestThingsHappenToInstancesThoughNobodyCalled(t *testing.T) {
	s := start(t)
	s.makeTemplate()
	s.launch(s.fleetOf(5, "m5.large"))
	s.launch(spotOf(s.fleetOf(1, "m5.large")))
	nth := func(n int, at time.Duration) faults.When {
		return faults.When{After: faults.Duration(at), Nth: []int{n}}
	}
	s.plan(faults.Plan{Events: []faults.Event{
		{When: nth(1, time.Minute), Do: faults.Terminate}, {When: nth(2, time.Minute), Do: faults.Fail}, {When: nth(3, time.Minute), Do: faults.Stop},
		{When: nth(3, 2*time.Minute), Do: faults.Start}, {When: nth(4, time.Minute), Do: faults.Reboot},
		{When: after(time.Minute), Do: faults.Interrupt}, {When: nth(6, 2*time.Minute), Do: faults.Stop},
	}})
	s.clock.Step(59 * time.Second)
	s.wantHits(map[string]int{})
	s.clock.Step(31 * time.Second) // nobody has looked since: what was due happened when it was due
	want := map[int]string{1: "terminated", 2: "terminated", 3: "stopped", 4: "running", 5: "running", 6: "running"}
	if diff := cmp.Diff(want, s.states()); diff != "" {
		t.Errorf("after 90 seconds (-want +got):\n%s", diff)
	}
	got := map[string]bool{}
	for _, i := range s.Instances() {
		switch {
		case i.Number == 4:
			got["rebooted"] = i.Reboots == 1
		case i.Number == 6:
			got["warned"] = i.InterruptionTime != nil && i.InterruptionTime.Equal(s.clock.Now().Add(-30*time.Second))
		case i.Number < 3:
			got[i.StateReason] = true
		}
	}
	if diff := cmp.Diff(map[string]bool{"rebooted": true, "warned": true, "Client.UserInitiatedShutdown": true, "Server.InternalError": true}, got); diff != "" {
		t.Errorf("what has happened (-want +got):\n%s", diff)
	}
	s.clock.Step(30 * time.Second)
	if state := s.states()[3]; state != "pending" {
		t.Errorf("the instance that was started is %s, want pending", state)
	}
	s.clock.Step(time.Minute)
	if states := s.states(); states[3] != "running" || states[6] != "shutting-down" {
		t.Errorf("two minutes after the warning: %v", states)
	}
	s.wantHits(map[string]int{
		"event.terminate": 1, "event.fail": 1, "event.stop": 1, "event.start": 1, "event.reboot": 1, "event.interrupt": 1, faults.Reclaimed: 1,
	})
}

func TestEventsHappenToAShareOfTheTagged(t *testing.T) {
	s := start(t)
	s.makeTemplate()
	tagged := s.fleetOf(20, "m5.large")
	tagged.TagSpecifications = []ec2types.TagSpecification{{
		ResourceType: ec2types.ResourceTypeInstance, Tags: []ec2types.Tag{{Key: aws.String("team"), Value: aws.String("a")}},
	}}
	s.launch(tagged)
	s.launch(s.fleetOf(20, "m5.large"))
	s.plan(faults.Plan{Seed: 2, Events: []faults.Event{
		{When: faults.When{After: faults.Duration(time.Second), Share: 0.5}, Do: faults.Terminate, Tags: map[string]string{"team": "a"}},
	}})
	s.clock.Step(time.Second)
	ended := 0
	for _, i := range s.Instances() {
		if i.State != "pending" {
			ended++
			if i.Tags["team"] != "a" {
				t.Errorf("%s has no such tag", i.ID)
			}
		}
	}
	if ended < 4 || ended > 16 {
		t.Errorf("%d of 20 have ended, want about half", ended)
	}
	s.wantHits(map[string]int{"event.terminate": ended})
}

func TestTheAdminPortHasThingsHappen(t *testing.T) {
	s := start(t)
	s.makeTemplate()
	s.launch(s.fleetOf(1, "m5.large"))
	s.launch(spotOf(s.fleetOf(1, "m5.large")))
	client := admin.NewClient(s.AdminURL())
	onDemand, spot := "", ""
	for _, i := range s.Instances() {
		if i.CapacityType == "spot" {
			spot = i.ID
		} else {
			onDemand = i.ID
		}
	}
	s.clock.Step(bootDelay)
	for _, tc := range []struct {
		id, do, refused, state string
	}{
		{onDemand, faults.Start, "IncorrectInstanceState", "running"},
		{onDemand, faults.Interrupt, "UnsupportedOperation", "running"},
		{onDemand, faults.Reboot, "", "running"},
		{spot, faults.Stop, "UnsupportedOperation", "running"},
		{onDemand, "explode", "InvalidParameterValue", "running"},
		{onDemand, faults.Stop, "", "stopped"},
		{onDemand, faults.Reboot, "IncorrectInstanceState", "stopped"},
		{onDemand, faults.Start, "", "running"},
		{spot, faults.Interrupt, "", "running"},
		{onDemand, faults.Terminate, "", "terminated"},
	} {
		err := client.Befall(s.ctx(), tc.id, tc.do)
		if (err == nil) != (tc.refused == "") || err != nil && !says(err, tc.refused) {
			t.Errorf("%s: %v, want %q", tc.do, err, tc.refused)
		}
		s.clock.Step(max(bootDelay, stopDelay))
		if states := s.states(); tc.id == onDemand && states[1] != tc.state || tc.id == spot && states[2] != tc.state {
			t.Errorf("after %s: %v, want %s", tc.do, states, tc.state)
		}
	}
}

func TestMachinesAreToldHowToJoin(t *testing.T) {
	s := start(t)
	s.makeTemplate()
	first := ids(s.launch(s.fleetOf(1, "m5.large")))
	if _, err := s.ec2.TerminateInstances(s.ctx(), &ec2.TerminateInstancesInput{InstanceIds: first}); err != nil {
		t.Fatal(err)
	}
	s.clock.Step(stopDelay)
	s.plan(faults.Plan{Boot: []faults.Boot{
		{When: faults.When{Nth: []int{3}}, Kind: faults.Never}, {When: faults.When{Most: 1}, Kind: faults.Recycled}, {When: faults.When{Nth: []int{2, 4}}, Kind: faults.Twice},
	}})
	s.launch(s.fleetOf(4, "m5.large"))
	got, addresses := map[int]string{}, map[int]string{}
	for _, i := range s.Instances() {
		addresses[i.Number] = i.PrivateDNSName
		if i.Boot != nil {
			got[i.Number] = i.Boot.Kind
		}
	}
	if diff := cmp.Diff(map[int]string{2: faults.Recycled, 3: faults.Never, 4: faults.Twice}, got); diff != "" {
		t.Errorf("how the machines join (-want +got):\n%s", diff)
	}
	if addresses[2] != addresses[1] || addresses[3] == addresses[1] {
		t.Errorf("names %v; want the second instance to have that of the first one, which is gone", addresses)
	}
	s.wantHits(map[string]int{"boot.recycled": 1}) // the others hit where the machine joins
}

func says(err error, text string) bool { return strings.Contains(err.Error(), text) }

func TestAFleetThatComesOutAsWithoutTheFaultCountsNoHit(t *testing.T) {
	for _, kind := range []string{faults.Extra, faults.Duplicate, faults.OtherType, faults.Untold} {
		t.Run(kind, func(t *testing.T) {
			s := start(t)
			s.makeTemplate()
			s.plan(faults.Plan{Partial: []faults.Partial{{Kind: kind}}, ICE: []faults.Shortage{{}}}) // nothing can be launched
			if n := len(ids(s.launch(s.fleetOf(5, "m5.large")))); n != 0 {
				t.Errorf("%d instances are told", n)
			}
			if hits := s.Faults().Hits["partial."+kind]; hits != 0 {
				t.Errorf("%d hits", hits)
			}
		})
	}
}
