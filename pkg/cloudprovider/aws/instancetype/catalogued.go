package instancetype

import (
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/catalog"
)

// Catalogued is a source that knows what the catalogue says of a region, for where EC2 is not asked. It never changes.
type Catalogued struct{ snapshot Snapshot }

// NewCatalogued returns the source for a region.
func NewCatalogued(facts *catalog.Catalog, region string) Catalogued {
	out := Snapshot{zones: map[string][]string{}}
	for _, t := range facts.InstanceTypesIn(region) {
		if info := infoOf(t); info.OnDemand || info.Spot {
			out.Infos = append(out.Infos, info)
			out.zones[t.Name] = facts.ZonesOffering(region, t.Name)
		}
	}
	return Catalogued{out}
}

// Snapshot returns all that is catalogued.
func (c Catalogued) Snapshot() (Snapshot, error) { return c.snapshot, nil }

// infoOf returns of a catalogued type what EC2's own description of it would come to.
func infoOf(t catalog.InstanceType) Info {
	out := Info{
		Name: t.Name, Arch: t.Architecture, Hypervisor: t.Hypervisor, VCPUs: int64(t.CPU.VCPUs), MemoryMiB: int64(t.MemoryMiB),
		Interfaces: int64(t.Network.ENIsDefaultCard), IPv4PerInterface: int64(t.Network.IPv4PerENI),
		CPUManufacturer: t.CPU.Manufacturer, ClockMHz: int64(t.CPU.ClockMHz),
		EncryptedTransit: t.Network.EncryptedTransit, OnDemand: t.Supports("on-demand"), Spot: t.Supports("spot"), BareMetal: t.BareMetal,
	}
	if t.EBS.Optimized == "default" {
		out.EBSMbps = int64(t.EBS.MaximumMbps)
	}
	published := LimitsOf(t)
	out.BandwidthMbps, out.BranchInterfaces = published.BandwidthMbps, published.BranchInterfaces
	if t.LocalDisks.Count > 0 && t.LocalDisks.NVMeSupport != "unsupported" {
		out.NVMeGB = int64(t.LocalDisks.TotalGB)
	}
	if t.GPU.Name != "" {
		out.GPU = Device{Name: t.GPU.Name, Manufacturer: t.GPU.Manufacturer, Count: int64(t.GPU.Count), MemoryMiB: int64(t.GPU.MemoryMiB)}
		if t.GPU.Count == 0 { // a fraction of one, which the guest sees as one
			out.GPU.Count = int64(t.GPU.LogicalCount)
		}
	}
	if t.Accelerator.Count > 0 {
		out.Accelerator = Device{Name: t.Accelerator.Name, Manufacturer: manufacturerAWS, Count: int64(t.Accelerator.Count)}
		out.NeuronCores = int64(t.Accelerator.Cores)
	}
	return out
}

// LimitsOf returns what is published of a catalogued type without EC2's API telling it.
func LimitsOf(t catalog.InstanceType) Limits {
	out := Limits{BandwidthMbps: int64(t.Network.BandwidthMbps)}
	if t.Network.TrunkCompatible {
		out.BranchInterfaces = int64(t.Network.BranchENIs)
	}
	return out
}
