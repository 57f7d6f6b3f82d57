package drift_test

import (
	"reflect"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/drift"
)

const provisioner = `
annotations: {note: a}
labels: {team: a, tier: web}
taints:
- {key: dedicated, value: a, effect: NoSchedule}
- {key: dedicated, effect: NoExecute}
startupTaints:
- {key: cni, effect: NoExecute}
kubeletConfiguration:
  maxPods: 20
  cpuCFSQuota: false
  systemReserved: {cpu: 100m, memory: 1Gi}
  evictionSoftGracePeriod: {memory.available: 90s}
`

// ofProvisioner returns the hash of a spec after changes.
func ofProvisioner(t *testing.T, changes ...func(*v1alpha5.ProvisionerSpec)) string {
	t.Helper()
	p := &v1alpha5.Provisioner{}
	if err := yaml.UnmarshalStrict([]byte(provisioner), &p.Spec); err != nil {
		t.Fatal(err)
	}
	for _, change := range changes {
		change(&p.Spec)
	}
	hash, err := drift.ProvisionerHash(p)
	if err != nil {
		t.Fatal(err)
	}
	return hash
}

// A machine carries the hash of the version that made it: a value that changed with kerf's version would replace all nodes.
func TestHashesStayTheSameFromVersionToVersion(t *testing.T) {
	if got, want := ofProvisioner(t), "17225685504831662581"; got != want {
		t.Errorf("provisioner: %s, want %s", got, want)
	}
	if got, want := ofTemplate(t), "4372705820414794199"; got != want {
		t.Errorf("template: %s, want %s", got, want)
	}
	empty, err := drift.ProvisionerHash(&v1alpha5.Provisioner{})
	if want := "4905387166444775306"; err != nil || empty != want {
		t.Errorf("empty provisioner: %s, %v; want %s", empty, err, want)
	}
}

func TestTheSpellingOfAProvisionerDoesNotCount(t *testing.T) {
	for name, change := range map[string]func(*v1alpha5.ProvisionerSpec){
		"order of taints": func(s *v1alpha5.ProvisionerSpec) { s.Taints[0], s.Taints[1] = s.Taints[1], s.Taints[0] },
		"a unit": func(s *v1alpha5.ProvisionerSpec) {
			s.KubeletConfiguration.SystemReserved["memory"] = resource.MustParse("1024Mi")
		},
		"an empty map":       func(s *v1alpha5.ProvisionerSpec) { s.KubeletConfiguration.KubeReserved = corev1.ResourceList{} },
		"an empty list":      func(s *v1alpha5.ProvisionerSpec) { s.KubeletConfiguration.ClusterDNS = []string{} },
		"requirements":       func(s *v1alpha5.ProvisionerSpec) { s.Requirements = []v1alpha5.Requirement{{Key: "a"}} },
		"weight":             func(s *v1alpha5.ProvisionerSpec) { s.Weight = new(int32(3)) },
		"limits":             func(s *v1alpha5.ProvisionerSpec) { s.Limits = &v1alpha5.Limits{} },
		"a template":         func(s *v1alpha5.ProvisionerSpec) { s.ProviderRef = &v1alpha5.TemplateReference{Name: "b"} },
		"an inline template": func(s *v1alpha5.ProvisionerSpec) { s.Provider = &runtime.RawExtension{Raw: []byte("{}")} },
		"time after empty":   func(s *v1alpha5.ProvisionerSpec) { s.TTLSecondsAfterEmpty = new(int64(3)) },
		"time until expired": func(s *v1alpha5.ProvisionerSpec) { s.TTLSecondsUntilExpired = new(int64(3)) },
		"consolidation":      func(s *v1alpha5.ProvisionerSpec) { s.Consolidation = &v1alpha5.Consolidation{} },
		"budgets": func(s *v1alpha5.ProvisionerSpec) {
			s.Disruption = &v1alpha5.Disruption{Budgets: []v1alpha5.Budget{{Nodes: new("0")}}}
		},
		"a default of the kubelet": func(s *v1alpha5.ProvisionerSpec) {
			k := s.KubeletConfiguration
			k.ContainerRuntime, k.PodsPerCore, k.EvictionMaxPodGracePeriod = new("containerd"), new(int32(0)), new(int32(0))
			k.ImageGCHighThresholdPercent, k.ImageGCLowThresholdPercent = new(int32(85)), new(int32(80))
			k.EvictionHard = map[string]string{"memory.available": "102400Ki", "nodefs.available": "10%"}
		},
		"a runtime that is left open": func(s *v1alpha5.ProvisionerSpec) { s.KubeletConfiguration.ContainerRuntime = new("") },
		"the time of a taint":         func(s *v1alpha5.ProvisionerSpec) { s.Taints[0].TimeAdded = new(metav1.Unix(9, 0)) },
		"a grace period's form": func(s *v1alpha5.ProvisionerSpec) {
			s.KubeletConfiguration.EvictionSoftGracePeriod = map[string]metav1.Duration{"memory.available": {Duration: 90e9}}
		},
	} {
		if ofProvisioner(t, change) != ofProvisioner(t) {
			t.Errorf("%s: the hash differs", name)
		}
	}
}

func TestWhatAMachineCarriesOfItsProvisionerCounts(t *testing.T) {
	for name, change := range map[string]func(*v1alpha5.ProvisionerSpec){
		"an annotation":   func(s *v1alpha5.ProvisionerSpec) { s.Annotations["note"] = "b" },
		"a label":         func(s *v1alpha5.ProvisionerSpec) { delete(s.Labels, "tier") },
		"a taint":         func(s *v1alpha5.ProvisionerSpec) { s.Taints = s.Taints[:1] },
		"a taint's value": func(s *v1alpha5.ProvisionerSpec) { s.Taints[0].Value = "b" },
		"a startup taint": func(s *v1alpha5.ProvisionerSpec) { s.StartupTaints = nil },
		"a swap of the taint lists": func(s *v1alpha5.ProvisionerSpec) {
			s.Taints, s.StartupTaints = s.StartupTaints, s.Taints
		},
		"a flag that is no longer said":   func(s *v1alpha5.ProvisionerSpec) { s.KubeletConfiguration.CPUCFSQuota = nil },
		"a number":                        func(s *v1alpha5.ProvisionerSpec) { s.KubeletConfiguration.MaxPods = new(int32(0)) },
		"a flag that becomes the default": func(s *v1alpha5.ProvisionerSpec) { s.KubeletConfiguration.CPUCFSQuota = new(true) },
		"another runtime":                 func(s *v1alpha5.ProvisionerSpec) { s.KubeletConfiguration.ContainerRuntime = new("dockerd") },
		"a threshold": func(s *v1alpha5.ProvisionerSpec) {
			s.KubeletConfiguration.EvictionHard = map[string]string{"memory.available": "200Mi"}
		},
		"a threshold of a signal that has none": func(s *v1alpha5.ProvisionerSpec) {
			s.KubeletConfiguration.EvictionHard = map[string]string{"pid.available": "10%"}
		},
		"no kubelet configuration": func(s *v1alpha5.ProvisionerSpec) { s.KubeletConfiguration = nil },
	} {
		if ofProvisioner(t, change) == ofProvisioner(t) {
			t.Errorf("%s: the hash does not differ", name)
		}
	}
}

// ofTemplate returns the hash of a template with every field set, after changes.
func ofTemplate(t *testing.T, changes ...func(*awsv1alpha1.AWSNodeTemplateSpec)) string {
	t.Helper()
	object := &awsv1alpha1.AWSNodeTemplate{Spec: awsv1alpha1.AWSNodeTemplateSpec{
		APIVersion: "a", Kind: "k", SubnetSelector: map[string]string{"a": "b"}, SecurityGroupSelector: map[string]string{"a": "b"},
		AMISelector: map[string]string{"a": "b"}, AMIFamily: "AL2", InstanceProfile: "p", Context: "c", Tags: map[string]string{"a": "b"},
		LaunchTemplate: "l", MetadataOptions: &awsv1alpha1.MetadataOptions{HTTPTokens: new("optional")},
		BlockDeviceMappings: []awsv1alpha1.BlockDeviceMapping{
			{DeviceName: new("/dev/xvda"), EBS: &awsv1alpha1.BlockDevice{VolumeSize: new(resource.MustParse("20Gi"))}},
			{DeviceName: new("/dev/xvdb"), EBS: &awsv1alpha1.BlockDevice{VolumeType: new("gp3")}},
		},
		UserData: "u", DetailedMonitoring: new(true),
	}}
	for _, change := range changes {
		change(&object.Spec)
	}
	hash, err := drift.TemplateHash(object)
	if err != nil {
		t.Fatal(err)
	}
	return hash
}

func TestEveryFieldOfATemplateCountsButForWhatIsLookedUp(t *testing.T) {
	lookedUp := map[string]bool{
		"APIVersion": true, "Kind": true, "SubnetSelector": true, "SecurityGroupSelector": true, "AMISelector": true, "LaunchTemplate": true,
	}
	added := func(s *awsv1alpha1.AWSNodeTemplateSpec) { s.InstanceStorePolicy = "RAID0" } // since the hashes above were recorded
	spec := reflect.TypeFor[awsv1alpha1.AWSNodeTemplateSpec]()
	for i := range spec.NumField() {
		name := spec.Field(i).Name
		cleared := ofTemplate(t, added, func(s *awsv1alpha1.AWSNodeTemplateSpec) { reflect.ValueOf(s).Elem().Field(i).SetZero() })
		if counts := cleared != ofTemplate(t, added); counts == lookedUp[name] {
			t.Errorf("%s counts: %t", name, counts)
		}
	}
}

func TestTheSpellingOfATemplateDoesNotCount(t *testing.T) {
	for name, change := range map[string]func(*awsv1alpha1.AWSNodeTemplateSpec){
		"order of volumes": func(s *awsv1alpha1.AWSNodeTemplateSpec) {
			s.BlockDeviceMappings[0], s.BlockDeviceMappings[1] = s.BlockDeviceMappings[1], s.BlockDeviceMappings[0]
		},
		"unit of a size": func(s *awsv1alpha1.AWSNodeTemplateSpec) {
			s.BlockDeviceMappings[0].EBS.VolumeSize = new(resource.MustParse("20480Mi"))
		},
	} {
		if ofTemplate(t, change) != ofTemplate(t) {
			t.Errorf("%s: the hash differs", name)
		}
	}
}

func TestADefaultThatIsWrittenOutDoesNotCount(t *testing.T) {
	absent := ofTemplate(t, func(s *awsv1alpha1.AWSNodeTemplateSpec) { s.DetailedMonitoring = nil })
	stated := ofTemplate(t, func(s *awsv1alpha1.AWSNodeTemplateSpec) { s.DetailedMonitoring = new(false) })
	if absent != stated || absent == ofTemplate(t) {
		t.Errorf("detailedMonitoring absent: %s, false: %s, true: %s", absent, stated, ofTemplate(t))
	}
}

func TestHashingChangesNoSpec(t *testing.T) {
	p := &v1alpha5.Provisioner{}
	if err := yaml.UnmarshalStrict([]byte(provisioner), &p.Spec); err != nil {
		t.Fatal(err)
	}
	p.Spec.Taints[0].TimeAdded = new(metav1.Unix(9, 0))
	p.Spec.KubeletConfiguration.EvictionHard = map[string]string{"memory.available": "100Mi"}
	before := p.DeepCopy()
	if _, err := drift.ProvisionerHash(p); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(p, before) {
		t.Errorf("the spec is %+v, was %+v", p.Spec, before.Spec)
	}
}
