package v1alpha1

// Conditions of an AWSNodeTemplate, besides the root.
const (
	// ConditionSpecValid is true when the spec keeps the rules that admission checks too, and its user data can be merged.
	ConditionSpecValid = "SpecValid"
	// ConditionSubnetsReady is true when spec.subnetSelector finds a subnet.
	ConditionSubnetsReady = "SubnetsReady"
	// ConditionSecurityGroupsReady is true when spec.securityGroupSelector finds a security group.
	ConditionSecurityGroupsReady = "SecurityGroupsReady"
	// ConditionAMIsReady is true when an image is found: for the AMI family, by spec.amiSelector, or in spec.launchTemplate.
	ConditionAMIsReady = "AMIsReady"
	// ConditionInstanceProfileReady is true when the nodes' instance profile is named.
	ConditionInstanceProfileReady = "InstanceProfileReady"
	// ConditionPermissionsGranted is true when AWS would let kerf launch from the template and look after what it has launched.
	// Ready does not depend on it: what is found out by trials may be stricter than AWS is.
	ConditionPermissionsGranted = "PermissionsGranted"
	// ConditionMetadataProtected is true when instances give their metadata, and with it the credentials of their role, to those
	// alone who hold a token (IMDSv2). Ready does not depend on it: it is for the user to decide.
	ConditionMetadataProtected = "MetadataProtected"
)

// Reasons of those conditions.
const (
	ReasonResolved        = "Resolved"
	ReasonNoneFound       = "NoneFound"
	ReasonSelectorEmpty   = "SelectorEmpty"
	ReasonSelectorInvalid = "SelectorInvalid"
	ReasonCloudError      = "CloudError"
	ReasonNoImage         = "NoImage"
	// ReasonInvalid is about a spec that cannot mean anything.
	ReasonInvalid = "Invalid"
	// ReasonLaunchTemplate is about what the launch template decides that spec.launchTemplate names.
	ReasonLaunchTemplate = "LaunchTemplate"
	// ReasonUserData is about what the user's own user data decides, on images of the family Custom.
	ReasonUserData = "UserData"
	// ReasonDenied is about actions that AWS refuses.
	ReasonDenied = "Denied"
	// ReasonTokensOptional is about metadata that is given to whoever asks.
	ReasonTokensOptional = "TokensOptional"
	// ReasonManyHops is about tokens that reach further than pods of the node.
	ReasonManyHops = "ManyHops"
)
