package ec2

import (
	"slices"
	"strconv"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/catalog"
	"github.com/kerf-autoscaler/kerf/test/awssim/apierror"
	"github.com/kerf-autoscaler/kerf/test/awssim/wire"
	"github.com/kerf-autoscaler/kerf/test/awssim/world"
)

// maxNamedTypes is EC2's bound on the types that one call may name.
const maxNamedTypes = 100

type describeInstanceTypesInput struct {
	dryRun
	paged
	Names   []string `query:"InstanceType"`
	Filters []filter `query:"Filter"`
}

type describeInstanceTypesOutput struct {
	wire.Envelope
	InstanceTypes wire.Set[instanceType] `xml:"instanceTypeSet"`
	NextToken     string                 `xml:"nextToken,omitempty"`
}

func (s *Service) describeInstanceTypes(in describeInstanceTypesInput) (*describeInstanceTypesOutput, error) {
	if err := in.excludes("InstanceTypes", len(in.Names)); err != nil {
		return nil, err
	}
	if len(in.Names) > maxNamedTypes {
		return nil, apierror.New("InvalidParameterValue", "The maximum number of instance types that can be specified is %d", maxNamedTypes)
	}
	types, err := s.namedTypes(in.Names)
	if err != nil {
		return nil, err
	}
	types, err = selectBy(types, in.Filters, instanceTypeAttributes(), nil)
	if err != nil {
		return nil, err
	}
	types, next, err := page(types, func(t catalog.InstanceType) string { return t.Name }, in.paged, pageBounds{5, 100, 100})
	if err != nil {
		return nil, err
	}
	out := &describeInstanceTypesOutput{NextToken: next}
	for _, t := range types {
		out.InstanceTypes = append(out.InstanceTypes, describeType(t))
	}
	return out, nil
}

// namedTypes finds the types that a call names, or all of the region.
func (s *Service) namedTypes(names []string) ([]catalog.InstanceType, error) {
	types := s.world.InstanceTypes()
	if len(names) == 0 {
		return types, nil
	}
	unknown := slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		return slices.ContainsFunc(types, func(t catalog.InstanceType) bool { return t.Name == name })
	})
	if len(unknown) > 0 {
		return nil, apierror.New("InvalidInstanceType", "The following supplied instance types do not exist: %v", unknown)
	}
	return slices.DeleteFunc(types, func(t catalog.InstanceType) bool { return !slices.Contains(names, t.Name) }), nil
}

type typeFact = func(catalog.InstanceType) []string

func instanceTypeAttributes() attributes[catalog.InstanceType] {
	number := func(value func(catalog.InstanceType) int) typeFact {
		return one(func(t catalog.InstanceType) string { return strconv.Itoa(value(t)) })
	}
	return attributes[catalog.InstanceType]{
		"bare-metal":                      flag(func(t catalog.InstanceType) bool { return t.BareMetal }),
		"burstable-performance-supported": flag(func(t catalog.InstanceType) bool { return t.Burstable }),
		"current-generation":              flag(func(t catalog.InstanceType) bool { return t.CurrentGeneration }),
		"ebs-info.ebs-optimized-info.baseline-bandwidth-in-mbps": number(func(t catalog.InstanceType) int { return t.EBS.BaselineMbps }),
		"ebs-info.ebs-optimized-info.maximum-bandwidth-in-mbps":  number(func(t catalog.InstanceType) int { return t.EBS.MaximumMbps }),
		"ebs-info.ebs-optimized-support":                         one(func(t catalog.InstanceType) string { return t.EBS.Optimized }),
		"hypervisor":                                             one(func(t catalog.InstanceType) string { return t.Hypervisor }),
		"instance-storage-info.disk.count":                       number(func(t catalog.InstanceType) int { return t.LocalDisks.Count }),
		"instance-storage-info.disk.size-in-gb":                  number(func(t catalog.InstanceType) int { return t.LocalDisks.SizeGB }),
		"instance-storage-info.disk.type":                        one(func(t catalog.InstanceType) string { return t.LocalDisks.Kind }),
		"instance-storage-info.nvme-support":                     one(func(t catalog.InstanceType) string { return t.LocalDisks.NVMeSupport }),
		"instance-storage-info.total-size-in-gb":                 number(func(t catalog.InstanceType) int { return t.LocalDisks.TotalGB }),
		"instance-storage-supported":                             flag(func(t catalog.InstanceType) bool { return t.LocalDisks.Count > 0 }),
		"instance-type":                                          one(func(t catalog.InstanceType) string { return t.Name }),
		"memory-info.size-in-mib":                                number(func(t catalog.InstanceType) int { return t.MemoryMiB }),
		"network-info.efa-info.maximum-efa-interfaces":           number(func(t catalog.InstanceType) int { return t.Network.EFAInterfaces }),
		"network-info.efa-supported":                             flag(func(t catalog.InstanceType) bool { return t.Network.EFAInterfaces > 0 }),
		"network-info.encryption-in-transit-supported":           flag(func(t catalog.InstanceType) bool { return t.Network.EncryptedTransit }),
		"network-info.ipv4-addresses-per-interface":              number(func(t catalog.InstanceType) int { return t.Network.IPv4PerENI }),
		"network-info.ipv6-addresses-per-interface":              number(func(t catalog.InstanceType) int { return t.Network.IPv6PerENI }),
		"network-info.ipv6-supported":                            flag(func(t catalog.InstanceType) bool { return t.Network.IPv6PerENI > 0 }),
		"network-info.maximum-network-cards":                     number(func(t catalog.InstanceType) int { return t.Network.Cards }),
		"network-info.maximum-network-interfaces":                number(func(t catalog.InstanceType) int { return t.Network.ENIs }),
		"network-info.network-performance":                       one(func(t catalog.InstanceType) string { return t.Network.Performance }),
		"nitro-enclaves-support":                                 one(func(t catalog.InstanceType) string { return supported(t.NitroEnclaves) }),
		"processor-info.supported-architecture":                  one(world.EC2Architecture),
		"processor-info.sustained-clock-speed-in-ghz":            one(func(t catalog.InstanceType) string { return gigahertz(t) }),
		"supported-usage-class":                                  func(t catalog.InstanceType) []string { return t.UsageClasses },
		"supported-root-device-type":                             fixed[catalog.InstanceType]("ebs"),
		"supported-virtualization-type":                          fixed[catalog.InstanceType]("hvm"),
		"vcpu-info.default-cores":                                number(func(t catalog.InstanceType) int { return t.CPU.Cores }),
		"vcpu-info.default-threads-per-core":                     number(func(t catalog.InstanceType) int { return t.CPU.ThreadsPerCore }),
		"vcpu-info.default-vcpus":                                number(func(t catalog.InstanceType) int { return t.CPU.VCPUs }),
	}
}

func supported(yes bool) string {
	if yes {
		return "supported"
	}
	return "unsupported"
}

// gigahertz is the clock speed, or nothing where it is not known.
func gigahertz(t catalog.InstanceType) string {
	if t.CPU.ClockMHz == 0 {
		return ""
	}
	return strconv.FormatFloat(float64(t.CPU.ClockMHz)/1000, 'f', -1, 64)
}
