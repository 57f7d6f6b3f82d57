package v1alpha5_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/test/builders"
	"github.com/kerf-autoscaler/kerf/test/workbench"
)

// The rules are written twice, in Go and in the schema. An object that passes in Go passes the schema; what fails in Go fails
// the schema as well, and for no field of which Go does not complain, unless the schema cannot tell.
func TestTheSchemaAndTheFunctionsAgree(t *testing.T) {
	const objects, workers = 1000, 4
	b := workbench.New(t)
	var accepted, refused int
	var mu sync.Mutex
	var wait sync.WaitGroup
	for worker := range workers {
		wait.Go(func() {
			for seed := worker; seed < objects; seed += workers {
				p := builders.RandomProvisioner(rand.New(rand.NewPCG(uint64(seed), 7)))
				p.UID = ""
				mistakes := p.Validate(wellKnown)
				err := b.Client.Create(t.Context(), p.DeepCopy(), client.DryRunAll)
				if disagreement := compare(mistakes, err); disagreement != "" {
					t.Errorf("seed %d: %s\nGo: %v\nschema: %v\nspec: %+v", seed, disagreement, mistakes, err, p.Spec)
				}
				mu.Lock()
				if err == nil {
					accepted++
				} else {
					refused++
				}
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	t.Logf("%d objects: %d accepted, %d refused", objects, accepted, refused)
	if accepted < objects/4 || refused < objects/4 {
		t.Errorf("too few of either kind to prove anything: %d accepted, %d refused", accepted, refused)
	}
}

// compare returns how two verdicts differ, or "".
func compare(mistakes field.ErrorList, err error) string {
	if err != nil && !apierrors.IsInvalid(err) {
		return "the schema was not asked"
	}
	fields := fieldsOf(err)
	for _, e := range mistakes {
		if schemaTells(e) && !slices.ContainsFunc(fields, func(f string) bool { return within(e.Field, f) }) {
			return "the schema does not complain of " + e.Field
		}
	}
	for _, f := range fields {
		if !slices.ContainsFunc(mistakes, func(e *field.Error) bool { return within(e.Field, f) }) {
			return "only the schema complains of " + f
		}
	}
	return ""
}

// schemaTells reports whether the schema knows better than that anything in this form will do.
func schemaTells(e *field.Error) bool {
	value, isText := e.BadValue.(string)
	isAddress := strings.HasPrefix(e.Field, "spec.kubeletConfiguration.clusterDNS") && isText && len(value) > 1 && strings.Trim(value, "0123456789abcdefABCDEF.:") == ""
	isSchedule := strings.HasSuffix(e.Field, ".schedule") && isText && len(strings.Fields(value)) == 5
	return !isAddress && !isSchedule
}

func fieldsOf(err error) []string {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Details == nil {
		return nil
	}
	var out []string
	for _, cause := range status.Status().Details.Causes {
		out = append(out, cause.Field)
	}
	return out
}

// within reports whether a field is another, or in it.
func within(inner, outer string) bool {
	rest, found := strings.CutPrefix(inner, outer)
	return found && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

func TestTheSchemaLetsThroughNothingThatCannotBeRead(t *testing.T) {
	b := workbench.New(t)
	for text, readable := range map[string]bool{
		`"limits": {"resources": {"cpu": "1e3"}}`:   true,
		`"limits": {"resources": {"cpu": 1000}}`:    true,
		`"limits": {"resources": {"cpu": "+.5Gi"}}`: true,
		`"limits": {"resources": {"cpu": "5."}}`:    true,
		`"limits": {"resources": {"cpu": "1E"}}`:    true,
		`"limits": {"resources": {"cpu": "1e1.5"}}`: false,
		`"limits": {"resources": {"cpu": "1E.5"}}`:  false,
		`"limits": {"resources": {"cpu": 1.5}}`:     false,
		`"limits": {"resources": {"cpu": 9.9e99}}`:  false,
		`"weight": 1.0`: true,
		`"ttlSecondsUntilExpired": 9223372036854775807`:                                                                                        true,
		`"ttlSecondsUntilExpired": 9223372036854775808`:                                                                                        false,
		`"disruption": {"budgets": [{"schedule": "@daily", "duration": "87600h0m0s"}]}`:                                                        true,
		`"disruption": {"budgets": [{"schedule": "@daily", "duration": "99999h999999m"}]}`:                                                     false,
		`"disruption": {"budgets": [{"schedule": "@daily", "duration": "9999999h"}]}`:                                                          false,
		`"disruption": {"budgets": [{"schedule": "@daily", "duration": ""}]}`:                                                                  false,
		`"disruption": {"budgets": [{"schedule": "@daily", "duration": 60}]}`:                                                                  false,
		`"disruption": {"budgets": [{"nodes": 5}]}`:                                                                                            false,
		`"disruption": {"budgets": []}`:                                                                                                        true,
		`"disruption": {}`:                                                                                                                     true,
		`"kubeletConfiguration": {"maxPods": 2147483647}`:                                                                                      true,
		`"kubeletConfiguration": {"maxPods": 2147483648}`:                                                                                      false,
		`"kubeletConfiguration": {"evictionMaxPodGracePeriod": -2147483649}`:                                                                   false,
		`"taints": [{"key": "a"}]`:                                                                                                             false,
		`"taints": [{"key": "a", "effect": null}]`:                                                                                             false,
		`"taints": [{"key": "a", "effect": "", "timeAdded": null}]`:                                                                            true,
		`"taints": [{"key": "a", "effect": "", "timeAdded": "2024-02-30T00:00:00Z"}]`:                                                          false,
		`"taints": [{"key": "a", "effect": "", "timeAdded": "2024-02-28T24:00:00Z"}]`:                                                          false,
		`"taints": [{"key": "a", "effect": "", "timeAdded": "2024-02-28T23:59:60Z"}]`:                                                          false,
		`"taints": [{"key": "a", "effect": "", "timeAdded": "2024-02-28T23:59:59+24:00"}]`:                                                     false,
		`"taints": [{"key": "a", "effect": "", "timeAdded": "2024-02-28T23:59:59.123456789-11:30"}]`:                                           true,
		`"kubeletConfiguration": {"evictionSoft": {"memory.available": "5%"}, "evictionSoftGracePeriod": {"memory.available": "1h2m3.5s4us"}}`: true,
		`"kubeletConfiguration": {"evictionSoft": {"memory.available": "5%"}, "evictionSoftGracePeriod": {"memory.available": "0"}}`:           true,
		`"kubeletConfiguration": {"evictionSoft": {"memory.available": "5%"}, "evictionSoftGracePeriod": {"memory.available": "1d"}}`:          false,
		`"kubeletConfiguration": {"evictionSoft": {"memory.available": "5%"}, "evictionSoftGracePeriod": {"memory.available": "9999999h"}}`:    false,
		`"kubeletConfiguration": {"evictionSoft": {"memory.available": "5%"}, "evictionSoftGracePeriod": {"memory.available": ""}}`:            false,
	} {
		object := unstructuredProvisioner(t, b.Name("read"), text)
		err := b.Client.Create(t.Context(), object, client.DryRunAll)
		if readable != (err == nil) {
			t.Errorf("%s: got %v, want accepted: %t", text, err, readable)
		}
		if err != nil {
			continue
		}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &v1alpha5.Provisioner{}); err != nil {
			t.Errorf("%s: %s", text, err)
		}
	}
}

func unstructuredProvisioner(t *testing.T, name, field string) *unstructured.Unstructured {
	t.Helper()
	p := &unstructured.Unstructured{}
	text := `{"apiVersion": "karpenter.sh/v1alpha5", "kind": "Provisioner", "metadata": {"name": "` + name + `"}, ` +
		`"spec": {"providerRef": {"name": "default"}, ` + field + `}}`
	if err := p.UnmarshalJSON([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return p
}

func wellKnown(label string) bool { return slices.Contains(awsv1alpha1.WellKnownLabels(), label) }

// The rules are run on every write, and the API server ends runs that take too long: the largest object must not be one.
func TestTheLargestProvisionerIsAccepted(t *testing.T) {
	b := workbench.New(t)
	domain := strings.Repeat("d", 63) + "." + strings.Repeat("e", 63) + "." + strings.Repeat("f", 63) + "." + strings.Repeat("g", 58) + "/"
	name := func(prefix string, n int) string { return fmt.Sprintf("%s%s-%03d", prefix, strings.Repeat("n", 55), n) }
	p := builders.Provisioner(b.Name("largest"))
	p.UID = ""
	p.Spec.Labels, p.Spec.Annotations = map[string]string{}, map[string]string{}
	for i := range 100 {
		key := name(domain, i)
		p.Spec.Labels[key], p.Spec.Annotations[key] = name("", i), strings.Repeat("x", 1000)
		p.Spec.Taints = append(p.Spec.Taints, v1alpha5.Taint{Key: key, Value: key, Effect: corev1.TaintEffectNoSchedule})
		p.Spec.StartupTaints = append(p.Spec.StartupTaints, v1alpha5.Taint{Key: key, Value: key, Effect: corev1.TaintEffectPreferNoSchedule})
		q := v1alpha5.Requirement{Key: key, Operator: corev1.NodeSelectorOpNotIn}
		for j := range 2000 / (1 + i) {
			q.Values = append(q.Values, name("", j%1000))
		}
		p.Spec.Requirements = append(p.Spec.Requirements, q)
	}
	p.Spec.Disruption = &v1alpha5.Disruption{}
	for range 50 {
		p.Spec.Disruption.Budgets = append(p.Spec.Disruption.Budgets, v1alpha5.Budget{
			Nodes: new("100%"), Reasons: slices.Repeat([]v1alpha5.DisruptionReason{v1alpha5.DisruptionUnderutilized}, 50),
			Schedule: new("0" + strings.Repeat(",00", 82) + " 1 * * *"), Duration: &metav1.Duration{Duration: 87600 * time.Hour},
		})
	}
	if mistakes := p.Validate(wellKnown); len(mistakes) > 0 {
		t.Fatalf("it has mistakes: %v", mistakes[0])
	}
	b.Create(p)
	workbench.Update(b, p, func(p *v1alpha5.Provisioner) { p.Spec.Weight = new(int32(1)) })
}
