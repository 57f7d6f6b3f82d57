package fake_test

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/cloudprovidertest"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/fake"
)

func TestTheFakeKeepsTheContract(t *testing.T) {
	cloudprovidertest.Run(t, func(*testing.T) cloudprovidertest.World {
		clock := clocktesting.NewFakeClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
		p := fake.New(fake.Options{Clock: clock, TerminationTime: time.Minute})
		return cloudprovidertest.World{
			Provider:    p,
			Restart:     func() cloudprovider.Provider { return p },
			Provisioner: &v1alpha5.Provisioner{ObjectMeta: metav1.ObjectMeta{Name: "default"}},
			SetCapacity: func(instanceType, zone, capacityType string, left int) {
				p.SetCapacity(fake.Offering{InstanceType: instanceType, Zone: zone, CapacityType: capacityType}, left)
			},
			PlantForeign: p.AddForeign,
			Stop:         p.Stop,
			Outdate:      map[string]func(){v1alpha5.ReasonAMIDrifted: func() { p.Outdate(v1alpha5.ReasonAMIDrifted) }},
			Obscure: map[string]func() func(){"an open answer": func() func() {
				p.Obscure(true)
				return func() { p.Obscure(false) }
			}},
			Live: func() int {
				live := 0
				for _, i := range p.Instances() {
					if !i.ShuttingDown {
						live++
					}
				}
				return live
			},
			Settle: func() { clock.Step(time.Minute) },
		}
	})
}
