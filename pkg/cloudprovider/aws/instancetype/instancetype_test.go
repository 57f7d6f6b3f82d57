package instancetype

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"testing"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/ptr"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/catalog"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/kubelet"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/offerings"
)

// described returns what EC2 answers about a type of the catalogue.
func described(t catalog.InstanceType) ec2types.InstanceTypeInfo {
	arch := ec2types.ArchitectureTypeX8664
	if t.Architecture == "arm64" {
		arch = ec2types.ArchitectureTypeArm64
	}
	out := ec2types.InstanceTypeInfo{
		InstanceType:  ec2types.InstanceType(t.Name),
		Hypervisor:    ec2types.InstanceTypeHypervisor(t.Hypervisor),
		BareMetal:     awssdk.Bool(t.BareMetal),
		ProcessorInfo: &ec2types.ProcessorInfo{SupportedArchitectures: []ec2types.ArchitectureType{ec2types.ArchitectureTypeI386, arch}, Manufacturer: &t.CPU.Manufacturer, SustainedClockSpeedInGhz: awssdk.Float64(float64(t.CPU.ClockMHz) / 1000)},
		EbsInfo: &ec2types.EbsInfo{
			EbsOptimizedSupport: ec2types.EbsOptimizedSupport(t.EBS.Optimized),
			EbsOptimizedInfo:    &ec2types.EbsOptimizedInfo{MaximumBandwidthInMbps: awssdk.Int32(int32(t.EBS.MaximumMbps))},
		},
		VCpuInfo:   &ec2types.VCpuInfo{DefaultVCpus: awssdk.Int32(int32(t.CPU.VCPUs))},
		MemoryInfo: &ec2types.MemoryInfo{SizeInMiB: awssdk.Int64(int64(t.MemoryMiB))},
		NetworkInfo: &ec2types.NetworkInfo{
			DefaultNetworkCardIndex: awssdk.Int32(int32(t.Network.DefaultCard)), MaximumNetworkInterfaces: awssdk.Int32(int32(t.Network.ENIs)),
			Ipv4AddressesPerInterface: awssdk.Int32(int32(t.Network.IPv4PerENI)), EncryptionInTransitSupported: awssdk.Bool(t.Network.EncryptedTransit),
		},
	}
	for i := range t.Network.Cards {
		card := ec2types.NetworkCardInfo{NetworkCardIndex: awssdk.Int32(int32(i)), MaximumNetworkInterfaces: awssdk.Int32(99)}
		if i == t.Network.DefaultCard {
			card.MaximumNetworkInterfaces = awssdk.Int32(int32(t.Network.ENIsDefaultCard))
		}
		out.NetworkInfo.NetworkCards = append(out.NetworkInfo.NetworkCards, card)
	}
	for _, class := range t.UsageClasses {
		out.SupportedUsageClasses = append(out.SupportedUsageClasses, ec2types.UsageClassType(class))
	}
	if t.GPU.Name != "" {
		out.GpuInfo = &ec2types.GpuInfo{Gpus: []ec2types.GpuDeviceInfo{{
			Name: &t.GPU.Name, Manufacturer: &t.GPU.Manufacturer, Count: awssdk.Int32(int32(t.GPU.Count)),
			LogicalGpuCount: awssdk.Int32(int32(t.GPU.LogicalCount)), MemoryInfo: &ec2types.GpuDeviceMemoryInfo{SizeInMiB: awssdk.Int32(int32(t.GPU.MemoryMiB))},
		}}}
	}
	if t.Accelerator.Count > 0 {
		out.NeuronInfo = &ec2types.NeuronInfo{NeuronDevices: []ec2types.NeuronDeviceInfo{{
			Name: &t.Accelerator.Name, Count: awssdk.Int32(int32(t.Accelerator.Count)),
			CoreInfo: &ec2types.NeuronDeviceCoreInfo{Count: awssdk.Int32(int32(t.Accelerator.Cores / t.Accelerator.Count))},
		}}}
	}
	if t.LocalDisks.Count > 0 {
		out.InstanceStorageInfo = &ec2types.InstanceStorageInfo{
			TotalSizeInGB: awssdk.Int64(int64(t.LocalDisks.TotalGB)), NvmeSupport: ec2types.EphemeralNvmeSupport(t.LocalDisks.NVMeSupport),
		}
	}
	return out
}

func facts(t *testing.T) *catalog.Catalog {
	t.Helper()
	c, err := catalog.Load()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func limitsOf(c *catalog.Catalog) func(string) *Limits {
	return func(name string) *Limits {
		t, ok := c.InstanceType(name)
		if !ok {
			return nil
		}
		return &Limits{BandwidthMbps: int64(t.Network.BandwidthMbps), BranchInterfaces: int64(t.Network.BranchENIs)}
	}
}

// ec2API answers with the given types in pages of two, all offered in zones a and b.
type ec2API struct {
	types     []ec2types.InstanceTypeInfo
	describes int
}

func (a *ec2API) DescribeInstanceTypes(_ context.Context, in *ec2.DescribeInstanceTypesInput, _ ...func(*ec2.Options)) (*ec2.DescribeInstanceTypesOutput, error) {
	a.describes++
	start, _ := strconv.Atoi(awssdk.ToString(in.NextToken))
	end := min(start+2, len(a.types))
	out := &ec2.DescribeInstanceTypesOutput{InstanceTypes: a.types[start:end]}
	if end < len(a.types) {
		out.NextToken = awssdk.String(strconv.Itoa(end))
	}
	return out, nil
}

func (a *ec2API) DescribeInstanceTypeOfferings(context.Context, *ec2.DescribeInstanceTypeOfferingsInput, ...func(*ec2.Options)) (*ec2.DescribeInstanceTypeOfferingsOutput, error) {
	out := &ec2.DescribeInstanceTypeOfferingsOutput{}
	for _, zone := range []string{"b", "a"} {
		for _, t := range a.types {
			out.InstanceTypeOfferings = append(out.InstanceTypeOfferings, ec2types.InstanceTypeOffering{InstanceType: t.InstanceType, Location: awssdk.String(zone)})
		}
	}
	return out, nil
}

// market is prices and capacity that tests change.
type market struct {
	prices     map[string]float64 // instance type -> price
	exhausted  map[string]bool    // "type zone capacity-type"
	trials     map[string]int     // the same -> how many may be tried
	generation uint64
}

func (m *market) Price(instanceType, _, _ string) (float64, bool) {
	p, ok := m.prices[instanceType]
	return p, ok
}

func (m *market) Standing(instanceType, zone, capacityType string) offerings.Standing {
	key := fmt.Sprint(instanceType, " ", zone, " ", capacityType)
	return offerings.Standing{Available: !m.exhausted[key], Trial: m.trials[key]}
}

func (m *market) Generation() uint64 { return m.generation }

// newLister returns a lister that has read the named types.
func newLister(t *testing.T, names ...string) (*Lister, *market, *Store) {
	t.Helper()
	c := facts(t)
	api, m := &ec2API{}, &market{prices: map[string]float64{}, exhausted: map[string]bool{}}
	for _, name := range names {
		known, ok := c.InstanceType(name)
		if !ok {
			t.Fatalf("no type %s", name)
		}
		api.types = append(api.types, described(known))
		m.prices[name] = 1
	}
	store := NewStore(api, limitsOf(c))
	for _, load := range []func(context.Context) error{store.LoadTypes, store.LoadOfferings} {
		if err := load(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return NewLister(store, m, m, Settings{Region: "us-east-1", MemoryOverhead: 0.075}), m, store
}

func anyImage() []awsv1alpha1.AMI {
	return []awsv1alpha1.AMI{{ID: "ami-1"}}
}

// with is a node of the images' default volume.
func with(config *v1alpha5.KubeletConfiguration) Setup {
	return Setup{Kubelet: kubelet.Kubelet{Config: config, Family: awsv1alpha1.AMIFamilyAL2}, PodBytes: 20 << 30}
}

func describe(t *testing.T, name string, config *v1alpha5.KubeletConfiguration) *cloudprovider.InstanceType {
	t.Helper()
	l, _, _ := newLister(t, name)
	got, err := l.Describe(name, with(config))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func wantQuantity(t *testing.T, list corev1.ResourceList, name corev1.ResourceName, want string) {
	t.Helper()
	if got := list[name]; got.Cmp(resource.MustParse(want)) != 0 {
		t.Errorf("%s = %s, want %s", name, got.String(), want)
	}
}

func TestAllocatableIsAsOnRealNodes(t *testing.T) {
	for name, tc := range map[string]struct {
		instanceType           string
		capacity               string // memory
		memory, cpu, ephemeral string // allocatable
		pods                   string
	}{
		"amd64":       {"m5.large", "7577Mi", "6903Mi", "1930m", "17Gi", "29"},
		"arm64":       {"a1.medium", "1835Mi", "1392Mi", "940m", "17Gi", "8"},
		"many pods":   {"m5.24xlarge", "363724Mi", "355262Mi", "95690m", "17Gi", "737"},
		"many cards":  {"p5.48xlarge", "1939865Mi", "1938410Mi", "191450m", "17Gi", "100"},
		"small":       {"t3.micro", "947Mi", "548Mi", "1930m", "17Gi", "4"},
		"eight cards": {"trn1.32xlarge", "484966Mi", "481894Mi", "127610m", "17Gi", "247"},
	} {
		t.Run(name, func(t *testing.T) {
			got := describe(t, tc.instanceType, nil)
			allocatable := got.Allocatable()
			wantQuantity(t, got.Capacity, corev1.ResourceMemory, tc.capacity)
			wantQuantity(t, allocatable, corev1.ResourceMemory, tc.memory)
			wantQuantity(t, allocatable, corev1.ResourceCPU, tc.cpu)
			wantQuantity(t, allocatable, corev1.ResourceEphemeralStorage, tc.ephemeral)
			wantQuantity(t, allocatable, corev1.ResourcePods, tc.pods)
		})
	}
}

func TestMaxPodsComeFromTheDefaultCardOnEveryType(t *testing.T) {
	c := facts(t)
	limits := limitsOf(c)
	for _, known := range c.InstanceTypes() {
		d := described(known)
		info, ok := infoFrom(&d, limits(known.Name))
		if !ok {
			t.Errorf("%s is left out", known.Name)
			continue
		}
		if want := int64(known.Network.ENIsDefaultCard*(known.Network.IPv4PerENI-1) + 2); info.InterfacePods() != want {
			t.Errorf("%s: %d pods, want %d", known.Name, info.InterfacePods(), want)
		}
	}
}

func TestKubeletConfigurationChangesWhatIsAllocatable(t *testing.T) {
	config := &v1alpha5.KubeletConfiguration{
		MaxPods: ptr.To[int32](110), PodsPerCore: ptr.To[int32](10),
		SystemReserved: corev1.ResourceList{"cpu": resource.MustParse("100m"), "memory": resource.MustParse("200Mi"), "pid": resource.MustParse("100")},
		KubeReserved:   corev1.ResourceList{"memory": resource.MustParse("1000Mi")},
		EvictionHard:   map[string]string{"memory.available": "10%", "nodefs.available": "3Gi"},
	}
	got := describe(t, "m5.large", config).Allocatable()
	wantQuantity(t, got, corev1.ResourcePods, "20")               // 10 x 2 cores, below 110
	wantQuantity(t, got, corev1.ResourceCPU, "1830m")             // 2000 - 70 - 100
	wantQuantity(t, got, corev1.ResourceEphemeralStorage, "16Gi") // 20 - 1 - 3
	const threshold = 794506036                                   // a tenth of 7577 MiB, rounded up to a byte
	if memory, want := got[corev1.ResourceMemory], int64(7577-200-1000)*mib-threshold; memory.Value() != want {
		t.Errorf("memory = %d, want %d", memory.Value(), want)
	}
	if _, ok := got["pid"]; ok {
		t.Error("pid, which is reserved but no capacity, is allocatable")
	}
}

func TestTheFamilyAndTheVolumeChangeWhatIsAllocatable(t *testing.T) {
	l, _, _ := newLister(t, "m5.large")
	got, err := l.Describe("m5.large", Setup{
		Kubelet: kubelet.Kubelet{
			Config: &v1alpha5.KubeletConfiguration{MaxPods: ptr.To[int32](58), PodsPerCore: ptr.To[int32](10)}, Family: awsv1alpha1.AMIFamilyBottlerocket,
		},
		PodBytes: 100 << 30,
	})
	if err != nil {
		t.Fatal(err)
	}
	wantQuantity(t, got.Capacity, corev1.ResourceEphemeralStorage, "100Gi")
	wantQuantity(t, got.Allocatable(), corev1.ResourceEphemeralStorage, "89Gi") // 100 - 1 - 10
	wantQuantity(t, got.Allocatable(), corev1.ResourcePods, "58")               // Bottlerocket knows no pods per core
	wantQuantity(t, got.Allocatable(), corev1.ResourceMemory, "6584Mi")         // 7577 - (11 x 58 + 255) - 100
}

func TestDevicesAreResources(t *testing.T) {
	for name, want := range map[string]map[corev1.ResourceName]string{
		"g4dn.xlarge":   {awsv1alpha1.ResourceNVIDIAGPU: "1", awsv1alpha1.ResourceAWSPodENI: "39"},
		"p5.48xlarge":   {awsv1alpha1.ResourceNVIDIAGPU: "8", awsv1alpha1.ResourceAWSPodENI: "120"},
		"g6f.large":     {awsv1alpha1.ResourceNVIDIAGPU: "1", awsv1alpha1.ResourceAWSPodENI: "10"}, // a fraction of one, whole to the guest
		"g4ad.xlarge":   {awsv1alpha1.ResourceAMDGPU: "1", awsv1alpha1.ResourceAWSPodENI: "12"},
		"dl1.24xlarge":  {awsv1alpha1.ResourceHabanaGaudi: "8", awsv1alpha1.ResourceAWSPodENI: "62"},
		"trn1.32xlarge": {awsv1alpha1.ResourceAWSNeuron: "16", awsv1alpha1.ResourceAWSNeuronCore: "32", awsv1alpha1.ResourceAWSPodENI: "82"},
		"t3.micro":      {},
	} {
		t.Run(name, func(t *testing.T) {
			got := describe(t, name, nil).Capacity
			for resourceName, quantity := range want {
				wantQuantity(t, got, resourceName, quantity)
			}
			if extra := len(got) - len(want); extra != 4 { // cpu, memory, ephemeral-storage, pods
				t.Errorf("capacity = %v", got)
			}
		})
	}
}

func TestBareMetalAndAcceleratorsAreSpecial(t *testing.T) {
	for name, want := range map[string]bool{
		"m5.large": false, "m5.metal": true, "g4dn.xlarge": true, "g6f.large": true, "trn1.32xlarge": true, "c6gn.medium": false,
	} {
		if got := describe(t, name, nil).Special; got != want {
			t.Errorf("%s is special: %t, want %t", name, got, want)
		}
	}
}

func TestDevicesWithoutACommonResourceAreSpecialAndNoNeuron(t *testing.T) {
	inference := func(manufacturer string) func(*ec2types.InstanceTypeInfo) {
		return func(d *ec2types.InstanceTypeInfo) {
			d.InferenceAcceleratorInfo = &ec2types.InferenceAcceleratorInfo{Accelerators: []ec2types.InferenceDeviceInfo{
				{Name: new("device"), Manufacturer: &manufacturer, Count: new(int32(2))},
			}}
		}
	}
	for name, tc := range map[string]struct {
		change  func(*ec2types.InstanceTypeInfo)
		special bool
		neuron  int64
	}{
		"none":     {func(*ec2types.InstanceTypeInfo) {}, false, 0},
		"an empty": {func(d *ec2types.InstanceTypeInfo) { d.FpgaInfo = &ec2types.FpgaInfo{} }, false, 0},
		"FPGAs": {func(d *ec2types.InstanceTypeInfo) {
			d.FpgaInfo = &ec2types.FpgaInfo{Fpgas: []ec2types.FpgaDeviceInfo{{Name: new("Virtex")}}}
		}, true, 0},
		"transcoders": {func(d *ec2types.InstanceTypeInfo) {
			d.MediaAcceleratorInfo = &ec2types.MediaAcceleratorInfo{Accelerators: []ec2types.MediaDeviceInfo{{Name: new("U30")}}}
		}, true, 0},
		"inference of another":         {inference("Qualcomm"), true, 0},
		"inference of AWS":             {inference("AWS"), true, 2},
		"inference of nobody in words": {inference(""), true, 2},
	} {
		t.Run(name, func(t *testing.T) {
			listed, ok := facts(t).InstanceType("m5.large")
			if !ok {
				t.Fatal("the catalogue lacks m5.large")
			}
			d := described(listed)
			tc.change(&d)
			info, ok := infoFrom(&d, nil)
			if !ok {
				t.Fatal("the type cannot be launched")
			}
			if got := info.Special(); got != tc.special {
				t.Errorf("special = %t, want %t", got, tc.special)
			}
			neuron := capacity(info, Setup{}, 0, Addressing{})[awsv1alpha1.ResourceAWSNeuron]
			if neuron.Value() != tc.neuron {
				t.Errorf("%s Neuron devices, want %d", neuron.String(), tc.neuron)
			}
		})
	}
}

func TestLabelsSayWhatATypeIsLike(t *testing.T) {
	for name, want := range map[string]map[string]string{
		"g4dn.xlarge": {
			"node.kubernetes.io/instance-type": "g4dn.xlarge", "kubernetes.io/arch": "amd64", "kubernetes.io/os": "linux", "topology.kubernetes.io/region": "us-east-1",
			"karpenter.k8s.aws/instance-hypervisor": "nitro", "karpenter.k8s.aws/instance-encryption-in-transit-supported": "true",
			"karpenter.k8s.aws/instance-category": "g", "karpenter.k8s.aws/instance-family": "g4dn", "karpenter.k8s.aws/instance-generation": "4",
			"karpenter.k8s.aws/instance-size": "xlarge", "karpenter.k8s.aws/instance-local-nvme": "125", "karpenter.k8s.aws/instance-cpu": "4",
			"karpenter.k8s.aws/instance-memory": "16384", "karpenter.k8s.aws/instance-network-bandwidth": "5000", "karpenter.k8s.aws/instance-pods": "29",
			"karpenter.k8s.aws/instance-gpu-name": "t4", "karpenter.k8s.aws/instance-gpu-manufacturer": "nvidia", "karpenter.k8s.aws/instance-gpu-count": "1",
			"karpenter.k8s.aws/instance-gpu-memory": "16384", "karpenter.k8s.aws/instance-cpu-manufacturer": "intel",
			"karpenter.k8s.aws/instance-cpu-sustained-clock-speed-mhz": "2500", "karpenter.k8s.aws/instance-ebs-bandwidth": "3500",
			"karpenter.k8s.aws/instance-capability-flex": "false", "karpenter.k8s.aws/instance-tenancy": "default",
		},
		"m7i-flex.large": {
			"node.kubernetes.io/instance-type": "m7i-flex.large", "kubernetes.io/arch": "amd64", "kubernetes.io/os": "linux", "topology.kubernetes.io/region": "us-east-1",
			"karpenter.k8s.aws/instance-hypervisor": "nitro", "karpenter.k8s.aws/instance-encryption-in-transit-supported": "true",
			"karpenter.k8s.aws/instance-category": "m", "karpenter.k8s.aws/instance-family": "m7i-flex", "karpenter.k8s.aws/instance-generation": "7",
			"karpenter.k8s.aws/instance-size": "large", "karpenter.k8s.aws/instance-cpu": "2", "karpenter.k8s.aws/instance-memory": "8192",
			"karpenter.k8s.aws/instance-network-bandwidth": "390", "karpenter.k8s.aws/instance-pods": "29", "karpenter.k8s.aws/instance-cpu-manufacturer": "intel",
			"karpenter.k8s.aws/instance-cpu-sustained-clock-speed-mhz": "3200", "karpenter.k8s.aws/instance-ebs-bandwidth": "10000",
			"karpenter.k8s.aws/instance-capability-flex": "true", "karpenter.k8s.aws/instance-tenancy": "default",
		},
		"m3.large": { // volumes share its network unless it is launched otherwise
			"node.kubernetes.io/instance-type": "m3.large", "kubernetes.io/arch": "amd64", "kubernetes.io/os": "linux", "topology.kubernetes.io/region": "us-east-1",
			"karpenter.k8s.aws/instance-hypervisor": "xen", "karpenter.k8s.aws/instance-encryption-in-transit-supported": "false",
			"karpenter.k8s.aws/instance-category": "m", "karpenter.k8s.aws/instance-family": "m3", "karpenter.k8s.aws/instance-generation": "3",
			"karpenter.k8s.aws/instance-size": "large", "karpenter.k8s.aws/instance-cpu": "2", "karpenter.k8s.aws/instance-memory": "7680",
			"karpenter.k8s.aws/instance-pods": "29", "karpenter.k8s.aws/instance-cpu-manufacturer": "intel",
			"karpenter.k8s.aws/instance-cpu-sustained-clock-speed-mhz": "2500",
			"karpenter.k8s.aws/instance-capability-flex":               "false", "karpenter.k8s.aws/instance-tenancy": "default",
		},
		"inf2.xlarge": {
			"node.kubernetes.io/instance-type": "inf2.xlarge", "kubernetes.io/arch": "amd64", "kubernetes.io/os": "linux", "topology.kubernetes.io/region": "us-east-1",
			"karpenter.k8s.aws/instance-hypervisor": "nitro", "karpenter.k8s.aws/instance-encryption-in-transit-supported": "true",
			"karpenter.k8s.aws/instance-category": "inf", "karpenter.k8s.aws/instance-family": "inf2", "karpenter.k8s.aws/instance-generation": "2",
			"karpenter.k8s.aws/instance-size": "xlarge", "karpenter.k8s.aws/instance-cpu": "4", "karpenter.k8s.aws/instance-memory": "16384",
			"karpenter.k8s.aws/instance-network-bandwidth": "2083", "karpenter.k8s.aws/instance-pods": "58",
			"karpenter.k8s.aws/instance-accelerator-name": "inferentia2", "karpenter.k8s.aws/instance-accelerator-manufacturer": "aws",
			"karpenter.k8s.aws/instance-accelerator-count": "1", "karpenter.k8s.aws/instance-cpu-manufacturer": "amd",
			"karpenter.k8s.aws/instance-cpu-sustained-clock-speed-mhz": "3600", "karpenter.k8s.aws/instance-ebs-bandwidth": "10000",
			"karpenter.k8s.aws/instance-capability-flex": "false", "karpenter.k8s.aws/instance-tenancy": "default",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := describe(t, name, nil).Requirements
			if diff := cmp.Diff(want, got.Labels()); diff != "" {
				t.Errorf("labels (-want +got):\n%s", diff)
			}
			for key, r := range got { // what the type lacks is known to be absent
				if _, ok := want[key]; !ok && (!r.AllowsAbsent() || r.Has("1")) {
					t.Errorf("%s is %s, want it absent", key, r)
				}
			}
			if len(got) != settledLabels {
				t.Errorf("%d labels are settled, want %d", len(got), settledLabels)
			}
		})
	}
}

func TestCategoryAndGenerationComeFromTheName(t *testing.T) {
	maker := newLabelMaker("us-east-1")
	for name, want := range map[string][2]string{
		"m5.large": {"m", "5"}, "c6gd.medium": {"c", "6"}, "u-6tb1.metal": {"u", "1"}, "u7i-12tb.224xlarge": {"u", "7"},
		"hpc7g.4xlarge": {"hpc", "7"}, "trn1.2xlarge": {"trn", "1"}, "mac2-m2pro.metal": {"mac", "2"}, "odd": {"", ""},
	} {
		r := maker.labels(Info{Name: name}, 1, awsv1alpha1.AMIFamilyAL2)
		category, _ := r.Get(awsv1alpha1.LabelInstanceCategory).Single()
		generation, _ := r.Get(awsv1alpha1.LabelInstanceGeneration).Single()
		if got := [2]string{category, generation}; got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

func TestTheListHoldsWhatCanBeLaunched(t *testing.T) {
	l, m, _ := newLister(t, "m5.large", "m6g.large", "hpc7g.4xlarge", "c5.large")
	m.exhausted["m5.large a spot"] = true
	m.trials = map[string]int{"m5.large a on-demand": 4}
	delete(m.prices, "c5.large")
	amd64 := []awsv1alpha1.AMI{{ID: "ami-1", Requirements: []corev1.NodeSelectorRequirement{
		{Key: corev1.LabelArchStable, Operator: corev1.NodeSelectorOpIn, Values: []string{"amd64"}},
	}}}
	got, err := l.List(Question{Zones: []string{"a"}, Images: amd64})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]cloudprovider.Offerings{
		"c5.large": {{Zone: "a", CapacityType: "on-demand"}, {Zone: "a", CapacityType: "spot"}}, // no price is known
		"m5.large": {{Zone: "a", CapacityType: "on-demand", Price: 1, Available: true, Trial: 4}, {Zone: "a", CapacityType: "spot", Price: 1}},
	}
	offerings := map[string]cloudprovider.Offerings{}
	for _, i := range got {
		offerings[i.Name] = i.Offerings
	}
	if diff := cmp.Diff(want, offerings); diff != "" {
		t.Errorf("offerings (-want +got):\n%s", diff)
	}
	all, err := l.List(Question{Zones: []string{"a", "b"}, Images: anyImage()})
	if err != nil {
		t.Fatal(err)
	}
	if names := namesOf(all); !slices.Equal(names, []string{"c5.large", "hpc7g.4xlarge", "m5.large", "m6g.large"}) {
		t.Errorf("types = %v", names)
	}
	if capacityTypes := all[1].Requirements.Get(v1alpha5.CapacityTypeLabel).Values(); !slices.Equal(capacityTypes, []string{"on-demand"}) {
		t.Errorf("hpc7g.4xlarge, which is not sold as spot, can be bought as %v", capacityTypes)
	}
	if none, err := l.List(Question{Zones: []string{"c"}, Images: anyImage()}); err != nil || len(none) > 0 {
		t.Errorf("in a zone that offers nothing there are %v, %v", namesOf(none), err)
	}
}

func namesOf(list cloudprovider.InstanceTypes) []string {
	var out []string
	for _, i := range list {
		out = append(out, i.Name)
	}
	return out
}

func TestTheListIsSharedUntilSomethingChanges(t *testing.T) {
	l, m, store := newLister(t, "m5.large", "c5.large")
	q := Question{Zones: []string{"a"}, Images: anyImage()}
	list := func() *cloudprovider.InstanceType {
		t.Helper()
		got, err := l.List(q)
		if err != nil {
			t.Fatal(err)
		}
		return got[0]
	}
	first := list()
	if list() != first {
		t.Error("the same question is answered anew")
	}
	if err := store.LoadTypes(t.Context()); err != nil {
		t.Fatal(err)
	}
	if list() != first {
		t.Error("a refresh that brought nothing new makes a new list")
	}
	m.prices["c5.large"], m.generation = 2, 1
	second := list()
	if second == first || second.Offerings[0].Price != 2 {
		t.Error("a new price is not in the list")
	}
	q.Setup.Kubelet.Config = &v1alpha5.KubeletConfiguration{MaxPods: ptr.To[int32](5)}
	third := list()
	wantQuantity(t, third.Capacity, corev1.ResourcePods, "5")
	wantQuantity(t, second.Capacity, corev1.ResourcePods, "29")
}

func TestBeforeAnythingIsReadThereIsNoList(t *testing.T) {
	store := NewStore(&ec2API{}, func(string) *Limits { return nil })
	if _, err := NewLister(store, &market{}, &market{}, Settings{}).List(Question{}); err == nil {
		t.Error("there is a list")
	}
	if err := store.LoadTypes(t.Context()); err == nil {
		t.Error("an answer without types passes as one")
	}
}

func BenchmarkListUnchanged(b *testing.B) {
	c, err := catalog.Load()
	if err != nil {
		b.Fatal(err)
	}
	api, m := &ec2API{}, &market{prices: map[string]float64{}}
	for _, t := range c.InstanceTypesIn("us-east-1") {
		api.types = append(api.types, described(t))
	}
	store := NewStore(api, limitsOf(c))
	if err := store.LoadTypes(b.Context()); err != nil {
		b.Fatal(err)
	}
	if err := store.LoadOfferings(b.Context()); err != nil {
		b.Fatal(err)
	}
	l := NewLister(store, m, m, Settings{Region: "us-east-1", MemoryOverhead: 0.075})
	q := Question{Zones: []string{"a", "b"}, Images: anyImage()}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := l.List(q); err != nil {
			b.Fatal(err)
		}
	}
}
