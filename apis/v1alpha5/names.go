package v1alpha5

// Names for strings that obey a rule. They are aliases: the schema has the rule, the code has strings. The rule says how long
// one may be; a MaxLength bounds the cost of the rule, and is above it so that the API server still tells all other mistakes.
type (
	// QualifiedName is a name that may have a domain and a slash before it, such as the key of a label.
	//
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule=`self.matches('^([a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)*/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$') && self.indexOf('/') <= 253`,message="must be a name of at most 63 letters, digits, '-', '_' and '.', a letter or digit first and last, with a domain and '/' before it if need be, e.g. example.com/team"
	QualifiedName = string

	// LabelValue can be the value of a label.
	//
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule=`self.matches('^([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$')`,message="must be at most 63 letters, digits, '-', '_' and '.', a letter or digit first and last"
	LabelValue = string

	// IPAddress can be the address of a server.
	//
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule=`self.matches('^[0-9A-Fa-f:.]{2,45}$')`,message="must be an IP address, e.g. 10.100.0.10"
	IPAddress = string

	// EvictionThreshold is a percentage from 0% to 100%, or a quantity.
	//
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule=`self.matches('^(0*(100([.]0*)?|[0-9]{1,2}([.][0-9]*)?|[.][0-9]+)%|[+]?([0-9]+([.][0-9]*)?|[.][0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]{1,2})?)$')`,message="must be a quantity, e.g. 500Mi, or a percentage from 0% to 100%"
	EvictionThreshold = string
)
