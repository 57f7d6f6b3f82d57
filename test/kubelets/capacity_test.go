package kubelets

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/catalog"
)

func facts(t *testing.T, name string) catalog.InstanceType {
	t.Helper()
	c, err := catalog.Load()
	if err != nil {
		t.Fatal(err)
	}
	it, ok := c.InstanceType(name)
	if !ok {
		t.Fatalf("no such type: %s", name)
	}
	return it
}

func text(list corev1.ResourceList) map[string]string {
	out := map[string]string{}
	for name, q := range list {
		out[string(name)] = q.String()
	}
	return out
}

func TestAllocatableIsCapacityLessReservationsAndThresholds(t *testing.T) {
	it := facts(t, "m5.large") // 2 vCPU, 29 pods: 70m and 574Mi are reserved by the image
	memory := func(less int64) string {
		return resource.NewQuantity(memoryBytes(it)-less, resource.BinarySI).String()
	}
	disk := int64(defaultRootGiB*gib - fileSystemBytes)
	diskLess := func(reserved int64) string {
		return resource.NewQuantity(disk-reserved-disk/10, resource.BinarySI).String()
	}
	cases := map[string]struct {
		settings KubeletSettings
		want     map[string]string
	}{
		"the image's own": {KubeletSettings{}, map[string]string{
			"cpu": "1930m", "memory": memory(674 * mib), "ephemeral-storage": diskLess(gib), "pods": "29",
		}},
		"a file changes what it names": {KubeletSettings{
			MaxPods:        new(int32(110)),
			KubeReserved:   Overlay{Values: map[string]string{"cpu": "500m"}},
			SystemReserved: Overlay{Values: map[string]string{"memory": "100Mi", "pid": "100"}},
			EvictionHard:   Overlay{Values: map[string]string{"memory.available": "200Mi"}},
		}, map[string]string{
			"cpu": "1500m", "memory": memory((574 + 100 + 200) * mib), "ephemeral-storage": diskLess(gib), "pods": "110",
		}},
		"Bottlerocket counts the kubelet's pods": {KubeletSettings{MaxPods: new(int32(110)), CountsPods: true}, map[string]string{
			"cpu": "1930m", "memory": memory((11*110 + 255 + 100) * mib), "ephemeral-storage": diskLess(gib), "pods": "110",
		}},
		"a flag replaces all": {KubeletSettings{
			NoENIMaxPods: true,
			PodsPerCore:  8,
			KubeReserved: Overlay{Values: map[string]string{"cpu": "500m"}, Replaces: true},
			EvictionHard: Overlay{Values: map[string]string{"nodefs.available": "10%"}, Replaces: true},
		}, map[string]string{
			"cpu": "1500m", "memory": memory(0), "ephemeral-storage": diskLess(0), "pods": "16",
		}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := resourcesOf(it, 0, tc.settings)
			if err != nil {
				t.Fatal(err)
			}
			tc.want["hugepages-1Gi"], tc.want["hugepages-2Mi"] = "0", "0"
			if diff := cmp.Diff(tc.want, text(got.allocatable)); diff != "" {
				t.Errorf("allocatable (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAMachineReservedBeyondItsMemoryDoesNotStart(t *testing.T) {
	settings := KubeletSettings{SystemReserved: Overlay{Values: map[string]string{"memory": "8Gi"}}}
	if _, err := resourcesOf(facts(t, "m5.large"), 0, settings); err == nil {
		t.Error("it started")
	}
}

// The bound of 7.5 % is what kerf assumes of a type that it has not met: a node must not turn out to be smaller.
func TestRealMemoryIsBelowNominalAndNeverBelowWhatIsExpected(t *testing.T) {
	c, err := catalog.Load()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int64]bool{}
	for _, it := range c.InstanceTypes() {
		nominal := int64(it.MemoryMiB)
		if it.Architecture == "arm64" {
			nominal -= 64
		}
		expected := (nominal - (nominal*75+999)/1000) * mib
		if real := memoryBytes(it); real >= nominal*mib || real < expected {
			t.Errorf("%s has %d bytes, nominal %d, expected at least %d", it.Name, real, nominal*mib, expected)
		}
		seen[1000-memoryBytes(it)*1000/(nominal*mib)] = true
	}
	if len(seen) < 20 {
		t.Errorf("the loss takes only %d values", len(seen))
	}
}

func TestKubeReservedCPUFollowsTheSteps(t *testing.T) {
	for cores, want := range map[int]int{1: 60, 2: 70, 4: 80, 8: 90, 16: 110, 96: 310} {
		if got := reservedMillicores(cores); got != want {
			t.Errorf("%d cores reserve %dm, want %dm", cores, got, want)
		}
	}
}

func TestDevicesAreThoseOfTheType(t *testing.T) {
	for name, want := range map[string]map[string]string{
		"m5.large":     {},
		"p4d.24xlarge": {"nvidia.com/gpu": "8"},
		"g6f.large":    {"nvidia.com/gpu": "1"},
		"inf1.6xlarge": {"aws.amazon.com/neuron": "4", "aws.amazon.com/neuroncore": "16"},
		"g4ad.8xlarge": {"amd.com/gpu": "2"},
		"dl1.24xlarge": {"habana.ai/gaudi": "8"},
	} {
		if diff := cmp.Diff(want, text(deviceResources(facts(t, name), KubeletSettings{}))); diff != "" {
			t.Errorf("devices of %s (-want +got):\n%s", name, diff)
		}
	}
}

func TestOnWindowsAddressesForPodsAreAnnounced(t *testing.T) {
	it, settings := facts(t, "m5.large"), KubeletSettings{Windows: true, NoENIMaxPods: true, CountsPods: true}
	machine, err := resourcesOf(it, 50, settings)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"vpc.amazonaws.com/PrivateIPv4Address": "9"}, text(machine.devices)); diff != "" {
		t.Errorf("devices (-want +got):\n%s", diff)
	}
	if pods := text(machine.capacity)["pods"]; pods != "110" {
		t.Errorf("%s pods, want 110", pods)
	}
	node, err := newNode(Instance{PrivateDNSName: "n", RootVolumeGiB: 50}, it, settings, "v1.34.0")
	if err != nil {
		t.Fatal(err)
	}
	if os, beta, info := node.Labels[corev1.LabelOSStable], node.Labels[labelOSBeta], node.Status.NodeInfo.OperatingSystem; os != "windows" || beta != "windows" || info != "windows" {
		t.Errorf("the operating system is %q, %q and %q", os, beta, info)
	}
}
