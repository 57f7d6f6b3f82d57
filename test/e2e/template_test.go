package e2e

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/test/awssim/admin"
	"github.com/kerf-autoscaler/kerf/test/kubelets"
)

// configured is a kubelet configuration of which every part differs from what kubelets do by themselves.
// Machines that have drifted stay.
func configured(s *v1alpha5.ProvisionerSpec) {
	s.Disruption = &v1alpha5.Disruption{Budgets: []v1alpha5.Budget{{
		Nodes: new("0"), Reasons: []v1alpha5.DisruptionReason{v1alpha5.DisruptionDrifted},
	}}}
	s.KubeletConfiguration = &v1alpha5.KubeletConfiguration{
		ClusterDNS: []string{"10.0.0.53"}, ContainerRuntime: new("containerd"), MaxPods: new(int32(20)), PodsPerCore: new(int32(10)),
		SystemReserved: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m")},
		KubeReserved:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("700Mi")},
		EvictionHard:   map[string]string{"memory.available": "200Mi"},
		EvictionSoft:   map[string]string{"memory.available": "10%"}, EvictionSoftGracePeriod: map[string]metav1.Duration{"memory.available": {Duration: time.Minute}},
		EvictionMaxPodGracePeriod: new(int32(60)), ImageGCHighThresholdPercent: new(int32(70)), ImageGCLowThresholdPercent: new(int32(60)),
		CPUCFSQuota: new(false),
	}
}

// statement is a template that states all that it can, in the way of an AMI family.
type statement struct {
	family, device string
	// own is the user's own part of the user data, and kept what of it has to be found there.
	own, kept string
	// podsPerCore is what the image knows of that bound.
	podsPerCore int32
}

func (s statement) name() string { return "stated-" + strings.ToLower(s.family) }

// honoursTemplates has nodes be all that their template and their provisioner say, on images that are told in different ways.
func (w *world) honoursTemplates(t *testing.T) {
	statements := []statement{
		{awsv1alpha1.AMIFamilyAL2023, "/dev/xvda", "#!/bin/bash\necho mine\n", "echo mine", 10},
		{awsv1alpha1.AMIFamilyUbuntu, "/dev/sda1", "#cloud-config\npackages: [jq]\n", "packages: [jq]", 10},
		{awsv1alpha1.AMIFamilyBottlerocket, "/dev/xvdb", "[settings.kernel.sysctl]\n\"vm.max_map_count\" = \"262144\"\n", "262144", 0},
	}
	for _, s := range statements {
		w.create(t, w.stated(s), provisioner(s.name(), configured), workload(s.name(), 1, "1"))
	}
	for _, s := range statements {
		w.awaitRunning(t, s.name(), 1)
		w.checkInstance(t, s)
		w.checkCapacity(t, s.name())
		w.checkDrift(t, s.name())
		w.delete(t, workload(s.name(), 0, "0"), provisioner(s.name()))
	}
	for _, s := range statements {
		w.end(t, s.name())
	}
}

func (w *world) stated(s statement) *awsv1alpha1.AWSNodeTemplate {
	template := w.template(s.name())
	template.Spec.AMIFamily, template.Spec.UserData = s.family, s.own
	template.Spec.Tags, template.Spec.DetailedMonitoring, template.Spec.Context = map[string]string{"team": "a"}, new(true), "context-1"
	template.Spec.MetadataOptions = &awsv1alpha1.MetadataOptions{HTTPTokens: new("required"), HTTPPutResponseHopLimit: new(int64(3))}
	template.Spec.BlockDeviceMappings = []awsv1alpha1.BlockDeviceMapping{{
		DeviceName: &s.device, EBS: &awsv1alpha1.BlockDevice{VolumeSize: new(resource.MustParse("50Gi")), VolumeType: new("gp3"), IOPS: new(int64(4000))},
	}}
	return template
}

// checkInstance looks at what EC2 has made of a template.
func (w *world) checkInstance(t *testing.T, s statement) {
	t.Helper()
	i := w.instances(s.name())[0]
	if want := (admin.MetadataOptions{HTTPTokens: "required", HopLimit: 3, HTTPEndpoint: "enabled", HTTPProtocolIPv6: "disabled"}); i.Metadata != want {
		t.Errorf("%s: metadata options %+v, want %+v", s.family, i.Metadata, want)
	}
	volume := i.Volumes[len(i.Volumes)-1]
	if volume.Device != s.device || volume.SizeGiB != 50 || volume.IOPS != 4000 {
		t.Errorf("%s: volumes %+v", s.family, i.Volumes)
	}
	if !i.Monitoring || i.Tags["team"] != "a" || i.VolumeTags["team"] != "a" {
		t.Errorf("%s: monitoring %t, tags %v, of volumes %v", s.family, i.Monitoring, i.Tags, i.VolumeTags)
	}
	for _, fleet := range w.AWS().Fleets() {
		if fleet.ID == i.FleetID && fleet.Context != "context-1" {
			t.Errorf("%s: context %q", s.family, fleet.Context)
		}
	}
	w.checkKubelet(t, s, i)
}

// checkKubelet reads the instance's user data as its image does.
func (w *world) checkKubelet(t *testing.T, s statement, instance admin.Instance) {
	t.Helper()
	userData, err := base64.StdEncoding.DecodeString(instance.UserData)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(userData), s.kept) {
		t.Errorf("%s: the user's own part is lost: %s", s.family, userData)
	}
	boot, err := kubelets.DecodeUserData(string(userData))
	if err != nil {
		t.Fatalf("%s: %v", s.family, err)
	}
	got, memory := boot.Kubelet, boot.Kubelet.KubeReserved.Values["memory"]
	if *got.MaxPods != 20 || got.PodsPerCore != s.podsPerCore || memory != "700Mi" || got.SystemReserved.Values["cpu"] != "100m" || got.EvictionHard.Values["memory.available"] != "200Mi" {
		t.Errorf("%s: kubelet settings %+v", s.family, got)
	}
	want := kubelets.UnseenSettings{
		ClusterDNS: []string{"10.0.0.53"}, EvictionSoft: map[string]string{"memory.available": "10%"},
		EvictionSoftGracePeriod: map[string]string{"memory.available": "1m0s"}, EvictionMaxPodGracePeriod: new(int32(60)),
		ImageGCHighThresholdPercent: new(int32(70)), ImageGCLowThresholdPercent: new(int32(60)), CPUCFSQuota: new(false),
	}
	if diff := cmp.Diff(want, got.Unseen); diff != "" {
		t.Errorf("%s: kubelet settings (-want +got):\n%s", s.family, diff)
	}
}

// checkCapacity compares what was planned with the node that came of it. Memory differs, as it does on real machines, and a
// file system takes a little of a volume.
func (w *world) checkCapacity(t *testing.T, provisioner string) {
	t.Helper()
	machines, err := w.machines(t.Context(), provisioner)
	if err != nil || len(machines) != 1 {
		t.Fatalf("%d machines, %v", len(machines), err)
	}
	planned := machines[0].Status.Allocatable
	var node corev1.Node
	if err := w.Client().Get(t.Context(), client.ObjectKey{Name: machines[0].Status.NodeName}, &node); err != nil {
		t.Fatal(err)
	}
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourcePods} {
		if want, got := planned[name], node.Status.Allocatable[name]; want.Cmp(got) != 0 {
			t.Errorf("%s: planned with %s %s, the node has %s", provisioner, want.String(), name, got.String())
		}
	}
	const slack = 64 << 20
	want, got := planned[corev1.ResourceEphemeralStorage], node.Status.Allocatable[corev1.ResourceEphemeralStorage]
	if want.Value()-got.Value() > slack || want.Value() < 40<<30 {
		t.Errorf("%s: planned with %s of storage, the node has %s", provisioner, want.String(), got.String())
	}
}

// inlineProvider is what a Provisioner says that describes its machines itself.
func (w *world) inlineProvider(team string) *runtime.RawExtension {
	return &runtime.RawExtension{Raw: fmt.Appendf(nil, `{
		"apiVersion": "extensions.karpenter.sh/v1alpha1", "kind": "AWS",
		"subnetSelector": {"karpenter.sh/discovery": %[1]q}, "securityGroupSelector": {"karpenter.sh/discovery": %[1]q}, "tags": {"team": %[2]q}
	}`, w.ClusterName(), team)}
}

// launchesFromInlineProviders has a Provisioner of the old kind get nodes, follow a change, and leave nothing behind.
func (w *world) launchesFromInlineProviders(t *testing.T) {
	const name = "inline"
	p := provisioner(name, func(s *v1alpha5.ProvisionerSpec) { s.ProviderRef, s.Provider = nil, w.inlineProvider("a") })
	w.create(t, p, workload(name, 1, "1"))
	w.awaitProvisioner(t, name, v1alpha5.ConditionReady, metav1.ConditionTrue, "")
	w.awaitRunning(t, name, 1)
	if got := w.instances(name)[0]; got.Tags["team"] != "a" {
		t.Errorf("tags %v", got.Tags)
	}
	template := &awsv1alpha1.AWSNodeTemplate{ObjectMeta: metav1.ObjectMeta{Name: v1alpha5.InlineTemplateName(name)}}
	w.change(t, p, func() { p.Spec.Provider = w.inlineProvider("b") })
	w.await(t, "the template to follow spec.provider", func(ctx context.Context) error {
		if err := w.Client().Get(ctx, client.ObjectKeyFromObject(template), template); err != nil {
			return err
		}
		if diff := cmp.Diff(map[string]string{"team": "b"}, template.Spec.Tags); diff != "" {
			return fmt.Errorf("its tags (-want +got):\n%s", diff)
		}
		return nil
	})
	w.create(t, w.template(name))
	w.change(t, p, func() { p.Spec.Provider, p.Spec.ProviderRef = nil, &v1alpha5.TemplateReference{Name: name} })
	w.await(t, "the template to go when the Provisioner names another", func(ctx context.Context) error {
		if err := w.Client().Get(ctx, client.ObjectKeyFromObject(template), template); !apierrors.IsNotFound(err) {
			return errors.Join(errors.New("it is there"), err)
		}
		return nil
	})
	w.end(t, name)
}

// change changes a Provisioner as it is now.
func (w *world) change(t *testing.T, p *v1alpha5.Provisioner, change func()) {
	t.Helper()
	w.await(t, "provisioner "+p.Name+" to be changed", func(ctx context.Context) error {
		if err := w.Client().Get(ctx, client.ObjectKeyFromObject(p), p); err != nil {
			return err
		}
		change()
		return w.Client().Update(ctx, p)
	})
}
