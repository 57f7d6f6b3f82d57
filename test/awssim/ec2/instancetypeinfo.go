package ec2

import (
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/catalog"
	"github.com/kerf-autoscaler/kerf/test/awssim/wire"
	"github.com/kerf-autoscaler/kerf/test/awssim/world"
)

// instanceType is a type as DescribeInstanceTypes shows it. What the catalogue does not know (FPGAs, boot modes, IOPS and the like) is absent.
type instanceType struct {
	Name                string           `xml:"instanceType"`
	CurrentGeneration   bool             `xml:"currentGeneration"`
	UsageClasses        wire.Set[string] `xml:"supportedUsageClasses"`
	RootDeviceTypes     wire.Set[string] `xml:"supportedRootDeviceTypes"`
	VirtualizationTypes wire.Set[string] `xml:"supportedVirtualizationTypes"`
	BareMetal           bool             `xml:"bareMetal"`
	Hypervisor          string           `xml:"hypervisor,omitempty"`
	Processor           processorInfo    `xml:"processorInfo"`
	CPU                 cpuInfo          `xml:"vCpuInfo"`
	Memory              memoryInfo       `xml:"memoryInfo"`
	HasDisks            bool             `xml:"instanceStorageSupported"`
	Disks               *diskInfo        `xml:"instanceStorageInfo,omitempty"`
	EBS                 ebsInfo          `xml:"ebsInfo"`
	Network             networkInfo      `xml:"networkInfo"`
	GPU                 *gpuInfo         `xml:"gpuInfo,omitempty"`
	Inference           *inferenceInfo   `xml:"inferenceAcceleratorInfo,omitempty"`
	Neuron              *neuronInfo      `xml:"neuronInfo,omitempty"`
	Burstable           bool             `xml:"burstablePerformanceSupported"`
	NitroEnclaves       string           `xml:"nitroEnclavesSupport"`
}

type processorInfo struct {
	Architectures wire.Set[string] `xml:"supportedArchitectures"`
	ClockGHz      string           `xml:"sustainedClockSpeedInGhz,omitempty"`
	Manufacturer  string           `xml:"manufacturer"`
}

type cpuInfo struct {
	VCPUs          int `xml:"defaultVCpus"`
	Cores          int `xml:"defaultCores"`
	ThreadsPerCore int `xml:"defaultThreadsPerCore"`
}

type memoryInfo struct {
	MiB int `xml:"sizeInMiB"`
}

type diskInfo struct {
	TotalGB     int            `xml:"totalSizeInGB"`
	Disks       wire.Set[disk] `xml:"disks"`
	NVMeSupport string         `xml:"nvmeSupport"`
}

type disk struct {
	SizeGB int    `xml:"sizeInGB"`
	Count  int    `xml:"count"`
	Kind   string `xml:"type"`
}

type ebsInfo struct {
	Optimized   string            `xml:"ebsOptimizedSupport"`
	Limits      *ebsOptimizedInfo `xml:"ebsOptimizedInfo,omitempty"`
	Attachments int               `xml:"maximumEbsAttachments,omitempty"`
}

type ebsOptimizedInfo struct {
	BaselineMbps int `xml:"baselineBandwidthInMbps"`
	MaximumMbps  int `xml:"maximumBandwidthInMbps"`
}

type networkInfo struct {
	Performance      string                `xml:"networkPerformance"`
	Interfaces       int                   `xml:"maximumNetworkInterfaces"`
	MaximumCards     int                   `xml:"maximumNetworkCards"`
	DefaultCard      int                   `xml:"defaultNetworkCardIndex"`
	Cards            wire.Set[networkCard] `xml:"networkCards"`
	IPv4PerInterface int                   `xml:"ipv4AddressesPerInterface"`
	IPv6PerInterface int                   `xml:"ipv6AddressesPerInterface"`
	IPv6             bool                  `xml:"ipv6Supported"`
	EFA              bool                  `xml:"efaSupported"`
	EFAInfo          *efaInfo              `xml:"efaInfo,omitempty"`
	EncryptedTransit bool                  `xml:"encryptionInTransitSupported"`
}

type networkCard struct {
	Index        int     `xml:"networkCardIndex"`
	Performance  string  `xml:"networkPerformance"`
	Interfaces   int     `xml:"maximumNetworkInterfaces"`
	BaselineGbps float64 `xml:"baselineBandwidthInGbps"`
	PeakGbps     float64 `xml:"peakBandwidthInGbps"`
}

type efaInfo struct {
	Interfaces int `xml:"maximumEfaInterfaces"`
}

type gpuInfo struct {
	GPUs     wire.Set[gpu] `xml:"gpus"`
	TotalMiB int           `xml:"totalGpuMemoryInMiB"`
}

type gpu struct {
	Name         string     `xml:"name"`
	Manufacturer string     `xml:"manufacturer"`
	Count        int        `xml:"count"`
	LogicalCount int        `xml:"logicalGpuCount"`
	Memory       memoryInfo `xml:"memoryInfo"`
}

// inferenceInfo is the one list of this answer whose elements EC2 calls member.
type inferenceInfo struct {
	Accelerators []accelerator `xml:"accelerators>member"`
}

type accelerator struct {
	Count        int    `xml:"count"`
	Name         string `xml:"name"`
	Manufacturer string `xml:"manufacturer"`
}

type neuronInfo struct {
	Devices wire.Set[neuronDevice] `xml:"neuronDevices"`
}

type neuronDevice struct {
	Count int        `xml:"count"`
	Name  string     `xml:"name"`
	Core  neuronCore `xml:"coreInfo"`
}

type neuronCore struct {
	Count int `xml:"count"`
}

func describeType(t catalog.InstanceType) instanceType {
	return instanceType{
		Name:                t.Name,
		CurrentGeneration:   t.CurrentGeneration,
		UsageClasses:        t.UsageClasses,
		RootDeviceTypes:     wire.Set[string]{"ebs"},
		VirtualizationTypes: wire.Set[string]{"hvm"},
		BareMetal:           t.BareMetal,
		Hypervisor:          t.Hypervisor,
		Processor: processorInfo{
			Architectures: wire.Set[string]{world.EC2Architecture(t)}, ClockGHz: gigahertz(t), Manufacturer: manufacturer(t.CPU.Manufacturer),
		},
		CPU:           cpuInfo{VCPUs: t.CPU.VCPUs, Cores: t.CPU.Cores, ThreadsPerCore: t.CPU.ThreadsPerCore},
		Memory:        memoryInfo{MiB: t.MemoryMiB},
		HasDisks:      t.LocalDisks.Count > 0,
		Disks:         describeDisks(t.LocalDisks),
		EBS:           describeEBS(t.EBS),
		Network:       describeNetwork(t.Network),
		GPU:           describeGPU(t.GPU),
		Inference:     describeInference(t.Accelerator),
		Neuron:        describeNeuron(t.Accelerator),
		Burstable:     t.Burstable,
		NitroEnclaves: supported(t.NitroEnclaves),
	}
}

// manufacturer is the maker of the processor in EC2's words.
func manufacturer(short string) string {
	switch short {
	case "intel":
		return "Intel"
	case "amd":
		return "AMD"
	}
	return "AWS"
}

func describeDisks(d catalog.LocalDisks) *diskInfo {
	if d.Count == 0 {
		return nil
	}
	return &diskInfo{TotalGB: d.TotalGB, Disks: wire.Set[disk]{{SizeGB: d.SizeGB, Count: d.Count, Kind: d.Kind}}, NVMeSupport: d.NVMeSupport}
}

func describeEBS(e catalog.EBS) ebsInfo {
	info := ebsInfo{Optimized: e.Optimized, Attachments: e.MaxAttachments}
	if e.MaximumMbps > 0 {
		info.Limits = &ebsOptimizedInfo{BaselineMbps: e.BaselineMbps, MaximumMbps: e.MaximumMbps}
	}
	return info
}

// describeNetwork spreads over the cards what the catalogue knows of them together; only the default card's interfaces are known for themselves.
func describeNetwork(n catalog.Network) networkInfo {
	info := networkInfo{
		Performance: n.Performance, Interfaces: n.ENIs, MaximumCards: n.Cards, DefaultCard: n.DefaultCard,
		IPv4PerInterface: n.IPv4PerENI, IPv6PerInterface: n.IPv6PerENI, IPv6: n.IPv6PerENI > 0,
		EFA: n.EFAInterfaces > 0, EncryptedTransit: n.EncryptedTransit,
	}
	if info.EFA {
		info.EFAInfo = &efaInfo{Interfaces: n.EFAInterfaces}
	}
	others := n.ENIs - n.ENIsDefaultCard
	for i := range n.Cards {
		card := networkCard{
			Index: i, Performance: n.Performance, Interfaces: n.ENIsDefaultCard,
			BaselineGbps: float64(n.BaselineMbps) / float64(1000*n.Cards), PeakGbps: float64(n.PeakMbps) / float64(1000*n.Cards),
		}
		if i != n.DefaultCard {
			card.Interfaces = others / (n.Cards - 1)
		}
		info.Cards = append(info.Cards, card)
	}
	return info
}

func describeGPU(g catalog.GPU) *gpuInfo {
	if g.Name == "" {
		return nil
	}
	one := gpu{Name: g.Name, Manufacturer: g.Manufacturer, Count: g.Count, LogicalCount: g.LogicalCount, Memory: memoryInfo{MiB: g.MemoryMiB}}
	return &gpuInfo{GPUs: wire.Set[gpu]{one}, TotalMiB: max(g.Count, 1) * g.MemoryMiB}
}

// describeInference covers the first Inferentia alone: later devices are told of as Neuron devices only.
func describeInference(a catalog.Accelerator) *inferenceInfo {
	if a.Name != "Inferentia" {
		return nil
	}
	return &inferenceInfo{Accelerators: []accelerator{{Count: a.Count, Name: a.Name, Manufacturer: a.Manufacturer}}}
}

func describeNeuron(a catalog.Accelerator) *neuronInfo {
	if a.Count == 0 {
		return nil
	}
	return &neuronInfo{Devices: wire.Set[neuronDevice]{{Count: a.Count, Name: a.Name, Core: neuronCore{Count: a.Cores / a.Count}}}}
}
