package provisioning

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/drift"
)

// templateOf returns the template of a Provisioner, nil where there is none: its machines will not launch.
func templateOf(ctx context.Context, reader client.Reader, provisioner *v1alpha5.Provisioner) (*awsv1alpha1.AWSNodeTemplate, error) {
	template := &awsv1alpha1.AWSNodeTemplate{}
	err := reader.Get(ctx, client.ObjectKey{Name: provisioner.TemplateName()}, template)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("getting template of provisioner %s: %w", provisioner.Name, err)
	default:
		return template, nil
	}
}

// hashAnnotations returns the annotations by which a machine that is planned now is later told from what its Provisioner and
// its template have become. A template that changes between plan and launch makes the machine look out of date, which is the
// safe side: it is replaced once, instead of never.
func hashAnnotations(provisioner *v1alpha5.Provisioner, template *awsv1alpha1.AWSNodeTemplate) (map[string]string, error) {
	hash, err := drift.ProvisionerHash(provisioner)
	if err != nil {
		return nil, fmt.Errorf("hashing provisioner %s: %w", provisioner.Name, err)
	}
	out := map[string]string{v1alpha5.ProvisionerHashAnnotation: hash, v1alpha5.ProvisionerHashVersionAnnotation: drift.HashVersion}
	if template == nil {
		return out, nil
	}
	if hash, err = drift.TemplateHash(template); err != nil {
		return nil, fmt.Errorf("hashing template %s: %w", template.Name, err)
	}
	out[awsv1alpha1.AnnotationTemplateHash], out[awsv1alpha1.AnnotationTemplateHashVersion] = hash, drift.HashVersion
	return out, nil
}
