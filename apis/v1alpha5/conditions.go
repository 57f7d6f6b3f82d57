package v1alpha5

// ConditionReady is the root condition of every kind: true when all the conditions below it are.
const ConditionReady = "Ready"

// Conditions of a Machine; each is written by the file of the lifecycle that carries its name.
const (
	// ConditionLaunched is true once an instance exists and its id is recorded.
	ConditionLaunched = "Launched"
	// ConditionRegistered is true once the instance's Node carries the machine's labels, taints and owner.
	ConditionRegistered = "Registered"
	// ConditionInitialized is true once the Node is ready for ordinary pods.
	ConditionInitialized = "Initialized"
	// ConditionEmpty is true while no pod but those of DaemonSets and of the node itself runs on the Node.
	ConditionEmpty = "Empty"
	// ConditionExpired is true once the machine has lived for as long as its Provisioner lets machines live.
	ConditionExpired = "Expired"
	// ConditionDrifted is true while the machine is not what its Provisioner and its template ask for; its reason and message say in
	// what. It is unknown while something is amiss that may pass.
	ConditionDrifted = "Drifted"
	// ConditionDisrupting is true once it is decided that the machine goes; its reason and message say why.
	ConditionDisrupting = "Disrupting"
	// ConditionDisruptable is false while something keeps the machine that might have gone; its reason and message say what.
	ConditionDisruptable = "Disruptable"
	// ConditionDrained is true once nothing is left on the Node of a machine that goes; it is false while a pod or a budget keeps
	// the drain from its end, which the message names.
	ConditionDrained = "Drained"
	// ConditionVolumesDetached is true once no volume is attached to the Node that a drained pod has used.
	ConditionVolumesDetached = "VolumesDetached"
	// ConditionTerminated is true once the cloud provider no longer knows the instance.
	ConditionTerminated = "Terminated"
)

// Conditions of a Provisioner, besides the root.
const (
	// ConditionSpecValid is true when the spec is one that admission accepts.
	ConditionSpecValid = "SpecValid"
	// ConditionTemplateReady is true when the node template that the Provisioner names exists and is usable.
	ConditionTemplateReady = "TemplateReady"
	// ConditionWithinLimits is true while launched capacity is below spec.limits.
	ConditionWithinLimits = "WithinLimits"
	// ConditionMachinesUsable is false while two machines or more in a row came to nothing, which makes the next ones wait. It is no
	// part of the root: other pods may still get machines.
	ConditionMachinesUsable = "MachinesUsable"
	// ConditionRolloutProceeding is false while drifted machines stay because the last machine that was made from what the Provisioner and its
	// template say now came to nothing. It is no part of the root.
	ConditionRolloutProceeding = "RolloutProceeding"
)

// Reasons that conditions and events carry.
const (
	ReasonLaunched             = "Launched"
	ReasonAwaitingGroup        = "AwaitingLaunchGroup"
	ReasonAwaitingAnswer       = "AwaitingFleetAnswer"
	ReasonLaunchFailed         = "LaunchFailed"
	ReasonInsufficientCapacity = "InsufficientCapacity"
	ReasonCloudUnavailable     = "CloudUnavailable"
	ReasonNodeNotFound         = "NodeNotFound"
	ReasonMultipleNodes        = "MultipleNodesFound"
	ReasonRegistered           = "Registered"
	ReasonNotRegistered        = "NotRegistered"
	ReasonNotLaunched          = "NotLaunched"
	ReasonNodeNotReady         = "NodeNotReady"
	ReasonStartupTaints        = "StartupTaintsExist"
	ReasonEphemeralTaints      = "KnownEphemeralTaintsExist"
	ReasonResourceMissing      = "ResourceNotRegistered"
	ReasonInitialized          = "Initialized"
	ReasonEmpty                = "Empty"
	ReasonNotEmpty             = "NotEmpty"
	ReasonExpired              = "Expired"
	ReasonProvisionerDrifted   = "ProvisionerDrifted"
	ReasonRequirementsDrifted  = "RequirementsDrifted"
	ReasonNodeTemplateDrifted  = "NodeTemplateDrifted"
	ReasonAMIDrifted           = "AMIDrifted"
	ReasonSubnetDrifted        = "SubnetDrifted"
	ReasonSecurityGroupDrifted = "SecurityGroupDrifted"
	ReasonInstanceTypeNotFound = "InstanceTypeNotFound"
	ReasonHeld                 = "Held"
	ReasonReplacementFailed    = "ReplacementFailed"
	ReasonOvertaken            = "Overtaken"
	ReasonCanaryFailed         = "CanaryFailed"
	ReasonProceeding           = "Proceeding"
	ReasonDraining             = "Draining"
	ReasonDrained              = "Drained"
	ReasonDrainBlocked         = "DrainBlocked"
	ReasonGracePeriodOver      = "TerminationGracePeriodOver"
	ReasonInstanceGone         = "InstanceGone"
	ReasonNodeNotReachable     = "NodeNotReachable"
	ReasonDetaching            = "VolumesDetaching"
	ReasonDetached             = "VolumesDetached"
	ReasonTerminating          = "Terminating"
	ReasonTerminationFailed    = "TerminationFailed"
	ReasonTakenAway            = "TakenAway"
	ReasonStopped              = "Stopped"
	ReasonTerminated           = "Terminated"
	ReasonReady                = "Ready"
	ReasonSpecValid            = "Valid"
	ReasonSpecInvalid          = "Invalid"
	ReasonTemplateMissing      = "TemplateNotFound"
	ReasonTemplateNotReady     = "TemplateNotReady"
	ReasonLimitReached         = "LimitReached"
	ReasonWithinLimits         = "WithinLimits"
	ReasonUsable               = "Usable"
	ReasonNeverJoined          = "NeverJoined"
	ReasonNodeDeleted          = "NodeDeleted"
	ReasonNeverReady           = "NeverReady"
	ReasonPodsStayedAway       = "PodsStayedAway"
)
