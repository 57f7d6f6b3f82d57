package cloudprovidertest

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
)

// Run holds a provider against the contract; newWorld is called once per promise, several at a
// time.
func Run(t *testing.T, newWorld func(*testing.T) World) {
	t.Helper()
	for name, promise := range map[string]func(*testing.T, World){
		"a launched machine carries what the cloud knows of it":           launchedMachine,
		"a repeated create returns the same instance":                     repeatedCreate,
		"a repeated create after a restart returns the same instance":     repeatedCreateAfterRestart,
		"a group gets distinct instances from one request":                distinctInstances,
		"a group created concurrently gets distinct instances":            concurrentGroup,
		"a request that is served in part leaves the rest without":        partialFulfilment,
		"a request without capacity is told so and launches nothing":      noCapacity,
		"the next instance type serves where the first has no capacity":   fallback,
		"what has sold out is no longer there to choose from":             lackOfChoice,
		"a machine without a written intent launches nothing":             noIntent,
		"a deleted instance ends as not found":                            deletion,
		"an instance is ended only once all agree":                        agreement,
		"an unknown instance is not found":                                unknownInstance,
		"an instance is not taken for gone on an unclear answer":          unclearAnswer,
		"the list holds this cluster's instances with group and attempt":  listing,
		"an instance of another cluster is neither shown nor terminated":  foreignInstance,
		"instance types come in order, priced and with their node labels": instanceTypes,
		"two groups do not share instances":                               twoGroups,
		"an instance on its way out is told as such until it has ended":   ending,
		"an instance that is switched off is neither gone nor ending":     stopping,
		"a request is carried out once, whatever became of its instances": neverTwice,
		"a request that is served in part has that answer for ever":       partialAfterRestart,
		"a machine has drifted once it would be made otherwise":           drifting,
		"what is not on record of a machine is not compared":              unrecorded,
		"the list tells requests apart and leaves others' instances out":  listOfMany,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			promise(t, newWorld(t))
		})
	}
}

func launchedMachine(t *testing.T, w World) {
	s := w.shape(t, v1alpha5.CapacityTypeSpot)
	asked := w.group("known", 1, s)[0]
	got, err := w.Provider.Create(t.Context(), asked)
	if err != nil {
		t.Fatal(err)
	}
	if got.Name != asked.Name {
		t.Errorf("name = %q, want that of the machine asked for, %q", got.Name, asked.Name)
	}
	for key, want := range map[string]string{
		corev1.LabelTopologyZone:      s.zone,
		v1alpha5.CapacityTypeLabel:    s.capacityType,
		corev1.LabelArchStable:        "amd64",
		corev1.LabelOSStable:          "linux",
		"team":                        "a",
		v1alpha5.ProvisionerNameLabel: w.Provisioner.Name,
	} {
		if got.Labels[key] != want {
			t.Errorf("label %s = %q, want %q", key, got.Labels[key], want)
		}
	}
	if !slices.Contains(s.instanceTypes, got.Labels[corev1.LabelInstanceTypeStable]) {
		t.Errorf("instance type %q is not one of %v", got.Labels[corev1.LabelInstanceTypeStable], s.instanceTypes)
	}
	if got.Annotations[v1alpha5.PriceAnnotation] == "" {
		t.Error("the price is not annotated")
	}
	if !strings.HasPrefix(instanceID(got.Status.ProviderID), "i-") {
		t.Errorf("provider id %q does not end in an instance id", got.Status.ProviderID)
	}
	wantRoomForPods(t, got)
}

func wantRoomForPods(t *testing.T, m *v1alpha5.Machine) {
	t.Helper()
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourcePods} {
		capacity, allocatable := m.Status.Capacity[name], m.Status.Allocatable[name]
		if capacity.IsZero() || allocatable.IsZero() || allocatable.Cmp(capacity) > 0 {
			t.Errorf("%s: capacity %s, allocatable %s", name, capacity.String(), allocatable.String())
		}
	}
}

func repeatedCreate(t *testing.T, w World) {
	machines := w.group("again", 2, w.shape(t, v1alpha5.CapacityTypeSpot))
	first := createAll(t.Context(), t, w.Provider, machines)
	if second := createAll(t.Context(), t, w.Provider, machines); !slices.Equal(first, second) {
		t.Errorf("the second create returned %v, the first %v", second, first)
	}
	wantLive(t, w, 2)
}

func repeatedCreateAfterRestart(t *testing.T, w World) {
	machines := w.group("again", 3, w.shape(t, v1alpha5.CapacityTypeSpot))
	first := createAll(t.Context(), t, w.Provider, machines)
	if second := createAll(t.Context(), t, w.Restart(), machines); !slices.Equal(first, second) {
		t.Errorf("the create after the restart returned %v, the one before %v", second, first)
	}
	wantLive(t, w, 3)
}

func distinctInstances(t *testing.T, w World) {
	got := createAll(t.Context(), t, w.Provider, w.group("five", 5, w.shape(t, v1alpha5.CapacityTypeOnDemand)))
	wantDistinct(t, got, 5)
	if !slices.IsSortedFunc(got, func(a, b string) int { return cmp.Compare(instanceID(a), instanceID(b)) }) {
		t.Errorf("instances are not handed out in order of id: %v", got)
	}
	wantLive(t, w, 5)
}

func concurrentGroup(t *testing.T, w World) {
	machines := w.group("crowd", 8, w.shape(t, v1alpha5.CapacityTypeSpot))
	got := make([]string, len(machines))
	var wg sync.WaitGroup
	for i, m := range machines {
		wg.Go(func() {
			created, err := w.Provider.Create(t.Context(), m)
			if err != nil {
				t.Errorf("creating %s: %v", m.Name, err)
				return
			}
			got[i] = created.Status.ProviderID
		})
	}
	wg.Wait()
	wantDistinct(t, got, 8)
	wantLive(t, w, 8)
}

func partialFulfilment(t *testing.T, w World) {
	s := w.shape(t, v1alpha5.CapacityTypeSpot)
	w.SetCapacity(s.instanceTypes[0], s.zone, s.capacityType, 2)
	w.SetCapacity(s.instanceTypes[1], s.zone, s.capacityType, 0)
	machines := w.group("part", 3, s)
	got := createAll(t.Context(), t, w.Provider, machines)
	wantDistinct(t, got[:2], 2)
	if got[2] != "" {
		t.Errorf("the third machine got %q, want insufficient capacity", got[2])
	}
	if again := createAll(t.Context(), t, w.Provider, machines); !slices.Equal(got, again) {
		t.Errorf("asked again the answer is %v, it was %v", again, got)
	}
	wantLive(t, w, 2)
}

func noCapacity(t *testing.T, w World) {
	s := w.shape(t, v1alpha5.CapacityTypeSpot)
	for _, name := range s.instanceTypes {
		w.SetCapacity(name, s.zone, s.capacityType, 0)
	}
	if got := createAll(t.Context(), t, w.Provider, w.group("none", 1, s)); got[0] != "" {
		t.Errorf("got %q, want insufficient capacity", got[0])
	}
	wantLive(t, w, 0)
	instanceTypes, err := w.Provider.InstanceTypes(t.Context(), w.Provisioner)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range instanceTypes {
		for _, o := range i.Offerings {
			if slices.Contains(s.instanceTypes, i.Name) && o.Zone == s.zone && o.CapacityType == s.capacityType && o.Available {
				t.Errorf("%s in %s is still available after the cloud had none of it", i.Name, o.Zone)
			}
		}
	}
}

func lackOfChoice(t *testing.T, w World) {
	s := w.shape(t, v1alpha5.CapacityTypeSpot)
	machine := w.group("manifold", 1, s)[0]
	machine.Spec.MinValues = map[string]int32{corev1.LabelInstanceTypeStable: 2, corev1.LabelTopologyZone: 1, "team": 1}
	for _, want := range []cloudprovider.Lack{{}, {Label: corev1.LabelInstanceTypeStable, Have: 1, Want: 2}} {
		instanceTypes, err := w.Provider.InstanceTypes(t.Context(), w.Provisioner)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := instanceTypes.Lack(machine); got != want {
			t.Errorf("the machine lacks %+v, want %+v", got, want)
		}
		w.SetCapacity(s.instanceTypes[0], s.zone, s.capacityType, 0)
		only := shape{instanceTypes: s.instanceTypes[:1], zone: s.zone, capacityType: s.capacityType}
		if got := createAll(t.Context(), t, w.Provider, w.group("sold-out", 1, only)); got[0] != "" {
			t.Errorf("got %q, want insufficient capacity", got[0])
		}
	}
}

func fallback(t *testing.T, w World) {
	s := w.shape(t, v1alpha5.CapacityTypeOnDemand)
	w.SetCapacity(s.instanceTypes[0], s.zone, s.capacityType, 0)
	got, err := w.Provider.Create(t.Context(), w.group("second", 1, s)[0])
	if err != nil {
		t.Fatal(err)
	}
	if name := got.Labels[corev1.LabelInstanceTypeStable]; name != s.instanceTypes[1] {
		t.Errorf("instance type = %s, want %s", name, s.instanceTypes[1])
	}
}

func noIntent(t *testing.T, w World) {
	m := w.group("unwritten", 1, w.shape(t, v1alpha5.CapacityTypeSpot))[0]
	m.Status.Launch = nil
	if _, err := w.Provider.Create(t.Context(), m); err == nil || cloudprovider.IsInsufficientCapacity(err) {
		t.Errorf("error = %v, want one that says that the intent is missing", err)
	}
	wantLive(t, w, 0)
}

func deletion(t *testing.T, w World) {
	m, err := w.Provider.Create(t.Context(), w.group("ending", 1, w.shape(t, v1alpha5.CapacityTypeSpot))[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Provider.Delete(t.Context(), m); err != nil {
		t.Fatalf("the first delete: %v", err)
	}
	if err := cloudprovider.IgnoreNotFound(w.Provider.Delete(t.Context(), m)); err != nil {
		t.Fatalf("the second delete: %v", err)
	}
	wantLive(t, w, 0)
	w.Settle()
	if err := w.Provider.Delete(t.Context(), m); !cloudprovider.IsNotFound(err) {
		t.Errorf("delete of a gone instance: %v, want not found", err)
	}
	if _, err := w.Provider.Get(t.Context(), m.Status.ProviderID); !cloudprovider.IsNotFound(err) {
		t.Errorf("get of a gone instance: %v, want not found", err)
	}
	if got := list(t, w); len(got) != 0 {
		t.Errorf("the list still holds %v", slices.Sorted(maps.Keys(got)))
	}
}

func unknownInstance(t *testing.T, w World) {
	m, err := w.Provider.Create(t.Context(), w.group("model", 1, w.shape(t, v1alpha5.CapacityTypeSpot))[0])
	if err != nil {
		t.Fatal(err)
	}
	m.Status.Launch = nil // nothing says that it was launched only lately and may still appear
	id := instanceID(m.Status.ProviderID)
	m.Status.ProviderID = strings.Replace(m.Status.ProviderID, id, "i-00000000000000bad", 1)
	if _, err := w.Provider.Get(t.Context(), m.Status.ProviderID); !cloudprovider.IsNotFound(err) {
		t.Errorf("get: %v, want not found", err)
	}
	if err := w.Provider.Delete(t.Context(), m); !cloudprovider.IsNotFound(err) {
		t.Errorf("delete: %v, want not found", err)
	}
	wantLive(t, w, 1)
}

func unclearAnswer(t *testing.T, w World) {
	if len(w.Obscure) == 0 {
		t.Fatal("the world has no way to answer unclearly")
	}
	m, err := w.Provider.Create(t.Context(), w.group("unclear", 1, w.shape(t, v1alpha5.CapacityTypeSpot))[0])
	if err != nil {
		t.Fatal(err)
	}
	m.Status.Launch = nil // it was not launched only lately: nothing but the answer speaks for it
	for name, obscure := range w.Obscure {
		for _, p := range []cloudprovider.Provider{w.Provider, w.Restart()} {
			lift := obscure()
			if _, err := p.Get(t.Context(), m.Status.ProviderID); err == nil || cloudprovider.IsNotFound(err) {
				t.Errorf("%s: get: %v, want an error to retry on", name, err)
			}
			if err := p.Delete(t.Context(), m); err == nil || cloudprovider.IsNotFound(err) {
				t.Errorf("%s: delete: %v, want an error to retry on", name, err)
			}
			lift()
			if _, err := p.Get(t.Context(), m.Status.ProviderID); err != nil {
				t.Errorf("%s: get once the answer is clear again: %v", name, err)
			}
		}
	}
	wantLive(t, w, 1)
}

func listing(t *testing.T, w World) {
	ids := createAll(t.Context(), t, w.Provider, w.group("listed", 3, w.shape(t, v1alpha5.CapacityTypeSpot)))
	got := list(t, w)
	if want := slices.Sorted(slices.Values(ids)); !slices.Equal(slices.Sorted(maps.Keys(got)), want) {
		t.Fatalf("listed %v, want %v", slices.Sorted(maps.Keys(got)), want)
	}
	for id, m := range got {
		if m.Status.Launch == nil || m.Status.Launch.Group != "listed" || m.Status.Launch.Attempt != 1 {
			t.Errorf("%s: launch = %+v, want group listed, attempt 1", id, m.Status.Launch)
		}
		if m.CreationTimestamp.IsZero() {
			t.Errorf("%s: the time of launch is not known", id)
		}
		if m.ProvisionerName() != w.Provisioner.Name {
			t.Errorf("%s: provisioner = %q", id, m.ProvisionerName())
		}
		one, err := w.Provider.Get(t.Context(), id)
		if err != nil {
			t.Fatalf("getting %s: %v", id, err)
		}
		if one.Status.ProviderID != id || one.Labels[corev1.LabelInstanceTypeStable] != m.Labels[corev1.LabelInstanceTypeStable] {
			t.Errorf("get and list differ on %s", id)
		}
	}
}

func foreignInstance(t *testing.T, w World) {
	id := w.PlantForeign()
	if got := list(t, w); len(got) != 0 {
		t.Errorf("the list shows %v", slices.Sorted(maps.Keys(got)))
	}
	if _, err := w.Provider.Get(t.Context(), id); !cloudprovider.IsNotFound(err) {
		t.Errorf("get: %v, want not found", err)
	}
	m := &v1alpha5.Machine{}
	m.Name, m.Status.ProviderID = "thief", id
	if err := w.Provider.Delete(t.Context(), m); err == nil {
		t.Error("delete of a foreign instance was accepted")
	}
	wantLive(t, w, 1)
}

func instanceTypes(t *testing.T, w World) {
	got, err := w.Provider.InstanceTypes(t.Context(), w.Provisioner)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) == 0 || !slices.IsSortedFunc(got, func(a, b *cloudprovider.InstanceType) int { return cmp.Compare(a.Name, b.Name) }) {
		t.Fatalf("%d instance types, want some in order of name", len(got))
	}
	for _, i := range got {
		if name, _ := i.Requirements.Get(corev1.LabelInstanceTypeStable).Single(); name != i.Name {
			t.Errorf("%s is labelled %q", i.Name, name)
		}
		for _, o := range i.Offerings {
			if o.Available && o.Price <= 0 {
				t.Errorf("%s in %s as %s is available at no price", i.Name, o.Zone, o.CapacityType)
			}
			if !i.Requirements.Get(corev1.LabelTopologyZone).Has(o.Zone) || !i.Requirements.Get(v1alpha5.CapacityTypeLabel).Has(o.CapacityType) {
				t.Errorf("%s is offered in %s as %s but its requirements leave that out", i.Name, o.Zone, o.CapacityType)
			}
		}
	}
}

func twoGroups(t *testing.T, w World) {
	s := w.shape(t, v1alpha5.CapacityTypeSpot)
	ids := append(createAll(t.Context(), t, w.Provider, w.group("one", 2, s)), createAll(t.Context(), t, w.Provider, w.group("two", 2, s))...)
	wantDistinct(t, ids, 4)
	wantLive(t, w, 4)
}
