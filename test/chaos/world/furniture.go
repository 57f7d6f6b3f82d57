package world

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	simulated "github.com/kerf-autoscaler/kerf/test/awssim/world"
	"github.com/kerf-autoscaler/kerf/test/builders"
	"github.com/kerf-autoscaler/kerf/test/chaos/history"
)

const (
	tagClusterUID = awsv1alpha1.TagClusterUID
	// provisionerName and templateName are those of the one that there is.
	provisionerName, templateName = "default", "default"
	discoveryTag                  = "karpenter.sh/discovery"
	// shapeLabel is on pods: the kind of machine that they want.
	shapeLabel = "shape"
	// coresPerMachine is what all instance types have.
	coresPerMachine = 2
)

// furnish puts into the world what users put there.
func (w *World) furnish() error {
	if err := w.plantForeign(); err != nil {
		return err
	}
	w.actors.create(byUser, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: metav1.NamespaceDefault}})
	w.actors.create(byUser, &awsv1alpha1.AWSNodeTemplate{
		ObjectMeta: metav1.ObjectMeta{Name: templateName},
		Spec: awsv1alpha1.AWSNodeTemplateSpec{
			SubnetSelector: map[string]string{discoveryTag: clusterName}, SecurityGroupSelector: map[string]string{discoveryTag: clusterName},
			AMIFamily: "AL2023",
		},
	})
	modifiers := []builders.ProvisionerModifier{
		builders.Requirement(v1alpha5.CapacityTypeLabel, corev1.NodeSelectorOpIn, v1alpha5.CapacityTypeSpot, v1alpha5.CapacityTypeOnDemand),
		builders.TTLAfterEmpty(w.plan.ttl()),
	}
	if w.plan.Limit > 0 {
		modifiers = append(modifiers, builders.Limit(corev1.ResourceCPU, fmt.Sprint(w.plan.Limit*coresPerMachine)))
	}
	provisioner := builders.Provisioner(provisionerName, modifiers...)
	provisioner.Spec.ProviderRef.Name = templateName
	w.actors.create(byUser, provisioner)
	w.actors.create(byUser, &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Name: "budget", Namespace: metav1.NamespaceDefault},
		Spec: policyv1.PodDisruptionBudgetSpec{
			MaxUnavailable: new(intstr.FromInt32(4)),
			Selector:       &metav1.LabelSelector{MatchLabels: map[string]string{shapeLabel: "0"}},
		},
	})
	w.recordWrites(0)
	return w.failed()
}

// shapes are the machines that pods ask for, by the labels of nodes. No machine is of two shapes, or pods would take each other's.
func shapes() []map[string]string {
	return []map[string]string{
		{v1alpha5.CapacityTypeLabel: v1alpha5.CapacityTypeSpot},
		{v1alpha5.CapacityTypeLabel: v1alpha5.CapacityTypeOnDemand, corev1.LabelTopologyZone: region + "a"},
		{v1alpha5.CapacityTypeLabel: v1alpha5.CapacityTypeOnDemand, corev1.LabelTopologyZone: region + "b"},
	}
}

// own makes as many pods as are wanted.
func (a *actors) own() {
	if a.stopped {
		return
	}
	there := map[string]bool{}
	each(a, "Pod", func(pod *corev1.Pod) { there[pod.Name] = true })
	for shape := range a.w.plan.Shapes {
		for place := range a.wanted[shape] {
			// As those of a StatefulSet: who comes after a pod has its name.
			if name := podName(shape, place); !there[name] {
				a.made++
				a.create(byOwner, newPod(name, a.made, shape))
			}
		}
	}
}

func podName(shape, place int) string { return fmt.Sprintf("shape-%d-%d", shape, place) }

// newPod returns a pod that fills a machine. No two ask for quite the same: machines for pods that are alike would be alike until
// they have names, and nobody could say which of them was made first.
func newPod(name string, number, shape int) *corev1.Pod {
	pod := builders.Pod(
		builders.Name(name), builders.CPU("1500m"), builders.Memory(fmt.Sprintf("%dKi", 256<<10+number)),
		builders.Labels(map[string]string{shapeLabel: fmt.Sprint(shape)}), builders.NodeSelector(shapes()[shape]),
		builders.OwnedBy("apps/v1", "StatefulSet", fmt.Sprint("shape-", shape)),
	)
	pod.Spec.TerminationGracePeriodSeconds = new(int64(5))
	pod.Status.Conditions = nil
	pod.UID = ""
	return pod
}

// limit returns a limit of so many machines.
func limit(machines int) *v1alpha5.Limits {
	return &v1alpha5.Limits{Resources: corev1.ResourceList{
		corev1.ResourceCPU: *resource.NewQuantity(int64(machines*coresPerMachine), resource.DecimalSI),
	}}
}

// plantForeign makes instances of another cluster of the same name: kerf must not touch them, whatever it sees.
func (w *World) plantForeign() error {
	aws := w.sim.World()
	image := ""
	for _, i := range aws.Images() {
		if i.Architecture == "x86_64" && i.Platform == "" {
			image = i.ID
			break
		}
	}
	if _, err := aws.CreateLaunchTemplate(simulated.NewLaunchTemplate{Name: "foreign", Data: simulated.LaunchTemplateData{ImageID: image}}); err != nil {
		return fmt.Errorf("making another cluster's launch template: %w", err)
	}
	request := simulated.FleetRequest{
		Type: "instant", Target: simulated.TargetCapacity{Total: 2, DefaultType: "on-demand"},
		LaunchTemplateConfigs: []simulated.FleetTemplateConfig{{
			Template:  simulated.TemplateReference{Name: "foreign", Version: "$Latest"},
			Overrides: []simulated.FleetOverride{{InstanceType: instanceTypes()[0], SubnetID: aws.Subnets()[0].ID}},
		}},
		TagSpecifications: []simulated.TagSpecification{{ResourceType: "instance", Tags: []simulated.Tag{
			{Key: awsv1alpha1.TagClusterPrefix + clusterName, Value: "owned"}, {Key: awsv1alpha1.TagClusterUID, Value: foreignUID},
			{Key: v1alpha5.ProvisionerNameLabel, Value: provisionerName},
		}}},
	}
	fleet, err := aws.CreateFleet(request)
	if err == nil && fleet.Fulfilled() != request.Target.Total {
		err = fmt.Errorf("it has %d instances: %v", fleet.Fulfilled(), fleet.Errors)
	}
	if err != nil {
		return fmt.Errorf("making another cluster's instances: %w", err)
	}
	w.recordCall(0, &history.Call{By: "another cluster", Action: "CreateFleet"})
	return nil
}
