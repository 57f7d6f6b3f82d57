package nodetemplate

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

func TestAnImageIsFoundForEachWayToAskForOne(t *testing.T) {
	published, selected := []awsv1alpha1.AMI{{ID: "ami-1", Name: "one"}}, []awsv1alpha1.AMI{{ID: "ami-2", Name: "mine"}}
	for name, tc := range map[string]struct {
		ask     func(*awsv1alpha1.AWSNodeTemplate)
		version string
		family  string
		images  []awsv1alpha1.AMI
	}{
		"nothing on an old cluster":       {func(*awsv1alpha1.AWSNodeTemplate) {}, "1.32", "AL2", published},
		"nothing on a new cluster":        {func(*awsv1alpha1.AWSNodeTemplate) {}, "1.33", "AL2023", published},
		"Bottlerocket":                    {func(t *awsv1alpha1.AWSNodeTemplate) { t.Spec.AMIFamily = "Bottlerocket" }, "1.33", "Bottlerocket", published},
		"Ubuntu":                          {func(t *awsv1alpha1.AWSNodeTemplate) { t.Spec.AMIFamily = "Ubuntu" }, "1.33", "Ubuntu", published},
		"a selector":                      {choose(""), "1.33", "AL2023", selected},
		"a selector for Custom":           {choose("Custom"), "1.33", "Custom", selected},
		"a selector for AL2 of one's own": {choose("AL2"), "1.34", "AL2", selected},
		"a launch template":               {byLaunchTemplate, "1.33", "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			c := working()
			c.version, c.selected, c.made = tc.version, selected, []string{"mine"}
			w := newWorld(t, c, template(tc.ask))
			if _, err := w.reconcile(t); err != nil {
				t.Fatal(err)
			}
			got := w.read(t).Status
			if !meta.IsStatusConditionTrue(got.Conditions, v1alpha5.ConditionReady) {
				t.Errorf("conditions %+v", got.Conditions)
			}
			if diff := cmp.Diff(tc.images, got.AMIs); diff != "" || got.AMIFamily != tc.family {
				t.Errorf("family %q, want %q; images (-want +got):\n%s", got.AMIFamily, tc.family, diff)
			}
		})
	}
}

func choose(family string) func(*awsv1alpha1.AWSNodeTemplate) {
	return func(t *awsv1alpha1.AWSNodeTemplate) {
		t.Spec.AMIFamily, t.Spec.AMISelector = family, map[string]string{"team": "a"}
	}
}

func TestALaunchTemplateDecidesInsteadOfTheSelectors(t *testing.T) {
	c := working()
	c.made = []string{"mine"}
	w := newWorld(t, c, template(byLaunchTemplate))
	w.profile = ""
	if _, err := w.reconcile(t); err != nil {
		t.Fatal(err)
	}
	got := w.read(t).Status
	for _, conditionType := range []string{awsv1alpha1.ConditionSecurityGroupsReady, awsv1alpha1.ConditionAMIsReady, awsv1alpha1.ConditionInstanceProfileReady} {
		condition := meta.FindStatusCondition(got.Conditions, conditionType)
		if condition == nil || condition.Status != metav1.ConditionTrue || condition.Reason != awsv1alpha1.ReasonLaunchTemplate || !strings.Contains(condition.Message, `"mine"`) {
			t.Errorf("%s = %+v, want true because of the launch template", conditionType, condition)
		}
	}
	if len(got.SecurityGroups) > 0 || len(got.Subnets) != 2 {
		t.Errorf("security groups %v, subnets %v; want none and two", got.SecurityGroups, got.Subnets)
	}
}

func TestCustomImagesLeaveToTheUserWhatKerfTellsOthers(t *testing.T) {
	c := working()
	c.selected = []awsv1alpha1.AMI{{ID: "ami-2"}}
	w := newWorld(t, c, template(choose("Custom")))
	if _, err := w.reconcile(t); err != nil {
		t.Fatal(err)
	}
	got := meta.FindStatusCondition(w.read(t).Status.Conditions, awsv1alpha1.ConditionAMIsReady)
	if got == nil || got.Status != metav1.ConditionTrue || got.Reason != awsv1alpha1.ReasonUserData || !strings.Contains(got.Message, "spec.userData") {
		t.Errorf("condition = %+v, want true, and what that means", got)
	}
}

func TestWhatATemplateNoLongerAsksForLeavesItsStatus(t *testing.T) {
	c := working()
	c.made = []string{"mine"}
	w := newWorld(t, c, template())
	if _, err := w.reconcile(t); err != nil {
		t.Fatal(err)
	}
	for _, change := range []func(*awsv1alpha1.AWSNodeTemplate){
		func(t *awsv1alpha1.AWSNodeTemplate) { t.Spec.AMIFamily = "Haiku" },
		func(t *awsv1alpha1.AWSNodeTemplate) { t.Spec.AMIFamily = ""; byLaunchTemplate(t) },
	} {
		changed := w.read(t)
		changed.Generation++
		change(changed)
		if err := w.client.Update(t.Context(), changed); err != nil {
			t.Fatal(err)
		}
		if _, err := w.reconcile(t); err != nil {
			t.Fatal(err)
		}
		if got := w.read(t).Status; len(got.AMIs) > 0 {
			t.Errorf("images %v are left", got.AMIs)
		}
	}
}

func TestALaunchTemplateOfWhichEC2DoesNotTellIsNoneThatIsMissing(t *testing.T) {
	c := working()
	c.madeErr = errors.New("down")
	w := newWorld(t, c, template(byLaunchTemplate))
	if _, err := w.reconcile(t); !errors.Is(err, c.madeErr) {
		t.Errorf("error = %v, want %v", err, c.madeErr)
	}
	if got := meta.FindStatusCondition(w.read(t).Status.Conditions, awsv1alpha1.ConditionAMIsReady); got == nil || got.Status != metav1.ConditionUnknown {
		t.Errorf("condition = %+v, want unknown", got)
	}
}
