package admission_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Quantities with a large exponent are within the syntax, and whoever reads one computes for hours: the API server, which
// has to refuse them without reading them, and then kerf, if they got that far.
func TestQuantitiesThatNobodyCanReadAreRefusedAtOnce(t *testing.T) {
	expectNoReading(t, connect(t)) // by the schema alone; the table's test goes on with the webhooks
}

// expectNoReading checks that the server refuses such quantities wherever there may be one.
func expectNoReading(t *testing.T, s server) {
	t.Helper()
	const provisioner = "{apiVersion: karpenter.sh/v1alpha5, kind: Provisioner, spec: {providerRef: {name: a}, %s}}"
	const inline = "{apiVersion: karpenter.sh/v1alpha5, kind: Provisioner, spec: {weight: 0, provider: {subnetSelector: {a: b}, securityGroupSelector: {a: b}, %s}}}"
	const template = "{apiVersion: karpenter.k8s.aws/v1alpha1, kind: AWSNodeTemplate, spec: {subnetSelector: {a: b}, securityGroupSelector: {a: b}, %s}}"
	const machine = "{apiVersion: karpenter.sh/v1alpha5, kind: Machine, spec: {%s}}"
	for _, quantity := range []string{"1e100000000", "1E+100000000", "1e-100000000", ".1e2147483647"} {
		for name, text := range map[string]string{
			"a limit":                      fmt.Sprintf(provisioner, `limits: {resources: {cpu: "`+quantity+`"}}`),
			"a reservation":                fmt.Sprintf(provisioner, `kubeletConfiguration: {kubeReserved: {cpu: "`+quantity+`"}}`),
			"a threshold":                  fmt.Sprintf(provisioner, `kubeletConfiguration: {evictionHard: {memory.available: "`+quantity+`"}}`),
			"the size of a volume":         fmt.Sprintf(template, `blockDeviceMappings: [{deviceName: a, ebs: {volumeSize: "`+quantity+`"}}]`),
			"the size of an inline volume": fmt.Sprintf(inline, `blockDeviceMappings: [{deviceName: a, ebs: {volumeSize: "`+quantity+`"}}]`),
			"a machine's request":          fmt.Sprintf(machine, `resources: {requests: {cpu: "`+quantity+`"}}`),
			"a machine's threshold":        fmt.Sprintf(machine, `kubelet: {evictionSoft: {memory.available: "`+quantity+`"}, evictionSoftGracePeriod: {memory.available: 1m}}`),
		} {
			t.Run(name+" of "+quantity, func(t *testing.T) {
				object, err := parse(text)
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				if _, _, err := s.send(ctx, row{given: object}); !apierrors.IsInvalid(err) {
					t.Errorf("got %v, want that it is refused", err)
				}
			})
		}
	}
}
