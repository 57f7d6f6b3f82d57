package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/test/environment"
)

const (
	// fleetBudget is how many calls of CreateFleet identical machines may need, a thousand of them too.
	fleetBudget = 20
	// memoryBudget is the most that the controller may have resident, in bytes.
	memoryBudget = 300 * 1_000_000
	// lookPeriod is how often the world is looked at; showPeriod how often that is printed.
	lookPeriod = time.Second
	showPeriod = 15 * time.Second
	// name is that of everything that the run makes.
	name = "scale"
	// emptySeconds is after how long without pods a node goes.
	emptySeconds = 5
)

// play runs the phases in a world of their own. It returns what was measured also when it fails.
func play(ctx context.Context, s settings) (r *report, err error) {
	ctrl.SetLogger(logr.Discard()) // what watches have to say helps nobody here
	world, err := environment.Start(ctx, environment.Options{Root: s.root, Directory: s.directory})
	if err != nil {
		return nil, fmt.Errorf("starting a world: %w", err)
	}
	defer func() { err = errors.Join(err, world.Stop()) }()
	r = &report{machines: s.machines}
	witness, err := newWitness(ctx, world)
	if err != nil {
		return r, err
	}
	for _, o := range []client.Object{template(world.ClusterName()), provisioner(), deployment(s.machines)} {
		if err := world.Client().Create(ctx, o); err != nil {
			return r, fmt.Errorf("creating %T: %w", o, err)
		}
	}
	m := &measurement{world: world, witness: witness, report: r, settings: s}
	defer m.finish()
	return r, errors.Join(m.run(ctx), world.Controller().Exited())
}

// run goes through the phases.
func (m *measurement) run(ctx context.Context) error {
	n := m.settings.machines
	if err := m.begin(ctx); err != nil {
		return err
	}
	for _, p := range []struct {
		name    string
		reached func(sight) bool
	}{
		{"planned", func(s sight) bool { return s.machines == n }},
		{"launched", func(s sight) bool { return s.launched == n }},
		{"registered", func(s sight) bool { return s.registered == n }},
		{"initialized", func(s sight) bool { return s.initialized == n }},
		{"pods run", func(s sight) bool { return s.running == n }},
	} {
		if err := m.phase(ctx, p.name, p.reached); err != nil {
			return err
		}
	}
	if err := m.scaleToNothing(ctx); err != nil {
		return err
	}
	if err := m.phase(ctx, "pods are gone", func(s sight) bool { return s.pods == 0 }); err != nil {
		return err
	}
	if err := m.phase(ctx, "nodes and instances are gone", sight.nothing); err != nil {
		return err
	}
	m.report.finished = true
	return nil
}

func (m *measurement) scaleToNothing(ctx context.Context) error {
	workload := deployment(0)
	if err := m.world.Client().Patch(ctx, workload, client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"replicas":0}}`))); err != nil {
		return fmt.Errorf("scaling to nothing: %w", err)
	}
	return nil
}

func template(clusterName string) *awsv1alpha1.AWSNodeTemplate {
	found := map[string]string{"karpenter.sh/discovery": clusterName}
	t := &awsv1alpha1.AWSNodeTemplate{ObjectMeta: metav1.ObjectMeta{Name: name}}
	t.Spec.SubnetSelector, t.Spec.SecurityGroupSelector = found, found
	return t
}

func provisioner() *v1alpha5.Provisioner {
	seconds := int64(emptySeconds)
	return &v1alpha5.Provisioner{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha5.ProvisionerSpec{
		ProviderRef: &v1alpha5.TemplateReference{Name: name}, TTLSecondsAfterEmpty: &seconds,
	}}
}

// deployment asks for pods of which no two may share a node.
func deployment(replicas int) *appsv1.Deployment {
	labels := map[string]string{"app": name}
	count, grace := int32(replicas), int64(0)
	return &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"}, Spec: appsv1.DeploymentSpec{
		Replicas: &count, Selector: &metav1.LabelSelector{MatchLabels: labels},
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{
			TerminationGracePeriodSeconds: &grace,
			Affinity: &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{
				RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{
					LabelSelector: &metav1.LabelSelector{MatchLabels: labels}, TopologyKey: corev1.LabelHostname,
				}},
			}},
			Containers: []corev1.Container{{Name: "pause", Image: "pause", Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
				corev1.ResourceCPU: resource.MustParse("500m"), corev1.ResourceMemory: resource.MustParse("1Gi"),
			}}}},
		}},
	}}
}
