package nodetemplate

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/permission"
)

func TestMetadataThatIsLessProtectedThanByDefaultIsToldAndKeepsNothingFromLaunching(t *testing.T) {
	options := func(change func(*awsv1alpha1.MetadataOptions)) *awsv1alpha1.MetadataOptions {
		o := &awsv1alpha1.MetadataOptions{HTTPTokens: new("required"), HTTPPutResponseHopLimit: new(int64(2))}
		change(o)
		return o
	}
	for name, tc := range map[string]struct {
		options *awsv1alpha1.MetadataOptions
		want    string // reason; "" for true
	}{
		"kerf's own choice":          {nil, ""},
		"the same, stated":           {options(func(*awsv1alpha1.MetadataOptions) {}), ""},
		"no pod gets a token":        {options(func(o *awsv1alpha1.MetadataOptions) { o.HTTPPutResponseHopLimit = new(int64(1)) }), ""},
		"no limit is AWS' own, of 1": {options(func(o *awsv1alpha1.MetadataOptions) { o.HTTPPutResponseHopLimit = nil }), ""},
		"tokens are optional":        {options(func(o *awsv1alpha1.MetadataOptions) { o.HTTPTokens = new("optional") }), awsv1alpha1.ReasonTokensOptional},
		"tokens are left to AWS":     {options(func(o *awsv1alpha1.MetadataOptions) { o.HTTPTokens = nil }), awsv1alpha1.ReasonTokensOptional},
		"tokens travel far":          {options(func(o *awsv1alpha1.MetadataOptions) { o.HTTPPutResponseHopLimit = new(int64(3)) }), awsv1alpha1.ReasonManyHops},
		"there is no metadata at all": {
			options(func(o *awsv1alpha1.MetadataOptions) { o.HTTPTokens, o.HTTPEndpoint = new("optional"), new("disabled") }), "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, working(), template(func(a *awsv1alpha1.AWSNodeTemplate) { a.Spec.MetadataOptions = tc.options }))
			if _, err := w.reconcile(t); err != nil {
				t.Fatal(err)
			}
			got := w.read(t).Status.Conditions
			told := meta.FindStatusCondition(got, awsv1alpha1.ConditionMetadataProtected)
			if told == nil || (told.Status == metav1.ConditionTrue) != (tc.want == "") || tc.want != "" && told.Reason != tc.want {
				t.Errorf("told %+v, want reason %q", told, tc.want)
			}
			if !meta.IsStatusConditionTrue(got, v1alpha5.ConditionReady) {
				t.Error("the template is not ready")
			}
		})
	}
}

func TestMissingPermissionsAreNamedAndKeepNothingFromLaunching(t *testing.T) {
	w := newWorld(t, working(), template())
	w.missing = permission.List{{Action: "ec2:TerminateInstances", Tried: "ec2:TerminateInstances"}, {Action: "iam:PassRole", Tried: "ec2:RunInstances"}}
	result, err := w.reconcile(t)
	if err != nil || result.RequeueAfter != 5*time.Minute {
		t.Errorf("comes again after %s, %v", result.RequeueAfter, err)
	}
	got := w.read(t).Status.Conditions
	told := meta.FindStatusCondition(got, awsv1alpha1.ConditionPermissionsGranted)
	if told == nil || told.Status != metav1.ConditionFalse || !strings.Contains(told.Message, "ec2:TerminateInstances, iam:PassRole (for ec2:RunInstances)") {
		t.Errorf("told %+v", told)
	}
	if !meta.IsStatusConditionTrue(got, v1alpha5.ConditionReady) {
		t.Error("the template is not ready")
	}
	w.missing = nil
	if _, err := w.reconcile(t); err != nil {
		t.Fatal(err)
	}
	if !meta.IsStatusConditionTrue(w.read(t).Status.Conditions, awsv1alpha1.ConditionPermissionsGranted) {
		t.Error("what was granted since is not told")
	}
}

func TestThatPermissionsCannotBeTriedIsNoFailure(t *testing.T) {
	w := newWorld(t, working(), template())
	w.missingErr = errors.New("no answer")
	if _, err := w.reconcile(t); err != nil {
		t.Errorf("error = %v", err)
	}
	got := w.read(t).Status.Conditions
	told := meta.FindStatusCondition(got, awsv1alpha1.ConditionPermissionsGranted)
	if told == nil || told.Status != metav1.ConditionUnknown || !meta.IsStatusConditionTrue(got, v1alpha5.ConditionReady) {
		t.Errorf("told %+v", told)
	}
}

func TestATemplateThatIsGoneIsForgotten(t *testing.T) {
	w := newWorld(t, working(), template())
	if err := w.client.Delete(t.Context(), template()); err != nil {
		t.Fatal(err)
	}
	if _, err := w.reconcile(t); err != nil || !slices.Equal(w.forgotten, []string{"default"}) {
		t.Errorf("forgotten are %v, %v", w.forgotten, err)
	}
}
