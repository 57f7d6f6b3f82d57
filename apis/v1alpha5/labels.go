package v1alpha5

import corev1 "k8s.io/api/core/v1"

// Labels that kerf sets on Machines and Nodes.
const (
	// ProvisionerNameLabel holds the name of the Provisioner that a machine was made for; pods may select it.
	ProvisionerNameLabel = "karpenter.sh/provisioner-name"
	// CapacityTypeLabel holds spot or on-demand.
	CapacityTypeLabel = "karpenter.sh/capacity-type"
	// RegisteredLabel is "true" on a Node once kerf has synchronised labels and taints onto it.
	RegisteredLabel = "karpenter.sh/registered"
	// InitializedLabel is "true" on a Node once it is ready for ordinary pods.
	InitializedLabel = "karpenter.sh/initialized"
	// ExcludeFromLoadBalancersLabel takes a draining Node out of the target groups of load balancers.
	ExcludeFromLoadBalancersLabel = "node.kubernetes.io/exclude-from-external-load-balancers"
)

// Values of CapacityTypeLabel.
const (
	CapacityTypeSpot     = "spot"
	CapacityTypeOnDemand = "on-demand"
)

// Annotations that kerf reads or writes.
const (
	// DoNotEvictAnnotation on a pod keeps kerf from evicting it: "true" for as long as it lives, a duration such as "4h" from its
	// start on. Only the end of a terminationGracePeriod is stronger.
	DoNotEvictAnnotation = "karpenter.sh/do-not-evict"
	// DoNotDisruptAnnotation on a pod means the same. Set to "true" on a node it keeps voluntary disruption away from it.
	DoNotDisruptAnnotation = "karpenter.sh/do-not-disrupt"
	// DeletionCostAnnotation has the value of controller.kubernetes.io/pod-deletion-cost that consolidation has written on a pod. While both are the
	// same it may change them; any other value is its owner's.
	DeletionCostAnnotation = "karpenter.sh/pod-deletion-cost"
	// DoNotConsolidateAnnotation set to "true" on a node or machine keeps it from going to save money; one that is expired or drifted goes.
	DoNotConsolidateAnnotation = "karpenter.sh/do-not-consolidate"
	// PauseDisruptionAnnotation set to "true" on the namespace kube-system keeps every node of the cluster that could stay.
	PauseDisruptionAnnotation = "karpenter.sh/pause-disruption"
	// ProvisionerHashAnnotation holds a hash over what machines take over from their Provisioner: on a Provisioner as it is,
	// on a Machine as it was when the machine was planned.
	ProvisionerHashAnnotation = "karpenter.sh/provisioner-hash"
	// ProvisionerHashVersionAnnotation holds which way of hashing the hash on a Machine was made in: those of different ways, or of
	// ways that are not known, say nothing about each other.
	ProvisionerHashVersionAnnotation = "karpenter.sh/provisioner-hash-version"
	// PriceAnnotation holds what a machine was planned to cost, in US dollars per hour.
	PriceAnnotation = "karpenter.sh/price-per-hour"
	// MinValuesRelaxedAnnotation set to "true" on a machine says that there was less to choose from than minValues of its
	// Provisioner ask for.
	MinValuesRelaxedAnnotation = "karpenter.sh/nodeclaim-min-values-relaxed"
	// OrphanAnnotation holds the provider id of an instance that had lost its machine and whose node works. The machine was made for
	// nothing but to end it, as gently as any other.
	OrphanAnnotation = "karpenter.sh/orphaned-instance"
	// InterruptedAnnotation holds why a machine goes whose instance the cloud ends, or may: one of the reasons that InterruptionMessage knows.
	InterruptedAnnotation = "karpenter.sh/interrupted"
	// TerminationDeadlineAnnotation holds until when (RFC 3339) the node of such a machine has to be drained.
	TerminationDeadlineAnnotation = "karpenter.sh/termination-deadline"
	// MadeForAnnotation holds which pods a machine was made for, as BASIS/WORKLOAD,WORKLOAD: those of status.fruitlessLaunches.
	MadeForAnnotation = "karpenter.sh/made-for"
	// ReplacesAnnotation holds the name of the machine that a decision is recorded on by which this machine takes the place of others.
	ReplacesAnnotation = "karpenter.sh/replaces"
)

// TerminationFinalizer pins Machines and their Nodes until the instance behind them is gone.
const TerminationFinalizer = "karpenter.sh/termination"

// DisruptedTaintKey is the key of the taint that keeps new pods off a node that is about to go.
const DisruptedTaintKey = "karpenter.sh/disrupted"

// DisruptedTaint returns the taint of a node that is about to go.
func DisruptedTaint() corev1.Taint {
	return corev1.Taint{Key: DisruptedTaintKey, Effect: corev1.TaintEffectNoSchedule}
}

// ConsolidationCandidateTaintKey is the key of the taint that has new pods go elsewhere where they can: consolidation has found that the node
// is best left to empty by itself.
const ConsolidationCandidateTaintKey = "karpenter.sh/consolidation-candidate"

// ConsolidationCandidateTaint returns the taint of a node that is best left to empty by itself.
func ConsolidationCandidateTaint() corev1.Taint {
	return corev1.Taint{Key: ConsolidationCandidateTaintKey, Effect: corev1.TaintEffectPreferNoSchedule}
}

// ebsZone is what the EBS CSI driver calls the zone. It labels every node that it runs on, and volumes ask for it; a node that is
// yet to come will have it as soon as it can attach any.
const ebsZone = "topology.ebs.csi.aws.com/zone"

// NormalizeLabel returns the stable key for a beta label key or another name of the same, and any other key unchanged.
func NormalizeLabel(key string) string {
	switch key {
	case corev1.LabelFailureDomainBetaZone:
		return corev1.LabelTopologyZone
	case corev1.LabelFailureDomainBetaRegion:
		return corev1.LabelTopologyRegion
	case "beta.kubernetes.io/arch":
		return corev1.LabelArchStable
	case "beta.kubernetes.io/os":
		return corev1.LabelOSStable
	case ebsZone:
		return corev1.LabelTopologyZone
	case corev1.LabelInstanceType:
		return corev1.LabelInstanceTypeStable
	default:
		return key
	}
}
