package builders

import (
	"math/rand/v2"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

// RandomProvisioner returns a provisioner that is made up by the source. About half of them are without mistakes; the others
// have some, in any field.
func RandomProvisioner(source *rand.Rand) *v1alpha5.Provisioner {
	r := dice{source: source, mistakes: source.IntN(2) == 0}
	p := Provisioner("random")
	s := &p.Spec
	s.Labels, s.Annotations = r.labels(), r.annotations()
	for range source.IntN(4) {
		s.Taints = append(s.Taints, r.taint("t"))
		s.StartupTaints = append(s.StartupTaints, r.taint("s"))
	}
	for range source.IntN(6) {
		s.Requirements = append(s.Requirements, r.requirement())
	}
	if r.coin() {
		s.KubeletConfiguration = r.kubelet()
	}
	if r.coin() {
		s.TTLSecondsUntilExpired = new(pick(r, []int64{0, 1, 86400}, []int64{-1}))
	}
	if r.coin() {
		s.Limits = &v1alpha5.Limits{Resources: r.quantities([]string{"cpu", "memory", "nvidia.com/gpu", "any"}, nil)}
	}
	if r.coin() {
		s.Weight = new(pick(r, []int32{1, 50, 100}, []int32{0, 101, -1}))
	}
	if r.coin() {
		s.TTLSecondsAfterEmpty = new(pick(r, []int64{0, 30, 1 << 40}, []int64{-30}))
	}
	if r.coin() {
		s.TerminationGracePeriod = &metav1.Duration{Duration: pick(r, []time.Duration{0, time.Hour, 90 * time.Second}, []time.Duration{-time.Second})}
	}
	if r.coin() {
		s.Consolidation = &v1alpha5.Consolidation{Enabled: new(pick(r, []bool{s.TTLSecondsAfterEmpty == nil}, []bool{true}))}
	}
	if r.coin() {
		s.Disruption = r.disruption()
	}
	switch pick(r, []int{0}, []int{1, 2}) {
	case 1:
		s.ProviderRef = nil
	case 2:
		s.Provider = &runtime.RawExtension{Raw: []byte(`{"subnetSelector": {"a": "b"}, "securityGroupSelector": {"a": "b"}}`)}
	}
	return p
}

func (r dice) disruption() *v1alpha5.Disruption {
	out := &v1alpha5.Disruption{}
	for range r.source.IntN(4) {
		budget := v1alpha5.Budget{}
		if r.coin() {
			budget.Nodes = new(pick(r, []string{"0", "5", "10%", "100%", "007"}, []string{"", "-1", "101%", "1.5", "5 %", "1000000000"}))
		}
		for range r.source.IntN(3) {
			budget.Reasons = append(budget.Reasons, pick(r, []v1alpha5.DisruptionReason{"Underutilized", "Empty", "Drifted", "Expired"}, []v1alpha5.DisruptionReason{"", "empty", "Old"}))
		}
		if r.coin() {
			budget.Schedule = new(pick(r, []string{"0 9 * * mon-fri", "*/15 0-5,22 1 JAN ?", "@daily", "0  0 29 2 *"},
				[]string{"", "daily", "@every 1h", "60 * * * *", "5-3 * * * *", ", * * * *", "0 0 30 2 *", "TZ=UTC 0 0 * * *", "* * * *"}))
			budget.Duration = &metav1.Duration{Duration: pick(r, []time.Duration{time.Minute, 90 * time.Minute, 87600 * time.Hour},
				[]time.Duration{0, -time.Hour, 30 * time.Second, 87600*time.Hour + time.Minute})}
		}
		switch pick(r, []int{0}, []int{1, 2}) {
		case 1:
			budget.Schedule = nil
		case 2:
			budget.Duration = nil
		}
		out.Budgets = append(out.Budgets, budget)
	}
	return out
}

// dice make things up.
type dice struct {
	source   *rand.Rand
	mistakes bool
}

func (r dice) coin() bool { return r.source.IntN(2) == 0 }

// pick returns a right value, or now and then a wrong one if there may be mistakes and one can be made.
func pick[T any](r dice, right, wrong []T) T {
	if r.mistakes && len(wrong) > 0 && r.source.IntN(12) == 0 {
		return wrong[r.source.IntN(len(wrong))]
	}
	return right[r.source.IntN(len(right))]
}

func (r dice) labelValue() string {
	return pick(r, []string{"a", "B_2.c-d", "", "5"}, []string{"a b", "-a", "a'b", "$(x)", "ü", "a\nb"})
}

func (r dice) labels() map[string]string {
	out := map[string]string{}
	for range r.source.IntN(4) {
		key := pick(r, []string{"team", "example.com/Team", "node.kubernetes.io/x", "sub.kops.k8s.io/x", "kubernetes.io/arch", "karpenter.k8s.aws/instance-cpu"},
			[]string{"karpenter.sh/provisioner-name", "kubernetes.io/hostname", "x.k8s.io/y", "notkarpenter.sh/y", "beta.kubernetes.io/os", "a b", "A.b/c", "/x", ""})
		out[key] = r.labelValue()
	}
	return out
}

func (r dice) annotations() map[string]string {
	out := map[string]string{}
	for range r.source.IntN(2) {
		out[pick(r, []string{"note", "Example.com/x", "kubernetes.io/any"}, []string{"a b", "", "x/y/z"})] = "any \" text"
	}
	return out
}

func (r dice) taint(prefix string) v1alpha5.Taint {
	t := v1alpha5.Taint{
		Key:    pick(r, []string{prefix + string('a'+rune(r.source.IntN(26))) + string('a'+rune(r.source.IntN(26)))}, []string{"same", "", "a b", "x/"}),
		Value:  pick(r, []string{"", "a", "example.com/a"}, []string{"a b", "/", "a,b"}),
		Effect: pick(r, []corev1.TaintEffect{"NoSchedule", "NoExecute", "PreferNoSchedule", ""}, []corev1.TaintEffect{"Never", "noexecute"}),
	}
	// A key is as good as its own: pairs of key and effect have to differ.
	if t.Key != "same" && t.Key != "" {
		t.Key += pick(r, []string{string('0' + rune(r.source.IntN(10)))}, []string{""})
	}
	if r.coin() {
		t.TimeAdded = &metav1.Time{Time: time.Unix(r.source.Int64N(1<<32), 0)}
	}
	return t
}

func (r dice) requirement() v1alpha5.Requirement {
	q := v1alpha5.Requirement{
		Key: pick(r, []string{"team", "kubernetes.io/arch", "beta.kubernetes.io/os", "topology.kubernetes.io/zone", "karpenter.k8s.aws/instance-family", "karpenter.sh/capacity-type", "x.node.kubernetes.io/y"},
			[]string{"karpenter.sh/provisioner-name", "karpenter.k8s.aws/instance-ami-id", "kubernetes.io/hostname", "a b", "", "x/y/z"}),
		Operator: pick(r, []corev1.NodeSelectorOperator{"In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"}, []corev1.NodeSelectorOperator{"", "in", "Equals"}),
	}
	switch q.Operator {
	case corev1.NodeSelectorOpGt, corev1.NodeSelectorOpLt:
		q.Values = pick(r, [][]string{{"0"}, {"007"}, {"9223372036854775807"}}, [][]string{nil, {"1", "2"}, {"-1"}, {"a"}, {"1.5"}, {"18446744073709551616"}, {""}, {"+1"}})
	default:
		q.Values = pick(r, [][]string{{r.labelValue()}, {"a", r.labelValue(), "c"}}, [][]string{nil, {}, {"a,b"}})
	}
	if r.coin() {
		q.MinValues = new(pick(r, []int32{1}, []int32{0, 2, 50, 51, -1}))
	}
	return q
}

func (r dice) quantities(names, wrong []string) corev1.ResourceList {
	out := corev1.ResourceList{}
	for range r.source.IntN(4) {
		name := pick(r, names, wrong)
		out[corev1.ResourceName(name)] = resource.MustParse(pick(r, []string{"1", "0", "100m", "1.5Gi", "1e9", "3E"}, []string{"1e5000"}))
	}
	return out
}
