package webhooks_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/webhooks"
)

func TestBothPhasesRefuseInTheSameWords(t *testing.T) {
	const template = `{"metadata":{"name":"x"},"spec":{"launchTemplate":"mine","amiFamily":"None"}}`
	w := newWebhook(t, peers{})
	for paths, object := range map[[2]string]string{
		{webhooks.PathDefaultProvisioners, webhooks.PathValidateProvisioners}:         invalid,
		{webhooks.PathDefaultAWSNodeTemplates, webhooks.PathValidateAWSNodeTemplates}: template,
	} {
		early := w.ask(t, paths[0], admissionv1.Create, object, "")
		if early.Allowed || len(early.Patch) > 0 || len(early.Result.Details.Causes) < 2 {
			t.Errorf("%s: got %+v", paths[0], early)
		}
		late := w.ask(t, paths[1], admissionv1.Create, object, "")
		if diff := cmp.Diff(late, early); diff != "" {
			t.Errorf("%s (-%s +%s):\n%s", object, paths[1], paths[0], diff)
		}
	}
}

func TestOnlyTheLaterPhaseWarnsOfWhatIsAllowed(t *testing.T) {
	const inline = `{"metadata":{"name":"x"},"spec":{"provider":{"subnetSelector":{"a":"b"},"securityGroupSelector":{"a":"b"}}}}`
	const template = `{"metadata":{"name":"x"},"spec":{"subnetSelector":{},"securityGroupSelector":{"a":"b"}}}`
	w := newWebhook(t, peers{v1alpha5.Provisioner{}})
	for path, want := range map[string]struct {
		object string
		warns  bool
	}{
		webhooks.PathDefaultProvisioners:      {inline, false},
		webhooks.PathValidateProvisioners:     {inline, true},
		webhooks.PathDefaultAWSNodeTemplates:  {template, false},
		webhooks.PathValidateAWSNodeTemplates: {template, true},
	} {
		if got := w.ask(t, path, admissionv1.Create, want.object, ""); !got.Allowed || (len(got.Warnings) > 0) != want.warns {
			t.Errorf("%s: got %+v", path, got)
		}
	}
}

func TestBeforeTheSchemaOnlyMistakesOfTheUsersInANewSpecAreRefused(t *testing.T) {
	w := newWebhook(t, peers{})
	const relabelled = `{"metadata":{"name":"x","labels":{"a":"b"}},"spec":{}}`
	for _, path := range []string{webhooks.PathDefaultProvisioners, webhooks.PathDefaultAWSNodeTemplates} {
		for name, tc := range map[string]struct {
			object, stored string
			allowed        bool
		}{
			"a field of the wrong type":   {`{"spec":{"weight":"ten","tags":5}}`, `{}`, true},
			"what is no object":           {`[]`, `{}`, true},
			"a spec as before":            {relabelled, `{"spec":{}}`, true},
			"another spec":                {relabelled, `{"spec":{"weight":1,"userData":"a"}}`, false},
			"a spec in place of nonsense": {relabelled, `{"spec":{"weight":"ten","userData":1}}`, false},
		} {
			if got := w.ask(t, path, admissionv1.Update, tc.object, tc.stored); got.Allowed != tc.allowed {
				t.Errorf("%s: %s: got %+v", path, name, got)
			}
		}
	}
	const status = `{"metadata":{"name":"x"},"spec":{"providerRef":{"name":"x"}},"status":{"resources":{"cpu":"1e-2147483647"}}}`
	if got := w.ask(t, webhooks.PathDefaultProvisioners, admissionv1.Create, status, ""); !got.Allowed {
		t.Errorf("a status, which the API server drops, is refused: %+v", got.Result)
	}
}

func TestEndlessQuantitiesAreRefusedTogetherWithTheOtherMistakes(t *testing.T) {
	w := newWebhook(t, peers{})
	for _, quantity := range []string{"1e100000000", "1E+100000000", "1e-2147483647", ".1e2147483647"} {
		for path, tc := range map[string]struct {
			object string
			want   []string
		}{
			webhooks.PathDefaultProvisioners: {
				`{"spec":{"weight":0,"limits":{"resources":{"cpu":%[1]q}},"kubeletConfiguration":{"kubeReserved":{"disk":%[1]q},"evictionHard":{"memory.available":%[1]q}},` +
					`"provider":{"subnetSelector":{"a":"b"},"securityGroupSelector":{"a":"b"},"blockDeviceMappings":[{"deviceName":"a","ebs":{"volumeSize":%[1]q}}]}}}`,
				[]string{
					"spec.kubeletConfiguration.evictionHard[memory.available]", "spec.kubeletConfiguration.kubeReserved",
					"spec.kubeletConfiguration.kubeReserved[disk]", "spec.limits.resources[cpu]",
					"spec.provider.blockDeviceMappings[0].ebs.volumeSize", "spec.weight",
				},
			},
			webhooks.PathDefaultAWSNodeTemplates: {
				`{"spec":{"subnetSelector":{"a":"b"},"blockDeviceMappings":[{"deviceName":"a","ebs":{"volumeSize":%[1]q}}]}}`,
				[]string{"spec.blockDeviceMappings[0].ebs.volumeSize", "spec.securityGroupSelector"},
			},
		} {
			got := w.ask(t, path, admissionv1.Create, fmt.Sprintf(tc.object, quantity), "")
			if got.Allowed || !strings.Contains(got.Result.Message, quantity) {
				t.Fatalf("%s: %s: got %+v", path, quantity, got)
			}
			var fields []string
			for _, c := range got.Result.Details.Causes {
				fields = append(fields, c.Field)
			}
			slices.Sort(fields)
			if diff := cmp.Diff(tc.want, fields); diff != "" {
				t.Errorf("%s: %s (-want +got):\n%s", path, quantity, diff)
			}
		}
	}
}
