package consolidation

import (
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/disruption"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
)

func TestAMachineSaysThatAPauseKeepsIt(t *testing.T) {
	y, all := steered(t)
	said := func() string {
		y.Reload(all[0])
		condition := machines.Conditions(all[0]).Get(v1alpha5.ConditionDisruptable)
		if condition == nil || condition.Status != metav1.ConditionFalse {
			return fmt.Sprint(condition)
		}
		return condition.Reason + ": " + condition.Message
	}
	before := said()
	y.settings.PauseDisruption = true
	y.restart()
	y.pass(10 * time.Second)
	if got := said(); !strings.HasPrefix(got, disruption.ReasonAllHeld+": disruption is paused") {
		t.Errorf("while disruption is paused it says %q", got)
	}
	y.settings.PauseDisruption = false
	y.restart()
	y.pass(2 * time.Minute)
	if got := said(); got != before {
		t.Errorf("after the pause it says %q, before it %q", got, before)
	}
}
