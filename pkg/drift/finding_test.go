package drift_test

import (
	"iter"
	"maps"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/admission"
	"github.com/kerf-autoscaler/kerf/pkg/drift"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

// accepted returns provisioners that admission accepts, made up from as many seeds as are given.
func accepted(seeds, stream uint64) iter.Seq2[uint64, *v1alpha5.Provisioner] {
	return func(yield func(uint64, *v1alpha5.Provisioner) bool) {
		for seed := range seeds {
			p := builders.RandomProvisioner(rand.New(rand.NewPCG(seed, stream)))
			defaulted := p.DeepCopy()
			admission.Default(defaulted)
			if len(admission.Provisioner(defaulted).Errors) == 0 && !yield(seed, p) {
				return
			}
		}
	}
}

// planned returns a machine as it is planned for a provisioner, with the labels given beside those that the plan settles.
func planned(t *testing.T, p *v1alpha5.Provisioner, labels map[string]string) *v1alpha5.Machine {
	t.Helper()
	hash, err := drift.ProvisionerHash(p)
	if err != nil {
		t.Fatal(err)
	}
	requirements := drift.Requirements(p)
	m := builders.Machine("m", p.Name)
	m.Annotations = map[string]string{v1alpha5.ProvisionerHashAnnotation: hash, v1alpha5.ProvisionerHashVersionAnnotation: drift.HashVersion}
	maps.Copy(m.Labels, requirements.Labels())
	maps.Copy(m.Labels, labels)
	m.Spec.Requirements = requirements.NodeSelectorRequirements()
	m.Spec.MachineTemplateRef = nil
	if name := p.TemplateName(); name != "" {
		m.Spec.MachineTemplateRef = &v1alpha5.TemplateReference{Name: name}
	}
	return m
}

func compared(t *testing.T, m *v1alpha5.Machine, p *v1alpha5.Provisioner) drift.Finding {
	t.Helper()
	before := p.DeepCopy()
	found, err := drift.FromProvisioner(m, p)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(before, p) {
		t.Fatal("the comparison has changed the provisioner")
	}
	if found.There() == (found.Message == "") {
		t.Errorf("a finding without words, or words without a finding: %+v", found)
	}
	return found
}

// behaviour are the fields that say what becomes of machines, and not what they are. Two provisioners that differ in these alone would
// make the same machines.
func behaviour() map[string]bool {
	return map[string]bool{
		"Weight": true, "Limits": true, "TTLSecondsAfterEmpty": true, "TTLSecondsUntilExpired": true, "Consolidation": true,
		"TerminationGracePeriod": true, "Disruption": true,
	}
}

func TestWhatBecomesOfMachinesIsNoDriftWhateverAProvisionerSaysOfIt(t *testing.T) {
	spec := reflect.TypeFor[v1alpha5.ProvisionerSpec]()
	tried := 0
	for seed, p := range accepted(2000, 7) {
		tried++
		other := builders.RandomProvisioner(rand.New(rand.NewPCG(seed, 9)))
		m := planned(t, p, nil)
		if found := compared(t, m, p); found.There() {
			t.Fatalf("seed %d: as it was planned it has drifted: %+v", seed, found)
		}
		for i := range spec.NumField() {
			if behaviour()[spec.Field(i).Name] {
				reflect.ValueOf(&p.Spec).Elem().Field(i).Set(reflect.ValueOf(other.Spec).Field(i))
			}
		}
		if found := compared(t, m, p); found.There() {
			t.Fatalf("seed %d: it has drifted: %+v", seed, found)
		}
	}
	if tried < 500 {
		t.Errorf("%d provisioners were tried", tried)
	}
}

// Each field of a provisioner is one of behaviour, or a change of it makes machines drift that were made before.
func TestEveryOtherFieldOfAProvisionerMakesMachinesDrift(t *testing.T) {
	changes := map[string]struct {
		change func(*v1alpha5.ProvisionerSpec)
		reason string
	}{
		"Annotations": {func(s *v1alpha5.ProvisionerSpec) { s.Annotations = map[string]string{"a": "new"} }, v1alpha5.ReasonProvisionerDrifted},
		"Labels":      {func(s *v1alpha5.ProvisionerSpec) { s.Labels = map[string]string{"a": "new"} }, v1alpha5.ReasonProvisionerDrifted},
		"Taints":      {func(s *v1alpha5.ProvisionerSpec) { s.Taints = taints("new") }, v1alpha5.ReasonProvisionerDrifted},
		"StartupTaints": {
			func(s *v1alpha5.ProvisionerSpec) { s.StartupTaints = taints("new") }, v1alpha5.ReasonProvisionerDrifted,
		},
		"KubeletConfiguration": {
			func(s *v1alpha5.ProvisionerSpec) {
				s.KubeletConfiguration = &v1alpha5.KubeletConfiguration{MaxPods: new(int32(11))}
			}, v1alpha5.ReasonProvisionerDrifted,
		},
		"Requirements": {
			func(s *v1alpha5.ProvisionerSpec) {
				s.Requirements = append(s.Requirements, v1alpha5.Requirement{Key: "new.example.com/a", Operator: corev1.NodeSelectorOpExists})
			}, v1alpha5.ReasonRequirementsDrifted,
		},
		"ProviderRef": {
			func(s *v1alpha5.ProvisionerSpec) { s.ProviderRef = &v1alpha5.TemplateReference{Name: "new"} }, v1alpha5.ReasonNodeTemplateDrifted,
		},
		"Provider": {
			func(s *v1alpha5.ProvisionerSpec) {
				s.ProviderRef, s.Provider = nil, &runtime.RawExtension{Raw: []byte("{}")}
			},
			v1alpha5.ReasonNodeTemplateDrifted,
		},
	}
	spec := reflect.TypeFor[v1alpha5.ProvisionerSpec]()
	for field := range spec.Fields() {
		name := field.Name
		tc, counts := changes[name]
		if counts == behaviour()[name] {
			t.Errorf("%s is in both lists or in none", name)
			continue
		}
		if !counts {
			continue
		}
		for seed, p := range accepted(200, 8) {
			p.Spec.Provider, p.Spec.ProviderRef = nil, &v1alpha5.TemplateReference{Name: "old"}
			m := planned(t, p, nil)
			tc.change(&p.Spec)
			if found := compared(t, m, p); found.Reason != tc.reason {
				t.Fatalf("%s, seed %d: it has drifted: %+v, want %s", name, seed, found, tc.reason)
			}
		}
	}
}

func taints(key string) []v1alpha5.Taint {
	return []v1alpha5.Taint{{Key: key, Effect: corev1.TaintEffectNoSchedule}}
}

func TestLabelsAreHeldAgainstRequirements(t *testing.T) {
	const zone, own, cpu = corev1.LabelTopologyZone, "example.com/team", awsv1alpha1.LabelInstanceCPU
	in, exists, gt := corev1.NodeSelectorOpIn, corev1.NodeSelectorOpExists, corev1.NodeSelectorOpGt
	for name, tc := range map[string]struct {
		made, now []builders.ProvisionerModifier
		labels    map[string]string
		drifted   string
	}{
		"the same":                     {labels: map[string]string{zone: "a"}},
		"a zone that is let in":        {now: one(zone, in, "a", "b"), labels: map[string]string{zone: "a"}},
		"a zone that is left out":      {now: one(zone, in, "b", "c"), labels: map[string]string{zone: "a"}, drifted: "zone"},
		"an old name of the zone":      {now: one("failure-domain.beta.kubernetes.io/zone", in, "b"), labels: map[string]string{zone: "a"}, drifted: "zone"},
		"more CPUs than it has":        {now: one(cpu, gt, "4"), labels: map[string]string{cpu: "4"}, drifted: cpu},
		"fewer CPUs than it has":       {now: one(cpu, gt, "3"), labels: map[string]string{cpu: "4"}},
		"another architecture":         {now: one(corev1.LabelArchStable, in, "arm64"), drifted: "arm64"},
		"a default that is said":       {now: one(corev1.LabelArchStable, in, "amd64")},
		"a default that comes back":    {made: one(v1alpha5.CapacityTypeLabel, in, "spot"), drifted: v1alpha5.CapacityTypeOnDemand},
		"a label that was left open":   {made: one(own, exists), now: one(own, exists)},
		"one that is narrowed down":    {made: one(own, in, "a", "b"), now: one(own, in, "a"), drifted: own},
		"one that is opened up":        {made: one(own, in, "a", "b"), now: one(own, in, "a", "b", "c")},
		"a new label":                  {now: one(own, exists), drifted: own},
		"a label that is not to be":    {now: one(own, corev1.NodeSelectorOpDoesNotExist)},
		"a label that it has not to":   {now: one(own, corev1.NodeSelectorOpDoesNotExist), labels: map[string]string{own: "a"}, drifted: own},
		"a value that it has not to":   {now: one(own, corev1.NodeSelectorOpNotIn, "a"), labels: map[string]string{own: "a"}, drifted: own},
		"a value that others have not": {now: one(own, corev1.NodeSelectorOpNotIn, "b"), labels: map[string]string{own: "a"}},
	} {
		m := planned(t, builders.Provisioner("p", tc.made...), tc.labels)
		found := compared(t, m, builders.Provisioner("p", tc.now...))
		if tc.drifted == "" && found.There() {
			t.Errorf("%s: it has drifted: %+v", name, found)
		}
		if tc.drifted != "" && (found.Reason != v1alpha5.ReasonRequirementsDrifted || !strings.Contains(found.Message, tc.drifted)) {
			t.Errorf("%s: it has drifted: %+v, want a message with %s", name, found, tc.drifted)
		}
	}
}

func one(key string, operator corev1.NodeSelectorOperator, values ...string) []builders.ProvisionerModifier {
	return []builders.ProvisionerModifier{builders.Requirement(key, operator, values...)}
}

func TestAHashThatIsMissingOrOfAnotherKindSaysNothing(t *testing.T) {
	p := builders.Provisioner("p")
	m := planned(t, p, nil)
	p.Spec.Labels = map[string]string{"a": "new"}
	if found := compared(t, m, p); found.Reason != v1alpha5.ReasonProvisionerDrifted {
		t.Fatalf("it has drifted: %+v", found)
	}
	for name, change := range map[string]func(map[string]string){
		"no hash":         func(a map[string]string) { delete(a, v1alpha5.ProvisionerHashAnnotation) },
		"no version":      func(a map[string]string) { delete(a, v1alpha5.ProvisionerHashVersionAnnotation) },
		"another version": func(a map[string]string) { a[v1alpha5.ProvisionerHashVersionAnnotation] = "0" },
	} {
		old := m.DeepCopy()
		change(old.Annotations)
		if found := compared(t, old, p); found.There() {
			t.Errorf("%s: it has drifted: %+v", name, found)
		}
	}
}

func TestNoMessageRepeatsUserData(t *testing.T) {
	template := &awsv1alpha1.AWSNodeTemplate{Spec: awsv1alpha1.AWSNodeTemplateSpec{UserData: "password=old"}}
	hash, err := drift.TemplateHash(template)
	if err != nil {
		t.Fatal(err)
	}
	m := builders.Machine("m", "p")
	m.Annotations = map[string]string{awsv1alpha1.AnnotationTemplateHash: hash, awsv1alpha1.AnnotationTemplateHashVersion: drift.HashVersion}
	template.Spec.UserData = "password=new"
	found, err := drift.FromTemplate(m, template)
	if err != nil || found.Reason != v1alpha5.ReasonNodeTemplateDrifted || strings.Contains(found.Message, "password") {
		t.Errorf("it has drifted: %+v, %v", found, err)
	}
}

func BenchmarkAComparisonWithAProvisioner(b *testing.B) {
	p := builders.RandomProvisioner(rand.New(rand.NewPCG(1, 8)))
	m := builders.Machine("m", p.Name)
	for b.Loop() {
		if _, err := drift.FromProvisioner(m, p); err != nil {
			b.Fatal(err)
		}
	}
}
