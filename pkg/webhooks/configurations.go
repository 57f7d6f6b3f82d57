package webhooks

// Names of the webhook configurations. Tools that came with earlier versions of these APIs look for them.
const (
	// ConfigurationDefaulting calls PathDefaultProvisioners and PathDefaultAWSNodeTemplates.
	ConfigurationDefaulting = "defaulting.webhook.karpenter.k8s.aws"
	// ConfigurationProvisioners calls PathValidateProvisioners.
	ConfigurationProvisioners = "validation.webhook.karpenter.sh"
	// ConfigurationAWSNodeTemplates calls PathValidateAWSNodeTemplates.
	ConfigurationAWSNodeTemplates = "validation.webhook.karpenter.k8s.aws"
)
