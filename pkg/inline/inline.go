// Package inline is the node template that stands for spec.provider of a Provisioner: what is in it, and whose it is.
package inline

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

// Wanted reports whether the Provisioner describes its machines itself. One that names a template too is not asked twice.
func Wanted(provisioner *v1alpha5.Provisioner) bool {
	return provisioner.Spec.Provider != nil && provisioner.Spec.ProviderRef == nil
}

// Template returns the template of a Provisioner that describes its machines itself. The error is about what spec.provider says.
//
// Machines name this template like any other, so that they need no copy of spec.provider in an annotation.
func Template(provisioner *v1alpha5.Provisioner) (*awsv1alpha1.AWSNodeTemplate, error) {
	raw := provisioner.Spec.Provider.Raw
	// Admission checks this too, but is not there in every cluster.
	if err := awsv1alpha1.ValidateProvider(raw, field.NewPath("spec", "provider")).ToAggregate(); err != nil {
		return nil, err
	}
	spec, err := awsv1alpha1.DecodeProvider(raw)
	if err != nil {
		return nil, err
	}
	owner := metav1.NewControllerRef(provisioner, v1alpha5.GroupVersion().WithKind("Provisioner"))
	owner.BlockOwnerDeletion = nil // nothing has to wait for the template
	return &awsv1alpha1.AWSNodeTemplate{
		ObjectMeta: metav1.ObjectMeta{
			Name: v1alpha5.InlineTemplateName(provisioner.Name), Labels: map[string]string{v1alpha5.InlineProviderLabel: "true"},
			OwnerReferences: []metav1.OwnerReference{*owner},
		},
		Spec: *spec,
	}, nil
}

// Owns reports whether the template was made for the Provisioner: for this very one, not for another that had its name before.
func Owns(provisioner *v1alpha5.Provisioner, template *awsv1alpha1.AWSNodeTemplate) bool {
	return metav1.IsControlledBy(template, provisioner)
}

// Obstacle is why machines cannot be launched from spec.provider.
type Obstacle struct {
	// Reason for a condition; "" is no obstacle.
	Reason, Message string
	// Passing is true of an obstacle that kerf itself is about to clear away.
	Passing bool
}

// whyNotYet is where to look when what is passing does not pass: of failures to write only their writer knows.
const whyNotYet = "if it stays so, an event of the Provisioner tells why"

// Between returns what stands between a Provisioner and the template that it uses, nil where there is none, as far as that is
// about spec.provider. Whether the template is ready is another question.
func Between(provisioner *v1alpha5.Provisioner, template *awsv1alpha1.AWSNodeTemplate) Obstacle {
	switch {
	case provisioner.Spec.Provider == nil:
		return Obstacle{}
	case !Wanted(provisioner):
		return Obstacle{Reason: v1alpha5.ReasonProviderInvalid, Message: "spec.provider and spec.providerRef exclude each other: remove one of the two"}
	}
	wanted, err := Template(provisioner)
	switch {
	case err != nil:
		return Obstacle{Reason: v1alpha5.ReasonProviderInvalid, Message: err.Error()}
	case template == nil:
		return Obstacle{Reason: v1alpha5.ReasonTemplateMissing, Passing: true, Message: fmt.Sprintf(
			"AWSNodeTemplate %q is being made from spec.provider; %s", wanted.Name, whyNotYet)}
	case !Owns(provisioner, template):
		return Obstacle{Reason: v1alpha5.ReasonTemplateConflict, Message: fmt.Sprintf(
			"AWSNodeTemplate %q, whose name spec.provider needs, belongs to somebody else: delete it, or name an AWSNodeTemplate in spec.providerRef", wanted.Name)}
	case !equality.Semantic.DeepEqual(wanted.Spec, template.Spec):
		return Obstacle{Reason: v1alpha5.ReasonTemplateNotReady, Passing: true, Message: fmt.Sprintf(
			"AWSNodeTemplate %q is being brought up to spec.provider; %s", wanted.Name, whyNotYet)}
	default:
		return Obstacle{}
	}
}
