package provisioner

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/conditions"
	"github.com/kerf-autoscaler/kerf/pkg/drift"
)

// judgeMachines says whether machines lately came to something, by what the planning of machines has noted. What was noted of
// machines that were made from something else does not count. It returns when the verdict may change by time alone; 0 is never.
func judgeMachines(set conditions.Set, provisioner *v1alpha5.Provisioner, template *awsv1alpha1.AWSNodeTemplate, now time.Time) time.Duration {
	basis := drift.Basis(provisioner, template)
	var worst *v1alpha5.FruitlessLaunch
	for i := range provisioner.Status.FruitlessLaunches {
		row := &provisioner.Status.FruitlessLaunches[i]
		if row.Basis == basis && row.Holds() && now.Before(row.ForgottenAt()) && (worst == nil || row.Failures > worst.Failures) {
			worst = row
		}
	}
	if worst == nil {
		set.True(v1alpha5.ConditionMachinesUsable, v1alpha5.ReasonUsable, "")
		return 0
	}
	set.False(v1alpha5.ConditionMachinesUsable, worst.Reason, worst.String())
	return worst.ForgottenAt().Sub(now) + time.Millisecond
}

// judgeRollout says whether machines that have drifted are replaced, by whether the last machine that was made from what is asked for now came
// to nothing. A Provisioner without drifted machines has no such condition. It returns when the verdict may change by time alone; 0 is never.
func judgeRollout(set conditions.Set, provisioner *v1alpha5.Provisioner, template *awsv1alpha1.AWSNodeTemplate, list []v1alpha5.Machine, now time.Time) time.Duration {
	drifted := 0
	for i := range list {
		if meta.IsStatusConditionTrue(list[i].Status.Conditions, v1alpha5.ConditionDrifted) {
			drifted++
		}
	}
	if drifted == 0 {
		set.Clear(v1alpha5.ConditionRolloutProceeding)
		return 0
	}
	basis := drift.Basis(provisioner, template)
	for i := range provisioner.Status.FruitlessLaunches {
		row := &provisioner.Status.FruitlessLaunches[i]
		became := row.Reason == v1alpha5.ReasonNeverJoined || row.Reason == v1alpha5.ReasonNeverReady
		if became && row.Workload == "" && row.Basis == basis && row.RecoveryTime == nil && now.Before(row.ForgottenAt()) {
			set.False(v1alpha5.ConditionRolloutProceeding, v1alpha5.ReasonCanaryFailed, fmt.Sprintf(
				"machine %s, the last that was made, came to nothing (%s): %d drifted machines stay until one works", row.Machine, row.Reason, drifted))
			return row.ForgottenAt().Sub(now) + time.Millisecond
		}
	}
	set.True(v1alpha5.ConditionRolloutProceeding, v1alpha5.ReasonProceeding, fmt.Sprintf("%d machines have drifted", drifted))
	return 0
}
