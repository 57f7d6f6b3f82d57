// Package admission says what kerf adds to the objects of its users and what it refuses of them: the rules of both APIs together.
package admission

import (
	"github.com/samber/lo"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

// Default adds the requirements that a Provisioner has when it says nothing of them. The webhook writes them into the
// object, and kerf adds them again when it reads: where there is no webhook, a Provisioner means the same.
func Default(p *v1alpha5.Provisioner) {
	p.SetDefaults()
	keys := lo.Map(p.Spec.Requirements, func(r v1alpha5.Requirement, _ int) string { return v1alpha5.NormalizeLabel(r.Key) })
	for _, r := range awsv1alpha1.DefaultRequirements(keys) {
		p.Spec.Requirements = append(p.Spec.Requirements, v1alpha5.Requirement{
			Key: r.Key, Operator: r.Operator, Values: r.Values,
		})
	}
}
