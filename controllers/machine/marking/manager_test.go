package marking

import (
	"context"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/drift"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/test/workbench"
)

// watched tells of each comparison.
type watched struct {
	cloudprovider.Provider
	looked chan string
}

func (w *watched) Drifted(ctx context.Context, machine *v1alpha5.Machine) (drift.Finding, error) {
	w.looked <- machine.Name
	return w.Provider.Drifted(ctx, machine)
}

// looks waits until the subject was compared so often.
func (s *subject) looks(cloud *watched, times int) {
	s.t.Helper()
	for times > 0 {
		select {
		case name := <-cloud.looked:
			if name == s.machine.Name {
				times--
			}
		case <-time.After(time.Minute):
			s.t.Fatalf("%d more looks were expected", times)
		}
	}
}

// becomes runs a change and waits until the condition is true.
func (s *subject) becomes(conditionType string, change func()) {
	s.t.Helper()
	events, err := s.Client.Watch(s.t.Context(), &v1alpha5.MachineList{}, client.MatchingFields{"metadata.name": s.machine.Name})
	if err != nil {
		s.t.Fatal(err)
	}
	defer events.Stop()
	change()
	late := time.After(time.Minute)
	for {
		select {
		case event := <-events.ResultChan():
			if m, ok := event.Object.(*v1alpha5.Machine); ok && machines.Conditions(m).IsTrue(conditionType) {
				return
			}
		case <-late:
			s.t.Fatalf("%s is not stated", conditionType)
		}
	}
}

// Nothing but the watches may lead to the machine here: the next look that is due by time is minutes away.
func TestAChangeOfAProvisionerOrOfATemplateIsFoundByItsWatch(t *testing.T) {
	s := newSubject(t)
	selector := map[string]string{"a": "b"}
	template := &awsv1alpha1.AWSNodeTemplate{
		ObjectMeta: metav1.ObjectMeta{Name: s.machine.Spec.MachineTemplateRef.Name},
		Spec:       awsv1alpha1.AWSNodeTemplateSpec{SubnetSelector: selector, SecurityGroupSelector: selector},
	}
	s.Create(template)
	cloud := &watched{Provider: s.cloud, looked: make(chan string, 10_000)}
	s.Manage(NewController(s.Client, cloud, s.Journal).Register)
	s.looks(cloud, 1)
	s.becomes(v1alpha5.ConditionExpired, func() { s.grant(new(int64(0))) })
	s.looks(cloud, 2) // for the Provisioner, and for what was written then
	s.cloud.Outdate(v1alpha5.ReasonAMIDrifted)
	s.becomes(v1alpha5.ConditionDrifted, func() {
		workbench.Update(s.Bench, template, func(t *awsv1alpha1.AWSNodeTemplate) { t.Status.AMIs = []awsv1alpha1.AMI{{ID: "ami-2"}} })
	})
}
