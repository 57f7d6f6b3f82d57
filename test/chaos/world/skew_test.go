package world

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

func TestTimesAreMovedAndNothingElse(t *testing.T) {
	at := metav1.NewTime(time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC).Local())
	machine := builders.Machine("m", "p")
	machine.CreationTimestamp = at
	machine.Annotations = map[string]string{"since": "2026-09-01T12:00:00Z", "version": "1.2"}
	machine.Status.Launch = &v1alpha5.Launch{Group: "g", Attempt: 3, Time: at}
	want := machine.DeepCopy()
	cached := machine.DeepCopy()
	read := *cached // as a cache gives it away
	move(&read, 90*time.Second)
	if diff := cmp.Diff(want, cached); diff != "" {
		t.Errorf("what others read was moved too (-want +got):\n%s", diff)
	}
	move(machine, 90*time.Second)
	later := at.Add(90 * time.Second)
	if !machine.CreationTimestamp.Time.Equal(later) || !machine.Status.Launch.Time.Time.Equal(later) || machine.Annotations["since"] != "2026-09-01T12:01:30Z" {
		t.Errorf("created at %s, asked at %s, annotated %v; want %s", machine.CreationTimestamp, machine.Status.Launch.Time, machine.Annotations, later)
	}
	move(machine, -90*time.Second)
	if diff := cmp.Diff(want, machine); diff != "" {
		t.Errorf("there and back again (-want +got):\n%s", diff)
	}
}

func TestClocksAreApartByTheMostThatAnyTwoAre(t *testing.T) {
	for name, tc := range map[string]struct {
		clocks []time.Duration
		want   time.Duration
	}{
		"right":             {nil, 0},
		"behind the server": {[]time.Duration{-time.Minute}, time.Minute},
		"ahead and behind":  {[]time.Duration{time.Minute, -time.Minute}, 2 * time.Minute},
		"ahead together":    {[]time.Duration{time.Minute, time.Hour}, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			if got := (&Plan{Clocks: tc.clocks}).skew(); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}
