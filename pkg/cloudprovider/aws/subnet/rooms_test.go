package subnet

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
)

// zone returns subnets of one zone, in order.
func zone(ids ...string) []awsv1alpha1.Subnet {
	out := make([]awsv1alpha1.Subnet, 0, len(ids))
	for _, id := range ids {
		out = append(out, awsv1alpha1.Subnet{ID: id, Zone: "z"})
	}
	return out
}

// counted returns rooms in which EC2 has counted free addresses.
func counted(free map[string]int32) *Rooms {
	r := NewRooms()
	r.Count(found(free))
	return r
}

func (r *Rooms) want(t *testing.T, what, token string, addresses int64, want string) {
	t.Helper()
	if got := r.Choose(token, zone("a", "b", "c"), addresses)["z"]; got != want {
		t.Errorf("%s: chose %s, want %s", what, got, want)
	}
}

func TestEachZoneGetsASubnetWithRoom(t *testing.T) {
	r := counted(map[string]int32{"1": 5, "2": 100, "3": 100})
	got := r.Choose("t", []awsv1alpha1.Subnet{{ID: "1", Zone: "x"}, {ID: "2", Zone: "y"}, {ID: "3", Zone: "x"}, {ID: "4", Zone: "new"}}, 10)
	if diff := cmp.Diff(map[string]string{"x": "3", "y": "2", "new": "4"}, got); diff != "" {
		t.Errorf("subnets (-want +got):\n%s", diff)
	}
}

func TestWhatIsOnItsWayTakesRoom(t *testing.T) {
	r := counted(map[string]int32{"a": 100, "b": 60, "c": 70})
	r.want(t, "the first has room", "1", 60, "a")
	r.want(t, "what is left of it does not do", "2", 50, "b")
	r.want(t, "the same again", "1", 60, "a")
	r.want(t, "the next one", "3", 60, "c")
	r.want(t, "none has the room: the one with most", "4", 60, "a")
	r.Settle("2", nil, nil)
	r.want(t, "nothing came of the second", "5", 60, "b")
}

func TestWhatWasLaunchedTakesRoomUntilEC2CountsIt(t *testing.T) {
	r := counted(map[string]int32{"a": 100, "b": 90, "c": 80})
	r.want(t, "at first", "1", 100, "a")
	r.Settle("1", map[string]int64{"a": 30}, nil)
	r.want(t, "30 of 100 are taken", "2", 71, "b")
	r.Settle("2", nil, nil)
	r.Count(found(map[string]int32{"a": 95, "b": 90, "c": 80}))
	r.want(t, "they turned out to take 5", "3", 95, "a")
}

func TestAFullSubnetIsAvoidedUntilItHasRoom(t *testing.T) {
	for name, cure := range map[string]func(*Rooms){
		"EC2 counts free addresses": func(r *Rooms) { r.Count(found(map[string]int32{"a": 20, "b": 10, "c": 10})) },
		"a launch there worked":     func(r *Rooms) { r.Settle("other", map[string]int64{"a": 1}, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			r := counted(map[string]int32{"a": 20, "b": 10, "c": 10})
			r.want(t, "at first", "1", 1, "a")
			r.Settle("1", nil, []string{"a"})
			if !r.Spare("1", "z") {
				t.Error("another subnet has room, and nobody knows")
			}
			r.want(t, "it is full", "2", 1, "b")
			r.Count(found(map[string]int32{"a": 0, "b": 10, "c": 10}))
			r.want(t, "it is still full", "3", 1, "b")
			cure(r)
			r.want(t, "it has room", "4", 1, "a")
		})
	}
}

func TestThereIsNoSpareSubnetWhereAllAreFull(t *testing.T) {
	r := counted(map[string]int32{"a": 20, "b": 0, "c": 10})
	r.want(t, "at first", "1", 1, "a")
	r.Settle("1", nil, []string{"a", "c"})
	if r.Spare("1", "z") || r.Spare("1", "elsewhere") || r.Spare("unknown", "z") {
		t.Error("a spare subnet is said to be there")
	}
}

func TestASubnetThatWasNeverCountedCanBeFull(t *testing.T) {
	r := NewRooms()
	r.want(t, "at first", "1", 1, "a")
	r.Settle("1", nil, []string{"a"})
	r.want(t, "full", "2", 1, "b")
}

func TestARequestThatNobodyAnswersIsGivenUp(t *testing.T) {
	free := map[string]int32{"a": 10, "b": 9, "c": 9}
	r := counted(free)
	r.want(t, "at first", "1", 10, "a")
	for range staleAfter - 1 {
		r.Count(found(free))
	}
	r.want(t, "while it may come", "2", 1, "b")
	r.Count(found(free))
	r.want(t, "once it is given up", "3", 10, "a")
}

func TestAChosenSubnetThatIsGoneIsNotRepeated(t *testing.T) {
	r := counted(map[string]int32{"a": 10, "b": 9})
	r.want(t, "at first", "1", 1, "a")
	if got := r.Choose("1", zone("b"), 1)["z"]; got != "b" {
		t.Errorf("chose %s", got)
	}
}
