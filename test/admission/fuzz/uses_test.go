package fuzz_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/blockdevice"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/cluster"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/kubelet"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/userdata"
	"github.com/kerf-autoscaler/kerf/pkg/inline"
	"github.com/kerf-autoscaler/kerf/pkg/metrics"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/pkg/webhooks"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

// families are those of the schema, and one that it does not have: what is stored may be older.
func families() []string {
	return []string{
		awsv1alpha1.AMIFamilyAL2, awsv1alpha1.AMIFamilyAL2023, awsv1alpha1.AMIFamilyBottlerocket, awsv1alpha1.AMIFamilyUbuntu,
		awsv1alpha1.AMIFamilyWindows2019, awsv1alpha1.AMIFamilyWindows2022, awsv1alpha1.AMIFamilyWindows2025, awsv1alpha1.AMIFamilyCustom, "",
	}
}

// inlineUses returns what is made of spec.provider.
func inlineUses(p *v1alpha5.Provisioner) []string {
	if p.Spec.Provider == nil {
		return []string{fmt.Sprint(inline.Between(p, nil))}
	}
	template, err := inline.Template(p)
	out := []string{fmt.Sprint(err), fmt.Sprint(inline.Between(p, nil)), fmt.Sprint(inline.Between(p, template))}
	spec, err := awsv1alpha1.DecodeProvider(p.Spec.Provider.Raw)
	if err != nil {
		return append(out, err.Error())
	}
	// What is made up has some mistake nearly always; a template that was stored with one is looked at all the same.
	stored := &awsv1alpha1.AWSNodeTemplate{Spec: *spec}
	out = append(out, fmt.Sprint(inline.Between(p, stored)))
	return append(out, nodeUses(stored, p.Spec.KubeletConfiguration, p.Spec.Labels, v1alpha5.NodeTaints(p.Spec.Taints))...)
}

// nodeUses returns what nodes boot with, and how large they are taken to be, with every AMI family.
func nodeUses(t *awsv1alpha1.AWSNodeTemplate, config *v1alpha5.KubeletConfiguration, labels map[string]string, taints []corev1.Taint) []string {
	const interfacePods, vcpus = 29, 2
	capacity := corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("8Gi"), corev1.ResourceEphemeralStorage: resource.MustParse("20Gi")}
	var out []string
	for _, family := range families() {
		k := kubelet.Kubelet{Config: userdata.Configured(family, t.Spec.UserData, config), Family: family}
		rendered, err := userdata.Render(family, userdata.Node{
			Cluster: cluster.Facts{Name: "demo", Endpoint: "https://demo.eks", CA: "CERTIFICATE", Version: "1.32", ServiceCIDR: "172.20.0.0/16"},
			Labels:  labels, Taints: taints, MaxPods: k.PodLimit(interfacePods), Kubelet: config,
			KubeReserved: k.KubeReserved(interfacePods, k.Pods(interfacePods, vcpus), vcpus), UserData: t.Spec.UserData,
		})
		out = append(out, family, rendered, fmt.Sprint(err), fmt.Sprint(userdata.Check(family, t.Spec.UserData)),
			fmt.Sprint(k.Pods(interfacePods, vcpus)), asJSON(k.KubeReserved(interfacePods, k.Pods(interfacePods, vcpus), vcpus)), asJSON(k.SystemReserved()),
			asJSON(k.EvictionThreshold(capacity)), fmt.Sprint(blockdevice.PodBytes(family, t.Spec.BlockDeviceMappings)))
	}
	return out
}

// solverUses returns what is planned for a pod with the Provisioner and a few types.
func solverUses(ctx context.Context, p *v1alpha5.Provisioner) []string {
	requirements := scheduling.FromNodeSelector(v1alpha5.NodeSelectorRequirements(p.Spec.Requirements)).Union(scheduling.FromLabels(p.Spec.Labels))
	offered := solver.Provisioner{
		Name: "made-up", Weight: p.Weight(), Requirements: requirements, Taints: v1alpha5.NodeTaints(p.Spec.Taints),
		InstanceTypes: cloudprovider.InstanceTypes{
			builders.InstanceType("small", builders.Capacity("2", "8Gi", 29), builders.OnDemand(0.1, "zone-a")),
			builders.InstanceType("large", builders.Capacity("16", "64Gi", 110), builders.Spot(0.3, "zone-b")),
		},
	}
	if p.Spec.Limits != nil {
		offered.Remaining = maps.Clone(p.Spec.Limits.Resources)
	}
	pod := builders.Pod(builders.Name("one"), builders.CPU("1"))
	plan := solver.Solve(ctx, solver.Problem{Pods: []*corev1.Pod{pod}, Provisioners: []solver.Provisioner{offered}})
	out := []string{fmt.Sprint(len(plan.Machines))}
	for _, u := range plan.Unplaced {
		out = append(out, u.Reason)
	}
	return out
}

// nobody is a cluster without other Provisioners.
type nobody struct{}

func (nobody) Known(context.Context) []v1alpha5.Provisioner { return nil }

// webhookUses returns the webhooks' answers to a new object and to an update. A panic among them is an answer too: a mistake
// of the server.
func webhookUses(t *testing.T, object, stored any, kind metav1.GroupVersionKind, paths ...string) []string {
	t.Helper()
	recorded, err := metrics.New(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	handler, err := webhooks.NewHandler(nobody{}, recorded, logr.Discard())
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, path := range paths {
		for _, operation := range []admissionv1.Operation{admissionv1.Create, admissionv1.Update} {
			request := &admissionv1.AdmissionRequest{UID: "made-up", Kind: kind, Name: "made-up", Operation: operation, Object: raw(object)}
			if operation == admissionv1.Update {
				request.OldObject = raw(stored)
			}
			out = append(out, answer(t, handler, path, request))
		}
	}
	return out
}

func answer(t *testing.T, handler http.Handler, path string, request *admissionv1.AdmissionRequest) string {
	t.Helper()
	review := admissionv1.AdmissionReview{Request: request}
	review.SetGroupVersionKind(admissionv1.SchemeGroupVersion.WithKind("AdmissionReview"))
	posted := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, bytes.NewReader([]byte(asJSON(review))))
	posted.Header.Set("Content-Type", "application/json")
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, posted)
	answered := admissionv1.AdmissionReview{}
	if err := json.Unmarshal(recorder.Body.Bytes(), &answered); err != nil || answered.Response == nil {
		t.Fatalf("%s answers %d %q", path, recorder.Code, recorder.Body)
	}
	if r := answered.Response.Result; r != nil && r.Code >= http.StatusInternalServerError {
		t.Errorf("%s fails: %s", path, r.Message)
	}
	slices.Sort(answered.Response.Warnings)
	return asJSON(answered.Response)
}

func raw(object any) runtime.RawExtension { return runtime.RawExtension{Raw: []byte(asJSON(object))} }

func asJSON(value any) string {
	encoded, err := json.Marshal(value)
	if err != nil {
		return err.Error()
	}
	return string(encoded)
}
