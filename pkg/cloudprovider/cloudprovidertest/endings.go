package cloudprovidertest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
)

// how is what Get and List say of how it is with an instance.
type how struct{ ending, takenAway, stopped bool }

// wantHow holds what Get and List say of an instance against what is so.
func wantHow(t *testing.T, w World, providerID string, want how) {
	t.Helper()
	got, err := w.Provider.Get(t.Context(), providerID)
	if err != nil {
		t.Fatalf("getting %s: %v", providerID, err)
	}
	if is := (how{cloudprovider.IsEnding(got), cloudprovider.IsTakenAway(got, nil), cloudprovider.IsStopped(got)}); is != want {
		t.Errorf("get says %+v, want %+v", is, want)
	}
	listed, ok := list(t, w)[providerID]
	if !ok {
		t.Fatal("an instance that is there is not listed")
	}
	if is := (how{cloudprovider.IsEnding(listed), cloudprovider.IsTakenAway(listed, nil), cloudprovider.IsStopped(listed)}); is != want {
		t.Errorf("the list says %+v, want %+v", is, want)
	}
}

func ending(t *testing.T, w World) {
	m, err := w.Provider.Create(t.Context(), w.group("leaving", 1, w.shape(t, v1alpha5.CapacityTypeSpot))[0])
	if err != nil {
		t.Fatal(err)
	}
	wantHow(t, w, m.Status.ProviderID, how{})
	for range 2 { // the second time is no different
		if err := w.Provider.Delete(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		wantHow(t, w, m.Status.ProviderID, how{ending: true, takenAway: true})
	}
	w.Settle()
	for _, p := range []cloudprovider.Provider{w.Provider, w.Restart()} {
		if _, err := p.Get(t.Context(), m.Status.ProviderID); !cloudprovider.IsTerminated(err) || !cloudprovider.IsTakenAway(nil, err) {
			t.Errorf("get of what has ended: %v, want that it has, and not by itself", err)
		}
		if err := p.Delete(t.Context(), m); !cloudprovider.IsTerminated(err) {
			t.Errorf("delete of what has ended: %v, want that it has", err)
		}
	}
}

func agreement(t *testing.T, w World) {
	m, err := w.Provider.Create(t.Context(), w.group("doubtful", 1, w.shape(t, v1alpha5.CapacityTypeSpot))[0])
	if err != nil {
		t.Fatal(err)
	}
	yes, no := func(context.Context) error { return nil }, errors.New("it is needed")
	if err := w.Provider.Delete(t.Context(), m, yes, func(context.Context) error { return no }); !errors.Is(err, no) {
		t.Errorf("error = %v, want the one of who does not agree", err)
	}
	wantHow(t, w, m.Status.ProviderID, how{})
	if err := w.Provider.Delete(t.Context(), m, yes, yes); err != nil {
		t.Fatal(err)
	}
	wantLive(t, w, 0)
}

func stopping(t *testing.T, w World) {
	m, err := w.Provider.Create(t.Context(), w.group("off", 1, w.shape(t, v1alpha5.CapacityTypeOnDemand))[0])
	if err != nil {
		t.Fatal(err)
	}
	w.Stop(m.Status.ProviderID)
	wantHow(t, w, m.Status.ProviderID, how{stopped: true})
	w.Settle()
	wantHow(t, w, m.Status.ProviderID, how{stopped: true})
	if err := w.Provider.Delete(t.Context(), m); err != nil {
		t.Fatalf("deleting what is switched off: %v", err)
	}
	w.Settle()
	if _, err := w.Provider.Get(t.Context(), m.Status.ProviderID); !cloudprovider.IsTerminated(err) {
		t.Errorf("get of what has ended: %v, want that it has", err)
	}
}

func neverTwice(t *testing.T, w World) {
	machines := w.group("spent", 2, w.shape(t, v1alpha5.CapacityTypeSpot))
	first := createAll(t.Context(), t, w.Provider, machines)
	ended := machines[0].DeepCopy()
	ended.Status.ProviderID = first[0]
	if err := w.Provider.Delete(t.Context(), ended); err != nil {
		t.Fatal(err)
	}
	w.Settle()
	for _, p := range []cloudprovider.Provider{w.Provider, w.Restart()} {
		if again := createAll(t.Context(), t, p, machines); !slices.Equal(again, first) {
			t.Errorf("asked again the answer is %v, it was %v", again, first)
		}
	}
	wantLive(t, w, 1)
}

func partialAfterRestart(t *testing.T, w World) {
	s := w.shape(t, v1alpha5.CapacityTypeSpot)
	w.SetCapacity(s.instanceTypes[0], s.zone, s.capacityType, 1)
	w.SetCapacity(s.instanceTypes[1], s.zone, s.capacityType, 1)
	machines := w.group("short", 4, s)
	first := createAll(t.Context(), t, w.Provider, machines)
	wantDistinct(t, first[:2], 2)
	for _, name := range s.instanceTypes { // there is room again, and still the answer stands
		w.SetCapacity(name, s.zone, s.capacityType, 10)
	}
	slices.Reverse(machines)
	again := createAll(t.Context(), t, w.Restart(), machines)
	if slices.Reverse(again); !slices.Equal(again, first) || first[2] != "" || first[3] != "" {
		t.Errorf("after the restart the answer is %v, it was %v; want two served and two not", again, first)
	}
	wantLive(t, w, 2)
}

func listOfMany(t *testing.T, w World) {
	s := w.shape(t, v1alpha5.CapacityTypeSpot)
	later := w.group("again", 1, s)
	later[0].Status.Launch.Attempt, later[0].Status.Launch.Token = 2, "token-again-2"
	want := map[string]cloudRequest{}
	for request, machines := range map[cloudRequest][]*v1alpha5.Machine{
		{"again", 1}: w.group("again", 1, s), {"again", 2}: later, {"other", 1}: w.group("other", 2, s),
	} {
		for _, id := range createAll(t.Context(), t, w.Provider, machines) {
			want[id] = request
		}
	}
	foreign := w.PlantForeign()
	got := map[string]cloudRequest{}
	for id, m := range list(t, w) {
		got[id] = cloudRequest{m.Status.Launch.Group, m.Status.Launch.Attempt}
	}
	if !maps.Equal(got, want) || len(want) != 4 {
		t.Errorf("listed %v, want %v and not %s", got, want, foreign)
	}
	wantLive(t, w, 5)
}

// cloudRequest is what the cloud knows of the request that made an instance.
type cloudRequest struct {
	group   string
	attempt int32
}
