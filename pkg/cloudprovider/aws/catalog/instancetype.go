package catalog

import (
	"slices"
	"strings"
)

// InstanceType is what EC2 and the published limit tables say of one type. A number that is not known is 0 unless its comment says otherwise.
type InstanceType struct {
	Name         string
	Architecture string // in Kubernetes' words: amd64 or arm64
	MemoryMiB    int    // nominal; a node sees less
	CPU          CPU
	Network      Network
	GPU          GPU
	Accelerator  Accelerator
	LocalDisks   LocalDisks
	EBS          EBS
	// Hypervisor is nitro, xen, or empty on bare metal.
	Hypervisor        string
	BareMetal         bool
	Burstable         bool
	CurrentGeneration bool
	NitroEnclaves     bool
	// UsageClasses are on-demand, spot and capacity-block, in that order.
	UsageClasses []string
	// Captured is the month in which EC2 described the type; one older than the rest has been withdrawn.
	Captured string
}

// CPU is the processor with its default options.
type CPU struct {
	VCPUs          int
	Cores          int
	ThreadsPerCore int
	Manufacturer   string // intel, amd or aws
	ClockMHz       int    // sustained
}

// Network holds the limits of a type's network interfaces (ENIs) and its bandwidth.
type Network struct {
	ENIs             int // over all network cards
	ENIsDefaultCard  int // the VPC CNI uses this card alone, so max pods follows from it
	IPv4PerENI       int // primary included
	IPv6PerENI       int
	Cards            int
	DefaultCard      int // index
	TrunkCompatible  bool
	BranchENIs       int
	EFAInterfaces    int
	BandwidthMbps    int // sustained, from the published tables; 0 where those give only a word
	BaselineMbps     int // sustained, summed over the cards, as EC2 reports it
	PeakMbps         int
	Performance      string // EC2's words, e.g. "Up to 10 Gigabit"
	EncryptedTransit bool
}

// GPU describes graphics processors. Fractional types have a Name and a LogicalCount but Count 0.
type GPU struct {
	Name         string // as EC2 spells it
	Manufacturer string
	Count        int // whole ones
	LogicalCount int // as the guest sees them
	MemoryMiB    int // of each
}

// Accelerator describes Neuron devices.
type Accelerator struct {
	Name         string
	Manufacturer string
	Count        int // devices
	Cores        int // over all devices
}

// LocalDisks is the instance store.
type LocalDisks struct {
	TotalGB     int // GB of 10^9 bytes
	Count       int
	SizeGB      int    // of each
	Kind        string // ssd or hdd
	NVMeSupport string // required, supported, unsupported; empty without disks
}

// EBS holds the limits of network volumes.
type EBS struct {
	Optimized      string // default, supported or unsupported
	MaximumMbps    int
	BaselineMbps   int
	MaxAttachments int
}

// Supports says whether the type can be bought in the usage class.
func (t InstanceType) Supports(usageClass string) bool {
	return slices.Contains(t.UsageClasses, usageClass)
}

// Family is the part of the name before the dot.
func (t InstanceType) Family() string {
	family, _, _ := strings.Cut(t.Name, ".")
	return family
}

// Size is the part of the name after the dot.
func (t InstanceType) Size() string {
	_, size, _ := strings.Cut(t.Name, ".")
	return size
}

func instanceTypeFrom(r *row) InstanceType {
	return InstanceType{
		Name:              r.text("name"),
		Architecture:      r.text("arch"),
		MemoryMiB:         r.integer("memory_mib"),
		CPU:               cpuFrom(r),
		Network:           networkFrom(r),
		GPU:               gpuFrom(r),
		Accelerator:       acceleratorFrom(r),
		LocalDisks:        localDisksFrom(r),
		EBS:               ebsFrom(r),
		Hypervisor:        r.text("hypervisor"),
		BareMetal:         r.boolean("bare_metal"),
		Burstable:         r.boolean("burstable"),
		CurrentGeneration: r.boolean("current_generation"),
		NitroEnclaves:     r.boolean("nitro_enclaves"),
		UsageClasses:      r.list("usage_classes"),
		Captured:          r.text("captured"),
	}
}

func cpuFrom(r *row) CPU {
	return CPU{
		VCPUs:          r.integer("vcpu"),
		Cores:          r.integer("default_cores"),
		ThreadsPerCore: r.integer("threads_per_core"),
		Manufacturer:   r.text("default_vcpu_manufacturer"),
		ClockMHz:       r.integer("clock_mhz"),
	}
}

func networkFrom(r *row) Network {
	return Network{
		ENIs:             r.integer("enis"),
		ENIsDefaultCard:  r.integer("enis_default_card"),
		IPv4PerENI:       r.integer("ipv4_per_eni"),
		IPv6PerENI:       r.integer("ipv6_per_eni"),
		Cards:            r.integer("network_cards"),
		DefaultCard:      r.integer("default_card"),
		TrunkCompatible:  r.boolean("trunking_compatible"),
		BranchENIs:       r.integer("branch_enis"),
		EFAInterfaces:    r.integer("efa_interfaces"),
		BandwidthMbps:    r.integer("network_mbps"),
		BaselineMbps:     r.integer("net_baseline_mbps"),
		PeakMbps:         r.integer("net_peak_mbps"),
		Performance:      r.text("net_performance"),
		EncryptedTransit: r.boolean("encryption_in_transit"),
	}
}

func gpuFrom(r *row) GPU {
	return GPU{
		Name:         r.text("gpu_name"),
		Manufacturer: r.text("gpu_manufacturer"),
		Count:        r.integer("gpu_count"),
		LogicalCount: r.integer("gpu_logical_count"),
		MemoryMiB:    r.integer("gpu_memory_mib"),
	}
}

func acceleratorFrom(r *row) Accelerator {
	return Accelerator{
		Name:         r.text("accelerator_name"),
		Manufacturer: r.text("accelerator_manufacturer"),
		Count:        r.integer("accelerator_count"),
		Cores:        r.integer("neuron_cores"),
	}
}

func localDisksFrom(r *row) LocalDisks {
	return LocalDisks{
		TotalGB:     r.integer("nvme_gb"),
		Count:       r.integer("disk_count"),
		SizeGB:      r.integer("disk_gb"),
		Kind:        r.text("disk_type"),
		NVMeSupport: r.text("nvme_support"),
	}
}

func ebsFrom(r *row) EBS {
	return EBS{
		Optimized:      r.text("ebs_optimized"),
		MaximumMbps:    r.integer("ebs_mbps"),
		BaselineMbps:   r.integer("ebs_baseline_mbps"),
		MaxAttachments: r.integer("max_ebs_attachments"),
	}
}
