package v1alpha1_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
)

func TestATemplateHasAllItsMistakesReportedInOrder(t *testing.T) {
	template := &awsv1alpha1.AWSNodeTemplate{Spec: awsv1alpha1.AWSNodeTemplateSpec{
		SubnetSelector:  map[string]string{"z": "", "b": "", "a": ""},
		AMIFamily:       "X",
		Tags:            map[string]string{"": "x", "karpenter.sh/managed-by": "x", "karpenter.sh/provisioner-name": "x"},
		MetadataOptions: &awsv1alpha1.MetadataOptions{HTTPTokens: new("x"), HTTPEndpoint: new("x")},
	}}
	want := []string{
		"spec.subnetSelector[a]", "spec.subnetSelector[b]", "spec.subnetSelector[z]", "spec.securityGroupSelector", "spec.amiFamily",
		"spec.tags[]", "spec.tags[karpenter.sh/managed-by]", "spec.tags[karpenter.sh/provisioner-name]",
		"spec.metadataOptions.httpEndpoint", "spec.metadataOptions.httpTokens",
	}
	for range 10 { // maps have no order of their own
		var got []string
		for _, e := range template.Validate() {
			got = append(got, e.Field)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("fields (-want +got):\n%s", diff)
		}
	}
}

func TestLabelsOfInstanceTypesAreWellKnown(t *testing.T) {
	labels := awsv1alpha1.WellKnownLabels()
	for _, l := range labels {
		if !strings.HasPrefix(l, awsv1alpha1.Group+"/instance-") {
			t.Errorf("%s is no label of an instance type", l)
		}
	}
	if len(slices.Compact(slices.Sorted(slices.Values(labels)))) != 23 {
		t.Errorf("got %d labels, want 23 different ones: %v", len(labels), labels)
	}
	if slices.Contains(labels, awsv1alpha1.Group+"/instance-ami-id") {
		t.Error("an image cannot be selected by a label")
	}
}
