package e2e

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

// template returns a node template that finds the subnets and groups of the world's cluster.
func (w *world) template(name string) *awsv1alpha1.AWSNodeTemplate {
	discovery := map[string]string{"karpenter.sh/discovery": w.ClusterName()}
	return &awsv1alpha1.AWSNodeTemplate{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       awsv1alpha1.AWSNodeTemplateSpec{SubnetSelector: discovery, SecurityGroupSelector: discovery},
	}
}

// provisioner returns a Provisioner of spot capacity on the template of the same name.
func provisioner(name string, changes ...func(*v1alpha5.ProvisionerSpec)) *v1alpha5.Provisioner {
	p := &v1alpha5.Provisioner{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1alpha5.ProvisionerSpec{
			Requirements: []v1alpha5.Requirement{
				{Key: v1alpha5.CapacityTypeLabel, Operator: corev1.NodeSelectorOpIn, Values: []string{v1alpha5.CapacityTypeSpot}},
			},
			ProviderRef: &v1alpha5.TemplateReference{Name: name},
		},
	}
	for _, change := range changes {
		change(&p.Spec)
	}
	return p
}

func limitCPU(quantity string) func(*v1alpha5.ProvisionerSpec) {
	return func(s *v1alpha5.ProvisionerSpec) {
		s.Limits = &v1alpha5.Limits{Resources: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(quantity)}}
	}
}

func taint(key string) func(*v1alpha5.ProvisionerSpec) {
	return func(s *v1alpha5.ProvisionerSpec) {
		s.Taints = []v1alpha5.Taint{{Key: key, Effect: corev1.TaintEffectNoSchedule}}
	}
}

// workload returns a Deployment whose pods ask for CPU and run only on nodes of the provisioner that has the same name.
func workload(name string, replicas int32, cpu string) *appsv1.Deployment {
	labels := map[string]string{"app": name}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: name},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{
					NodeSelector:                  map[string]string{v1alpha5.ProvisionerNameLabel: name},
					TerminationGracePeriodSeconds: new(int64),
					Containers: []corev1.Container{{
						Name: "main", Image: "registry.example/pause",
						Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)}},
					}},
				},
			},
		},
	}
}

// serve creates a template, a provisioner and a workload, all of one name.
func (w *world) serve(t *testing.T, p *v1alpha5.Provisioner, d *appsv1.Deployment) {
	t.Helper()
	w.create(t, w.template(p.Name), p, d)
}

// end deletes the workload, the provisioner and the template of a name and waits until nothing of them is left. The template
// goes last: until then kerf may need it.
func (w *world) end(t *testing.T, name string) {
	t.Helper()
	w.delete(t, workload(name, 0, "0"), provisioner(name))
	w.awaitClean(t, name)
	w.delete(t, w.template(name))
}
