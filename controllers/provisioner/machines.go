package provisioner

import (
	"time"

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
