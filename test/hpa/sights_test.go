package hpa

import (
	"fmt"
	"maps"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

// sights are what was seen of a cycle.
type sights struct {
	// scalings are the numbers of replicas that were asked for, one after the other.
	scalings []scaling
	machines map[string]bool      // name, of each machine that there ever was
	removed  map[string]time.Time // machine -> when it was seen to be deleted
	created  map[string]time.Time // pod -> when it was first seen
	ran      map[string]time.Time // pod -> when it was first seen to be ready
}

// scaling is a change of the number of replicas.
type scaling struct {
	replicas int32
	at       time.Time
}

func newSights() sights {
	return sights{machines: map[string]bool{}, removed: map[string]time.Time{}, created: map[string]time.Time{}, ran: map[string]time.Time{}}
}

// note takes down what is new of an object.
func (s *sights) note(object any, now time.Time) {
	first := func(in map[string]time.Time, name string) {
		if _, known := in[name]; !known {
			in[name] = now
		}
	}
	switch o := object.(type) {
	case *appsv1.Deployment:
		if o.Name != workload {
			return
		}
		if n := len(s.scalings); n == 0 || s.scalings[n-1].replicas != *o.Spec.Replicas {
			s.scalings = append(s.scalings, scaling{*o.Spec.Replicas, now})
		}
	case *v1alpha5.Machine:
		s.machines[o.Name] = true
		if !o.DeletionTimestamp.IsZero() {
			first(s.removed, o.Name)
		}
	case *corev1.Pod:
		if o.Labels["app"] != workload {
			return
		}
		first(s.created, o.Name)
		if runs(o) {
			first(s.ran, o.Name)
		}
	}
}

// launch is an instance, from its launch until its termination was asked for.
type launch struct {
	id    string
	ended *time.Time
}

// faults returns what was not as it has to be in a cycle of the script.
func (s *sights) faults(way way, launches []launch) []string {
	var out []string
	fault := func(format string, arguments ...any) { out = append(out, fmt.Sprintf(format, arguments...)) }
	var replicas []int32
	for _, change := range s.scalings {
		replicas = append(replicas, change.replicas)
	}
	if want := []int32{2, 3, 5, 3, 2}; !slices.Equal(replicas, want) {
		fault("the replicas were %v, not %v", replicas, want)
		return out // there is no telling when the peak was over
	}
	// The whole cycle counts: kerf had nothing before it.
	if len(launches) > mostLaunches || len(s.machines) > mostLaunches {
		fault("%d instances were launched for %d machines, at most %d are enough", len(launches), len(s.machines), mostLaunches)
	}
	if len(launches) == 0 {
		fault("no instance was launched")
	}
	// Every node has pods from the first change on until the autoscaler itself gives the peak up: while the load falls, the pods idle for five
	// minutes, and what was removed then would have to be bought anew if the load came back.
	over := s.scalings[3].at
	for _, name := range slices.Sorted(maps.Keys(s.removed)) {
		if at := s.removed[name]; at.Before(over) {
			fault("machine %s was removed %s before the peak was over", name, over.Sub(at))
		}
	}
	for _, l := range launches {
		if l.ended != nil && l.ended.Before(over) {
			fault("instance %s was terminated %s before the peak was over", l.id, over.Sub(*l.ended))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.created)) {
		if _, ran := s.ran[name]; !ran {
			fault("pod %s never ran", name)
		}
	}
	// Two, a third, two more: each pod more is one in place of one that was evicted.
	if most := 5 + way.moves(); len(s.created) > most {
		fault("there were %d pods, at most %d had to be", len(s.created), most)
	}
	return out
}

// waits are how long pods were not ready, the longest last.
func (s *sights) waits() []time.Duration {
	var out []time.Duration
	for name, at := range s.ran {
		out = append(out, at.Sub(s.created[name]).Round(10*time.Millisecond))
	}
	slices.Sort(out)
	return out
}
