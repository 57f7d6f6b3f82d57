package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// AWSNodeTemplate says what machines look like at AWS: where they run, what they boot and what they are allowed to do.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=awsnodetemplates,scope=Cluster,categories=karpenter,shortName=awsnt
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="AMIFamily",type="string",JSONPath=".status.amiFamily",description="AMI family in use"
// +kubebuilder:printcolumn:name="Subnets",type="integer",JSONPath=".status.subnetCount",description="Subnets found"
// +kubebuilder:printcolumn:name="SecurityGroups",type="integer",JSONPath=".status.securityGroupCount",description="Security groups found"
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type=='Ready')].status",description="Whether machines can be launched from it"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp",description="Time since creation"
// +kubebuilder:validation:XValidation:rule=`has(self.spec) || oldSelf.optMap(old, !has(old.spec)).orValue(false)`,optionalOldSelf=true,reason=FieldValueRequired,fieldPath=".spec.subnetSelector",message="finds the subnets of machines by tags, e.g. karpenter.sh/discovery: my-cluster; securityGroupSelector is needed as well"
type AWSNodeTemplate struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   AWSNodeTemplateSpec   `json:"spec,omitempty"`
	Status AWSNodeTemplateStatus `json:"status,omitempty"`
}

// AWSNodeTemplateSpec is what the user asks for.
//
// +kubebuilder:validation:XValidation:rule=`has(self.subnetSelector)`,reason=FieldValueRequired,fieldPath=".subnetSelector",message="finds the subnets of machines by tags, e.g. karpenter.sh/discovery: my-cluster"
// +kubebuilder:validation:XValidation:rule=`has(self.securityGroupSelector) || (has(self.launchTemplate) && self.launchTemplate != "")`,reason=FieldValueRequired,fieldPath=".securityGroupSelector",message="finds the security groups of machines by tags, e.g. karpenter.sh/discovery: my-cluster"
// +kubebuilder:validation:XValidation:rule=`!has(self.amiFamily) || self.amiFamily != "Custom" || has(self.amiSelector) || (has(self.launchTemplate) && self.launchTemplate != "")`,reason=FieldValueRequired,fieldPath=".amiSelector",message="the AMI family Custom has no images but those that you select"
// +kubebuilder:validation:XValidation:rule=`!has(self.launchTemplate) || self.launchTemplate == "" || !has(self.securityGroupSelector)`,reason=FieldValueForbidden,fieldPath=".securityGroupSelector",message="launchTemplate is set and says this as well: remove one of the two"
// +kubebuilder:validation:XValidation:rule=`!has(self.launchTemplate) || self.launchTemplate == "" || !has(self.amiSelector)`,reason=FieldValueForbidden,fieldPath=".amiSelector",message="launchTemplate is set and says this as well: remove one of the two"
// +kubebuilder:validation:XValidation:rule=`!has(self.launchTemplate) || self.launchTemplate == "" || !has(self.amiFamily)`,reason=FieldValueForbidden,fieldPath=".amiFamily",message="launchTemplate is set and says this as well: remove one of the two"
// +kubebuilder:validation:XValidation:rule=`!has(self.launchTemplate) || self.launchTemplate == "" || !has(self.instanceProfile) || self.instanceProfile == ""`,reason=FieldValueForbidden,fieldPath=".instanceProfile",message="launchTemplate is set and says this as well: remove one of the two"
// +kubebuilder:validation:XValidation:rule=`!has(self.launchTemplate) || self.launchTemplate == "" || !has(self.metadataOptions)`,reason=FieldValueForbidden,fieldPath=".metadataOptions",message="launchTemplate is set and says this as well: remove one of the two"
// +kubebuilder:validation:XValidation:rule=`!has(self.launchTemplate) || self.launchTemplate == "" || !has(self.blockDeviceMappings) || size(self.blockDeviceMappings) == 0`,reason=FieldValueForbidden,fieldPath=".blockDeviceMappings",message="launchTemplate is set and says this as well: remove one of the two"
// +kubebuilder:validation:XValidation:rule=`!has(self.launchTemplate) || self.launchTemplate == "" || !has(self.userData) || self.userData == ""`,reason=FieldValueForbidden,fieldPath=".userData",message="launchTemplate is set and says this as well: remove one of the two"
// +kubebuilder:validation:XValidation:rule=`!has(self.launchTemplate) || self.launchTemplate == "" || !has(self.instanceStorePolicy)`,reason=FieldValueForbidden,fieldPath=".instanceStorePolicy",message="launchTemplate is set and says this as well: remove one of the two"
type AWSNodeTemplateSpec struct {
	// APIVersion is left over from when these fields stood inside of a Provisioner; it means nothing.
	// +optional
	APIVersion string `json:"apiVersion,omitempty"`
	// Kind is left over from when these fields stood inside of a Provisioner; it means nothing.
	// +optional
	Kind string `json:"kind,omitempty"`
	// SubnetSelector finds subnets by their tags: key -> value, all of which have to match. A value of "*" matches any
	// value, a comma separates alternatives. The key aws-ids (or aws::ids) takes subnet ids in place of tags. Required.
	// +kubebuilder:validation:MaxProperties=50
	// +kubebuilder:validation:XValidation:rule=`!("" in self)`,message="a key is the name of a tag and cannot be empty"
	// +kubebuilder:validation:XValidation:rule=`self.all(key, self[key] != "")`,message="a value cannot be empty; * stands for any value of the tag"
	// +kubebuilder:validation:XValidation:rule=`size(self) < 2 || !("aws-ids" in self || "aws::ids" in self)`,reason=FieldValueForbidden,message="ids say all there is to select: remove them, or every other key"
	// +kubebuilder:validation:XValidation:rule=`["aws-ids", "aws::ids"].all(key, !(key in self) || self[key] == "" || self[key].matches('^[^,]*subnet-[0-9a-z][^,]*(,[^,]*subnet-[0-9a-z][^,]*)*$'))`,message="aws-ids takes ids such as subnet-0123456789abcdef0, with commas between them"
	// +optional
	SubnetSelector map[string]string `json:"subnetSelector,omitempty"`
	// SecurityGroupSelector finds security groups in the same way, the key aws-ids (or aws::ids) by their ids; all that match
	// are attached. Required, unless launchTemplate is set.
	// +kubebuilder:validation:MaxProperties=50
	// +kubebuilder:validation:XValidation:rule=`!("" in self)`,message="a key is the name of a tag and cannot be empty"
	// +kubebuilder:validation:XValidation:rule=`self.all(key, self[key] != "")`,message="a value cannot be empty; * stands for any value of the tag"
	// +kubebuilder:validation:XValidation:rule=`size(self) < 2 || !("aws-ids" in self || "aws::ids" in self)`,reason=FieldValueForbidden,message="ids say all there is to select: remove them, or every other key"
	// +kubebuilder:validation:XValidation:rule=`["aws-ids", "aws::ids"].all(key, !(key in self) || self[key] == "" || self[key].matches('^[^,]*sg-[0-9a-z][^,]*(,[^,]*sg-[0-9a-z][^,]*)*$'))`,message="aws-ids takes ids such as sg-0123456789abcdef0, with commas between them"
	// +optional
	SecurityGroupSelector map[string]string `json:"securityGroupSelector,omitempty"`
	// AMISelector finds machine images by their tags, in place of those that AWS recommends for the AMI family. The keys
	// aws-ids (or aws::ids), aws::name and aws::owners take ids, names and owning accounts. Default of the owners:
	// self,amazon. Required by the AMI family Custom.
	// +kubebuilder:validation:MaxProperties=50
	// +kubebuilder:validation:XValidation:rule=`!("" in self)`,message="a key is the name of a tag and cannot be empty"
	// +kubebuilder:validation:XValidation:rule=`self.all(key, self[key] != "")`,message="a value cannot be empty; * stands for any value of the tag"
	// +kubebuilder:validation:XValidation:rule=`size(self) < 2 || !("aws-ids" in self || "aws::ids" in self)`,reason=FieldValueForbidden,message="ids say all there is to select: remove them, or every other key"
	// +kubebuilder:validation:XValidation:rule=`["aws-ids", "aws::ids"].all(key, !(key in self) || self[key] == "" || self[key].matches('^[^,]*ami-[0-9a-z][^,]*(,[^,]*ami-[0-9a-z][^,]*)*$'))`,message="aws-ids takes ids such as ami-0123456789abcdef0, with commas between them"
	// +optional
	AMISelector map[string]string `json:"amiSelector,omitempty"`
	// AMIFamily chooses the operating system and how it is told to join the cluster. Default: AL2 on clusters that still
	// have AL2 images (Kubernetes 1.32 and older), else AL2023.
	// +kubebuilder:validation:Enum=AL2;AL2023;Bottlerocket;Ubuntu;Windows2019;Windows2022;Windows2025;Custom
	// +optional
	AMIFamily string `json:"amiFamily,omitempty"`
	// InstanceProfile is the name of the IAM instance profile of the nodes. Default: the controller's setting.
	// +optional
	InstanceProfile string `json:"instanceProfile,omitempty"`
	// Context is passed to EC2 with each request for instances, for those to whom AWS has given one.
	// +optional
	Context string `json:"context,omitempty"`
	// Tags are put on instances, volumes, network interfaces, fleets and launch templates. EC2 takes 50, those of kerf among
	// them.
	// +kubebuilder:validation:MaxProperties=200
	// +kubebuilder:validation:XValidation:rule=`!("" in self)`,message="the key of a tag cannot be empty"
	// +kubebuilder:validation:XValidation:rule=`!("karpenter.sh/provisioner-name" in self)`,reason=FieldValueForbidden,message="kerf sets the tag karpenter.sh/provisioner-name itself: remove it"
	// +kubebuilder:validation:XValidation:rule=`!("karpenter.sh/managed-by" in self)`,reason=FieldValueForbidden,message="kerf sets the tag karpenter.sh/managed-by itself: remove it"
	// +kubebuilder:validation:XValidation:rule=`self.all(key, !key.matches("^kubernetes[.]io/cluster/[0-9A-Za-z][0-9A-Za-z_-]*$"))`,reason=FieldValueForbidden,message="kerf sets the tag kubernetes.io/cluster/<name of the cluster> itself: remove it"
	// +optional
	Tags map[string]string `json:"tags,omitempty"`
	// LaunchTemplate is the name of a launch template of the user's own, from which machines are launched as it is.
	// Deprecated: state here what it says. It excludes every other field that says what a machine looks like.
	// +optional
	LaunchTemplate string `json:"launchTemplate,omitempty"`
	// MetadataOptions say how instances reach their metadata. Default: the endpoint is enabled, tokens are required (IMDSv2)
	// and answers reach 2 hops, so pods too. Once the object is there, AWS' own defaults hold for what it leaves out: tokens
	// optional, 1 hop.
	// +optional
	MetadataOptions *MetadataOptions `json:"metadataOptions,omitempty"`
	// BlockDeviceMappings are the volumes of an instance. Default: those of the AMI family.
	// +kubebuilder:validation:MaxItems=50
	// +listType=atomic
	// +optional
	BlockDeviceMappings []BlockDeviceMapping `json:"blockDeviceMappings,omitempty"`
	// InstanceStorePolicy says what the local disks are for of instance types that have any. RAID0 makes one volume of them, on
	// which pods then keep their files: ephemeral storage is as large as all of them together, also that of container images.
	// AL2, AL2023 and Bottlerocket set that up; on images of Ubuntu and the family Custom userData has to. Default: nothing.
	// +kubebuilder:validation:Enum=RAID0
	// +optional
	InstanceStorePolicy string `json:"instanceStorePolicy,omitempty"`
	// UserData is the user's own part of what instances run at their first start. It is merged with kerf's part in the way
	// of the AMI family; the family Custom takes it as it is.
	// +optional
	UserData string `json:"userData,omitempty"`
	// DetailedMonitoring has CloudWatch look at instances every minute, for a fee. Default: false, every five minutes.
	// +optional
	DetailedMonitoring *bool `json:"detailedMonitoring,omitempty"`
}

// Values of spec.amiFamily.
const (
	AMIFamilyAL2          = "AL2"
	AMIFamilyAL2023       = "AL2023"
	AMIFamilyBottlerocket = "Bottlerocket"
	AMIFamilyUbuntu       = "Ubuntu"
	AMIFamilyWindows2019  = "Windows2019"
	AMIFamilyWindows2022  = "Windows2022"
	AMIFamilyWindows2025  = "Windows2025"
	AMIFamilyCustom       = "Custom"
)

// InstanceStorePolicyRAID0 is the value of spec.instanceStorePolicy by which pods keep their files on local disks.
const InstanceStorePolicyRAID0 = "RAID0"

// MetadataOptions say how an instance reaches its metadata service. See ModifyInstanceMetadataOptions in the EC2 API.
type MetadataOptions struct {
	// HTTPEndpoint is enabled or disabled.
	// +kubebuilder:validation:Enum=enabled;disabled
	// +optional
	HTTPEndpoint *string `json:"httpEndpoint,omitempty"`
	// HTTPProtocolIPv6 is enabled or disabled.
	// +kubebuilder:validation:Enum=enabled;disabled
	// +optional
	HTTPProtocolIPv6 *string `json:"httpProtocolIPv6,omitempty"`
	// HTTPPutResponseHopLimit is how many network hops the answer to a request for a token travels, 1 to 64. Pods with a
	// network of their own need 2.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=64
	// +optional
	HTTPPutResponseHopLimit *int64 `json:"httpPutResponseHopLimit,omitempty"`
	// HTTPTokens is required (IMDSv2 only) or optional (IMDSv1 as well).
	// +kubebuilder:validation:Enum=required;optional
	// +optional
	HTTPTokens *string `json:"httpTokens,omitempty"`
}

// BlockDeviceMapping is a volume and the name of its device.
type BlockDeviceMapping struct {
	// DeviceName is what the instance sees the volume as, e.g. /dev/xvda.
	// +required
	DeviceName *string `json:"deviceName,omitempty"`
	// EBS is the volume.
	// +required
	EBS *BlockDevice `json:"ebs,omitempty"`
}

// BlockDevice is an EBS volume.
//
// +kubebuilder:validation:XValidation:rule=`has(self.volumeSize) || has(self.snapshotID)`,reason=FieldValueRequired,fieldPath=".volumeSize",message="set it, e.g. to 20Gi, or set snapshotID: a volume is as large as its snapshot"
type BlockDevice struct {
	// DeleteOnTermination removes the volume together with the instance. Default: true, unless the image has this device and
	// says otherwise.
	// +optional
	DeleteOnTermination *bool `json:"deleteOnTermination,omitempty"`
	// Encrypted encrypts the volume. Default: false, unless the account encrypts all volumes. A volume from an encrypted
	// snapshot is encrypted in any case.
	// +optional
	Encrypted *bool `json:"encrypted,omitempty"`
	// IOPS is the number of I/O operations per second: required for io1 and io2, possible for gp3, whose default is 3000.
	// +optional
	IOPS *int64 `json:"iops,omitempty"`
	// KMSKeyID is the id, alias or ARN of the key that encrypts the volume. Default: the account's key for EBS.
	// +optional
	KMSKeyID *string `json:"kmsKeyID,omitempty"`
	// SnapshotID is the snapshot that the volume starts from.
	// +optional
	SnapshotID *string `json:"snapshotID,omitempty"`
	// Throughput in MiB per second, of gp3 volumes. Default: 125.
	// +optional
	Throughput *int64 `json:"throughput,omitempty"`

	// The pattern bounds the exponent: nothing that reads quantities comes to an end with 1e100000000. The expression is
	// evaluated although the pattern does not match, and so looks for itself.

	// VolumeSize from 1G to 64T, rounded up to whole GiB. Required, unless snapshotID is set.
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]{1,2})?$`
	// +kubebuilder:validation:XValidation:rule=`type(self) == int ? self >= 1000000000 && self <= 64000000000000 : !self.matches("[eE].*[0-9]{3}") && isQuantity(self) && quantity(self).compareTo(quantity("1G")) >= 0 && quantity(self).compareTo(quantity("64T")) <= 0`,message="must be from 1G to 64T, with its unit, e.g. 20Gi"
	// +optional
	VolumeSize *resource.Quantity `json:"volumeSize,omitempty"`
	// VolumeType is standard, io1, io2, gp2, sc1, st1 or gp3. Default: that of the image's volume of this device, else gp2.
	// +kubebuilder:validation:Enum=standard;io1;io2;gp2;sc1;st1;gp3
	// +optional
	VolumeType *string `json:"volumeType,omitempty"`
}

// AWSNodeTemplateStatus is what the selectors found.
type AWSNodeTemplateStatus struct {
	// Subnets found, those with most free addresses first.
	// +optional
	Subnets []Subnet `json:"subnets,omitempty"`
	// SubnetCount is how many subnets were found.
	// +optional
	SubnetCount int32 `json:"subnetCount,omitempty"`
	// SecurityGroups found, by id.
	// +optional
	SecurityGroups []SecurityGroup `json:"securityGroups,omitempty"`
	// SecurityGroupCount is how many security groups were found.
	// +optional
	SecurityGroupCount int32 `json:"securityGroupCount,omitempty"`
	// AMIFamily in use.
	// +optional
	AMIFamily string `json:"amiFamily,omitempty"`
	// AMIs found, with the requirements that decide which instance types boot which.
	// +optional
	AMIs []AMI `json:"amis,omitempty"`
	// Conditions say whether machines can be launched from the template; Ready is the sum of the others.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// ObservedGeneration is the generation of the spec that this status is about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
}

// Subnet is a subnet that machines may be put into.
type Subnet struct {
	// ID of the subnet.
	ID string `json:"id"`
	// Zone of the subnet.
	Zone string `json:"zone"`
	// ZoneID names the zone in the same way in all accounts.
	// +optional
	ZoneID string `json:"zoneID,omitempty"`
	// NoPublicIP is true of a subnet that gives instances no public address. Where that is so of all, machines are launched
	// with the express wish for none, as policies of some organizations demand.
	// +optional
	NoPublicIP bool `json:"noPublicIP,omitempty"`
}

// SecurityGroup is a security group that machines get.
type SecurityGroup struct {
	// ID of the group.
	ID string `json:"id"`
	// Name of the group.
	// +optional
	Name string `json:"name,omitempty"`
}

// AMI is a machine image and the machines that it is for.
type AMI struct {
	// ID of the image.
	ID string `json:"id"`
	// Name of the image.
	// +optional
	Name string `json:"name,omitempty"`
	// Requirements of an instance type that boots this image.
	// +listType=atomic
	// +optional
	Requirements []corev1.NodeSelectorRequirement `json:"requirements,omitempty"`
}

// AWSNodeTemplateList is a list of AWSNodeTemplates.
//
// +kubebuilder:object:root=true
type AWSNodeTemplateList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []AWSNodeTemplate `json:"items"`
}
