package v1alpha5

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// InlineProviderLabel is "true" on node templates that kerf makes from spec.provider of a Provisioner.
const InlineProviderLabel = "karpenter.sh/inline-provider"

// Reasons that Provisioners with a spec.provider carry besides the usual ones.
const (
	ReasonProviderInvalid  = "ProviderInvalid"
	ReasonTemplateConflict = "TemplateConflict"
)

// inlineSuffix ends the names of those templates.
const inlineSuffix = ".inline"

// InlineTemplateName returns the name of the node template that kerf makes from spec.provider of a Provisioner. It follows from
// the Provisioner's name, cut where it would become too long.
func InlineTemplateName(provisioner string) string {
	const longest = validation.DNS1123SubdomainMaxLength - len(inlineSuffix)
	if len(provisioner) <= longest {
		return provisioner + inlineSuffix
	}
	sum := sha256.Sum256([]byte(provisioner))
	hash := hex.EncodeToString(sum[:8])
	return strings.TrimRight(provisioner[:longest-len(hash)-1], "-.") + "-" + hash + inlineSuffix
}
