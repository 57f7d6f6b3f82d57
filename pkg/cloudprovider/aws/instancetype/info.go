// Package instancetype turns what EC2 tells of its instance types into what kerf schedules on.
package instancetype

import (
	"math"
	"slices"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	corev1 "k8s.io/api/core/v1"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
)

// Info is what is kept of an instance type that EC2 describes: a small part of the answer.
type Info struct {
	Name string
	// Arch in Kubernetes' words: amd64 or arm64.
	Arch string
	// Hypervisor is nitro or xen, "" on bare metal.
	Hypervisor string
	VCPUs      int64
	// CPUManufacturer as AWS spells it.
	CPUManufacturer string
	// ClockMHz is what the processor sustains, 0 where not known.
	ClockMHz int64
	// EBSMbps is the most bandwidth to volumes; 0 where it is not set apart from that of the network.
	EBSMbps int64
	// MemoryMiB is nominal; a node sees less.
	MemoryMiB int64
	// Interfaces on the default network card, the only one that the VPC CNI uses, and the addresses of each.
	Interfaces, IPv4PerInterface int64
	// BranchInterfaces that pods can have of their own; 0 where trunking is not possible.
	BranchInterfaces int64
	// BandwidthMbps is sustained; 0 where not known.
	BandwidthMbps int64
	// NVMeGB is local NVMe storage in all, GB of 10^9 bytes.
	NVMeGB           int64
	EncryptedTransit bool
	// OnDemand and Spot say how the type can be bought.
	OnDemand, Spot   bool
	BareMetal        bool
	GPU, Accelerator Device
	// NeuronCores of all Neuron devices.
	NeuronCores int64
	// OtherDevices are those that nothing announces to pods under one name: FPGAs, transcoders, inference devices not of AWS.
	OtherDevices bool
}

// Device is what is plugged into an instance type.
type Device struct {
	Name, Manufacturer string // as AWS spells them
	Count              int64
	MemoryMiB          int64 // of each
}

// Limits are what AWS publishes of an instance type without telling it through its API.
type Limits struct {
	BandwidthMbps    int64
	BranchInterfaces int64
}

// Special reports whether the type is bare metal or carries devices.
func (i Info) Special() bool {
	return i.BareMetal || i.GPU.Name != "" || i.Accelerator.Name != "" || i.OtherDevices
}

// InterfacePods returns how many pods the network interfaces have addresses for. The images reserve memory by this number, whatever
// the cluster's network is like.
func (i Info) InterfacePods() int64 { return Addressing{}.pods(i) }

// Addressing is how the VPC CNI of a cluster gives pods their addresses.
type Addressing struct {
	// ReservedInterfaces of each instance are not for pods.
	ReservedInterfaces int64
	// Prefixes has interfaces hold prefixes of addresses in place of single ones, where the hypervisor can.
	Prefixes bool
}

const (
	// addressesOfPrefix is how many addresses a prefix has.
	addressesOfPrefix = 16
	// With prefixes it is not addresses that bound the pods but what a kubelet is advised to run: so many on instances of up to so
	// many virtual CPUs, and on larger ones.
	smallVCPUs, smallPods, largePods = 30, 110, 250
)

// pods returns how many pods of a network of their own an instance has addresses for, and two that share that of the host.
func (a Addressing) pods(i Info) int64 {
	interfaces, each := i.Interfaces-a.ReservedInterfaces, i.IPv4PerInterface-1
	if interfaces <= 0 {
		return 0
	}
	if !a.Prefixes || i.Hypervisor == string(ec2types.InstanceTypeHypervisorXen) {
		return interfaces*each + 2
	}
	most := int64(smallPods)
	if i.VCPUs > smallVCPUs {
		most = largePods
	}
	return min(interfaces*each*addressesOfPrefix+2, most)
}

// infoFrom keeps the part of a description that matters; false for what kerf cannot launch. Limits are nil for types that
// are newer than the published tables.
func infoFrom(d *ec2types.InstanceTypeInfo, limits *Limits) (Info, bool) {
	arch := architecture(d.ProcessorInfo)
	if arch == "" || d.VCpuInfo == nil || d.MemoryInfo == nil || d.NetworkInfo == nil {
		return Info{}, false
	}
	out := Info{
		Name:             string(d.InstanceType),
		Arch:             arch,
		Hypervisor:       string(d.Hypervisor),
		VCPUs:            int64(awssdk.ToInt32(d.VCpuInfo.DefaultVCpus)),
		CPUManufacturer:  awssdk.ToString(d.ProcessorInfo.Manufacturer),
		ClockMHz:         int64(math.Round(awssdk.ToFloat64(d.ProcessorInfo.SustainedClockSpeedInGhz) * 1000)),
		EBSMbps:          ebsBandwidth(d.EbsInfo),
		MemoryMiB:        awssdk.ToInt64(d.MemoryInfo.SizeInMiB),
		IPv4PerInterface: int64(awssdk.ToInt32(d.NetworkInfo.Ipv4AddressesPerInterface)),
		EncryptedTransit: awssdk.ToBool(d.NetworkInfo.EncryptionInTransitSupported),
		OnDemand:         slices.Contains(d.SupportedUsageClasses, ec2types.UsageClassTypeOnDemand),
		Spot:             slices.Contains(d.SupportedUsageClasses, ec2types.UsageClassTypeSpot),
		BareMetal:        awssdk.ToBool(d.BareMetal),
		GPU:              gpu(d.GpuInfo),
		Accelerator:      accelerator(d),
		NeuronCores:      neuronCores(d.NeuronInfo),
		OtherDevices:     otherDevices(d),
	}
	out.Interfaces, out.BandwidthMbps = cards(d.NetworkInfo)
	if limits != nil {
		out.BandwidthMbps, out.BranchInterfaces = limits.BandwidthMbps, limits.BranchInterfaces
	}
	if disks := d.InstanceStorageInfo; disks != nil && disks.NvmeSupport != ec2types.EphemeralNvmeSupportUnsupported {
		out.NVMeGB = awssdk.ToInt64(disks.TotalSizeInGB)
	}
	return out, out.OnDemand || out.Spot
}

// ebsBandwidth leaves out types of which it depends on the launch whether they have any.
func ebsBandwidth(e *ec2types.EbsInfo) int64 {
	if e == nil || e.EbsOptimizedSupport != ec2types.EbsOptimizedSupportDefault || e.EbsOptimizedInfo == nil {
		return 0
	}
	return int64(awssdk.ToInt32(e.EbsOptimizedInfo.MaximumBandwidthInMbps))
}

func architecture(p *ec2types.ProcessorInfo) string {
	switch {
	case p == nil:
		return ""
	case slices.Contains(p.SupportedArchitectures, ec2types.ArchitectureTypeX8664):
		return "amd64"
	case slices.Contains(p.SupportedArchitectures, ec2types.ArchitectureTypeArm64):
		return "arm64"
	default:
		return ""
	}
}

// cards returns the interfaces of the default card and the sustained bandwidth of all.
func cards(n *ec2types.NetworkInfo) (interfaces, mbps int64) {
	var gbps float64
	for _, c := range n.NetworkCards {
		gbps += awssdk.ToFloat64(c.BaselineBandwidthInGbps)
		if awssdk.ToInt32(c.NetworkCardIndex) == awssdk.ToInt32(n.DefaultNetworkCardIndex) {
			interfaces = int64(awssdk.ToInt32(c.MaximumNetworkInterfaces))
		}
	}
	if len(n.NetworkCards) == 0 {
		interfaces = int64(awssdk.ToInt32(n.MaximumNetworkInterfaces))
	}
	return interfaces, int64(math.Round(gbps * 1000))
}

// gpu returns the GPUs as the guest sees them: a type with a fraction of one has 0 whole but 1 logical GPU.
func gpu(info *ec2types.GpuInfo) Device {
	if info == nil || len(info.Gpus) == 0 {
		return Device{}
	}
	first := info.Gpus[0]
	out := Device{Name: awssdk.ToString(first.Name), Manufacturer: awssdk.ToString(first.Manufacturer)}
	if first.MemoryInfo != nil {
		out.MemoryMiB = int64(awssdk.ToInt32(first.MemoryInfo.SizeInMiB))
	}
	for _, g := range info.Gpus {
		if count := awssdk.ToInt32(g.Count); count > 0 {
			out.Count += int64(count)
		} else {
			out.Count += int64(awssdk.ToInt32(g.LogicalGpuCount))
		}
	}
	return out
}

// manufacturerAWS makes the Neuron devices.
const manufacturerAWS = "AWS"

// accelerator returns the Neuron devices. The first generation is told of as inference accelerators, those after it as
// Neuron devices, some as both.
func accelerator(d *ec2types.InstanceTypeInfo) Device {
	if n := d.NeuronInfo; n != nil && len(n.NeuronDevices) > 0 {
		out := Device{Name: awssdk.ToString(n.NeuronDevices[0].Name), Manufacturer: manufacturerAWS}
		for _, device := range n.NeuronDevices {
			out.Count += int64(awssdk.ToInt32(device.Count))
		}
		return out
	}
	if i := d.InferenceAcceleratorInfo; i != nil && len(i.Accelerators) > 0 && !foreign(i.Accelerators[0]) {
		out := Device{Name: awssdk.ToString(i.Accelerators[0].Name), Manufacturer: manufacturerAWS}
		for _, device := range i.Accelerators {
			out.Count += int64(awssdk.ToInt32(device.Count))
		}
		return out
	}
	return Device{}
}

func neuronCores(n *ec2types.NeuronInfo) (cores int64) {
	if n == nil {
		return 0
	}
	for _, device := range n.NeuronDevices {
		if device.CoreInfo != nil {
			cores += int64(awssdk.ToInt32(device.Count)) * int64(awssdk.ToInt32(device.CoreInfo.Count))
		}
	}
	return cores
}

// foreign reports whether an inference accelerator is another manufacturer's: no Neuron device.
func foreign(d ec2types.InferenceDeviceInfo) bool {
	made := awssdk.ToString(d.Manufacturer)
	return made != "" && kebab(made) != kebab(manufacturerAWS)
}

func otherDevices(d *ec2types.InstanceTypeInfo) bool {
	return d.FpgaInfo != nil && len(d.FpgaInfo.Fpgas) > 0 ||
		d.MediaAcceleratorInfo != nil && len(d.MediaAcceleratorInfo.Accelerators) > 0 ||
		d.InferenceAcceleratorInfo != nil && slices.ContainsFunc(d.InferenceAcceleratorInfo.Accelerators, foreign)
}

// gpuResource returns the resource under which a manufacturer's GPUs are announced, "" for one that kerf does not know.
func gpuResource(manufacturer string) corev1.ResourceName {
	switch kebab(manufacturer) {
	case "nvidia":
		return awsv1alpha1.ResourceNVIDIAGPU
	case "amd":
		return awsv1alpha1.ResourceAMDGPU
	case "habana":
		return awsv1alpha1.ResourceHabanaGaudi
	default:
		return ""
	}
}
