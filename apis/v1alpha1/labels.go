package v1alpha1

// Labels of a Node that say what its EC2 instance type is like.
const (
	LabelInstanceHypervisor              = "karpenter.k8s.aws/instance-hypervisor"
	LabelInstanceEncryptionInTransit     = "karpenter.k8s.aws/instance-encryption-in-transit-supported"
	LabelInstanceCategory                = "karpenter.k8s.aws/instance-category"
	LabelInstanceFamily                  = "karpenter.k8s.aws/instance-family"
	LabelInstanceGeneration              = "karpenter.k8s.aws/instance-generation"
	LabelInstanceSize                    = "karpenter.k8s.aws/instance-size"
	LabelInstanceLocalNVMe               = "karpenter.k8s.aws/instance-local-nvme"                    // GB of 10^9 bytes
	LabelInstanceCPU                     = "karpenter.k8s.aws/instance-cpu"                           // virtual CPUs
	LabelInstanceCPUManufacturer         = "karpenter.k8s.aws/instance-cpu-manufacturer"              // intel, amd or aws
	LabelInstanceCPUClock                = "karpenter.k8s.aws/instance-cpu-sustained-clock-speed-mhz" // MHz
	LabelInstanceEBSBandwidth            = "karpenter.k8s.aws/instance-ebs-bandwidth"                 // Mbps, most that there is for a time
	LabelInstanceFlex                    = "karpenter.k8s.aws/instance-capability-flex"               // whether the full CPU is not always there
	LabelInstanceTenancy                 = "karpenter.k8s.aws/instance-tenancy"                       // default: kerf asks for no other
	LabelInstanceMemory                  = "karpenter.k8s.aws/instance-memory"                        // MiB
	LabelInstanceNetworkBandwidth        = "karpenter.k8s.aws/instance-network-bandwidth"             // Mbps, baseline
	LabelInstancePods                    = "karpenter.k8s.aws/instance-pods"                          // most pods
	LabelInstanceGPUName                 = "karpenter.k8s.aws/instance-gpu-name"                      // e.g. t4
	LabelInstanceGPUManufacturer         = "karpenter.k8s.aws/instance-gpu-manufacturer"              // e.g. nvidia
	LabelInstanceGPUCount                = "karpenter.k8s.aws/instance-gpu-count"                     // whole GPUs
	LabelInstanceGPUMemory               = "karpenter.k8s.aws/instance-gpu-memory"                    // MiB of one GPU
	LabelInstanceAcceleratorName         = "karpenter.k8s.aws/instance-accelerator-name"              // e.g. inferentia
	LabelInstanceAcceleratorManufacturer = "karpenter.k8s.aws/instance-accelerator-manufacturer"      // e.g. aws
	LabelInstanceAcceleratorCount        = "karpenter.k8s.aws/instance-accelerator-count"             // devices
)

// LabelZoneID names the zone of a Machine, and its Node, in the same way in all accounts, where topology.kubernetes.io/zone may
// mean another data centre in each. Pods may ask for it of nodes that are there; new machines are not chosen by it.
const LabelZoneID = "topology.k8s.aws/zone-id"

// LabelInstanceAMIID says which image a Machine, and its Node, has booted. It is for reading: nothing can ask for it.
const LabelInstanceAMIID = "karpenter.k8s.aws/instance-ami-id"

// AnnotationTemplateHash holds a hash over what machines take over from their template: on a template as it is, on a Machine
// as it was when the machine was planned.
const AnnotationTemplateHash = "karpenter.k8s.aws/nodetemplate-hash"

// AnnotationTemplateHashVersion holds which way of hashing the hash on a Machine was made in.
const AnnotationTemplateHashVersion = "karpenter.k8s.aws/nodetemplate-hash-version"

// Annotations of a Machine, and its Node, that say what its instance was launched with. One whose fact is not known is missing.
const (
	// AnnotationSubnetID holds the id of the subnet that the instance is in.
	AnnotationSubnetID = "karpenter.k8s.aws/subnet-id"
	// AnnotationSecurityGroupIDs holds the ids of its security groups, in order, with commas between them.
	AnnotationSecurityGroupIDs = "karpenter.k8s.aws/security-group-ids"
	// AnnotationLaunchTemplate holds the name of its launch template, be it kerf's or the user's.
	AnnotationLaunchTemplate = "karpenter.k8s.aws/launch-template"
)

// Extended resources that EC2 instance types offer.
const (
	ResourceNVIDIAGPU   = "nvidia.com/gpu"
	ResourceAMDGPU      = "amd.com/gpu"
	ResourceHabanaGaudi = "habana.ai/gaudi"
	ResourceAWSNeuron   = "aws.amazon.com/neuron"
	// ResourceAWSNeuronCore are the cores of Neuron devices, for pods that share one.
	ResourceAWSNeuronCore = "aws.amazon.com/neuroncore"
	ResourceAWSPodENI     = "vpc.amazonaws.com/pod-eni"
	// ResourceAWSEFA are interfaces that bypass the kernel (Elastic Fabric Adapter). An instance has them if it is launched so.
	ResourceAWSEFA = "vpc.amazonaws.com/efa"
	// ResourceAWSPrivateIPv4 are the addresses for pods on Windows, each of which is given a request for one when it is made.
	ResourceAWSPrivateIPv4 = "vpc.amazonaws.com/PrivateIPv4Address"
)

// Tags that kerf puts on what it makes in EC2, besides those of the template.
const (
	// TagName is the display name.
	TagName = "Name"
	// TagManagedBy holds the name of the cluster whose kerf made the resource.
	TagManagedBy = "karpenter.sh/managed-by"
	// TagClusterUID holds the UID of the kube-system namespace: two clusters of the same name never share it.
	TagClusterUID = "karpenter.sh/cluster-uid"
	// TagLaunchGroup holds the launch group of the request that made an instance.
	TagLaunchGroup = "karpenter.sh/launch-group"
	// TagLaunchAttempt holds the attempt of that request.
	TagLaunchAttempt = "karpenter.sh/launch-attempt"
	// TagFleet holds the fleet that launched an instance. EC2 itself sets it, and nobody else can: what carries kerf's tags
	// without it was not made by kerf.
	TagFleet = "aws:ec2:fleet-id"
	// TagLaunchTemplateCluster marks launch templates with the name of the cluster.
	TagLaunchTemplateCluster = "karpenter.k8s.aws/cluster"
	// TagClusterPrefix, followed by the cluster's name, marks what belongs to the cluster; its value is owned.
	TagClusterPrefix = "kubernetes.io/cluster/"
)

// WellKnownLabels returns the labels of instance types that requirements of Provisioners and pods may use, although their
// domain is reserved.
func WellKnownLabels() []string {
	return []string{
		LabelInstanceHypervisor, LabelInstanceEncryptionInTransit,
		LabelInstanceCategory, LabelInstanceFamily, LabelInstanceGeneration, LabelInstanceSize,
		LabelInstanceLocalNVMe, LabelInstanceCPU, LabelInstanceCPUManufacturer, LabelInstanceCPUClock, LabelInstanceMemory,
		LabelInstanceEBSBandwidth, LabelInstanceFlex, LabelInstanceTenancy, LabelInstanceNetworkBandwidth, LabelInstancePods,
		LabelInstanceGPUName, LabelInstanceGPUManufacturer, LabelInstanceGPUCount, LabelInstanceGPUMemory,
		LabelInstanceAcceleratorName, LabelInstanceAcceleratorManufacturer, LabelInstanceAcceleratorCount,
	}
}
