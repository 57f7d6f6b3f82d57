package webhooks_test

import (
	"fmt"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/webhooks"
)

// BenchmarkAdmission answers about a Provisioner as users have them, among many others.
func BenchmarkAdmission(b *testing.B) {
	const object = `{"metadata":{"name":"x"},"spec":{"providerRef":{"name":"x"},"weight":10,"limits":{"resources":{"cpu":"1000"}},` +
		`"labels":{"team":"a"},"taints":[{"key":"a","value":"b","effect":"NoSchedule"}],"kubeletConfiguration":{"maxPods":110},` +
		`"requirements":[{"key":"node.kubernetes.io/instance-type","operator":"In","values":[%s]},{"key":"topology.kubernetes.io/zone",` +
		`"operator":"In","values":["us-east-1a","us-east-1b","us-east-1c"]}]}}`
	var types []string
	for i := range 100 {
		types = append(types, fmt.Sprintf(`"m%d.large"`, i))
	}
	for _, others := range []int{0, 100} {
		known := make(peers, others)
		for i := range known {
			known[i] = v1alpha5.Provisioner{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint(i)}, Spec: v1alpha5.ProvisionerSpec{
				Weight: new(int32(10)), Taints: []v1alpha5.Taint{{Key: "a", Value: "b", Effect: corev1.TaintEffectNoSchedule}},
			}}
		}
		for _, path := range []string{webhooks.PathDefaultProvisioners, webhooks.PathValidateProvisioners} {
			b.Run(fmt.Sprintf("%s/others=%d", strings.TrimPrefix(path, "/"), others), func(b *testing.B) {
				w := newWebhook(b, known)
				for b.Loop() {
					if answer := w.ask(b, path, admissionv1.Create, fmt.Sprintf(object, strings.Join(types, ",")), ""); !answer.Allowed {
						b.Fatal(answer.Result.Message)
					}
				}
			})
		}
	}
}
