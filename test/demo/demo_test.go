package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/test/awssim/admin"
)

// at is the moment so many seconds after the start of a test's demo.
func at(seconds int) time.Time { return time.Unix(1_700_000_000+int64(seconds), 0) }

func newShow() *show {
	var out bytes.Buffer
	t := &timeline{out: &out, start: at(0)}
	return &show{out: &out, timeline: t, checks: &checks{}, observer: &observer{
		timeline: t, pods: map[string]*pod{}, nodes: map[string]*node{}, machines: map[string]*machine{},
		changed: make(chan struct{}),
	}}
}

// boundPod is on node n.
func boundPod(uid string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{UID: types.UID(uid), Name: uid}, Spec: corev1.PodSpec{NodeName: "n"}}
}

func kerfNode(name string) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{v1alpha5.ProvisionerNameLabel: "default"}}}
}

func TestANodeIsEmptyFromItsLastPodOn(t *testing.T) {
	d := newShow()
	o := d.observer
	o.seeNode(kerfNode("n"), at(0))
	for _, uid := range []string{"a", "b"} {
		o.seePod(boundPod(uid), at(1))
		o.seePod(boundPod(uid), at(2)) // seen again, counted once
	}
	o.forgetPod(boundPod("a"), at(3))
	if !o.nodes["n"].emptied.IsZero() {
		t.Error("it is empty with a pod")
	}
	o.forgetPod(boundPod("b"), at(4))
	if got := o.nodes["n"].emptied; got != at(4) {
		t.Errorf("empty since %s", got)
	}
	if got := d.emptyNodes(); !cmp.Equal(got, []string{"n"}) {
		t.Errorf("empty nodes: %v", got)
	}
	o.seePod(boundPod("c"), at(5))
	if !o.nodes["n"].emptied.IsZero() {
		t.Error("it is still empty after a pod came")
	}
}

func TestEmptyNodesMustGoNeitherEarlyNorLate(t *testing.T) {
	cases := map[string]struct {
		told, gone int // seconds after the start; the node is empty at 100
		want       []bool
	}{
		"in time":               {130, 133, []bool{true, true}},
		"within the clock step": {129, 132, []bool{true, true}},
		"early":                 {120, 123, []bool{false, true}},
		"told late":             {140, 142, []bool{true, false}},
		"gone late":             {131, 150, []bool{true, false}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			d := newShow()
			d.observer.nodes["n"] = &node{name: "n", provisioner: "default", emptied: at(100), gone: at(tc.gone)}
			told := at(tc.told)
			d.judgeEmptiness(findings{instances: []admin.Instance{{PrivateDNSName: "n", ShutdownTime: &told}}})
			var got []bool
			for _, c := range d.checks.all() {
				got = append(got, c.OK)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("kept long enough, gone soon enough (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWithoutNodesEmptinessIsNotProven(t *testing.T) {
	d := newShow()
	d.judgeEmptiness(findings{})
	for _, c := range d.checks.all() {
		if c.OK {
			t.Errorf("%s: ok", c.Name)
		}
	}
}

func TestSlowFleetsAndTooFewOfThemFail(t *testing.T) {
	fast, slow := phase{Name: "fast", Fleets: 1, LastToFleet: 1200 * time.Millisecond}, phase{Name: "slow", Fleets: 1, LastToFleet: 1600 * time.Millisecond}
	for name, tc := range map[string]struct {
		phases []phase
		want   bool
	}{
		"all fast":       {[]phase{fast, fast, {Name: "had room"}}, true},
		"one slow":       {[]phase{fast, slow}, false},
		"nothing to see": {[]phase{fast}, false},
	} {
		t.Run(name, func(t *testing.T) {
			d := newShow()
			d.phases = tc.phases
			d.judgeSpeed()
			if got := d.checks.all()[0].OK; got != tc.want {
				t.Errorf("got %t, want %t", got, tc.want)
			}
		})
	}
}

func TestTheLastLineCountsChecks(t *testing.T) {
	var c checks
	var out bytes.Buffer
	c.expect(true, "one", "found %d", 1)
	c.expect(false, "two", "found none")
	if failed := c.tell(&out); failed != 1 {
		t.Errorf("%d failed", failed)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	want := []string{"ok      one: found 1", "  FAILED  two: found none", "", "demo: 1 passed, 1 failed"}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func TestWaitingEndsWithTheConditionOrTheContext(t *testing.T) {
	d := newShow()
	o := d.observer
	ctx, cancel := context.WithCancelCause(t.Context())
	result := make(chan error)
	go func() { result <- o.await(ctx, "a node is there", func() bool { return o.nodes["n"] != nil }) }()
	o.handler(o.seeNode, o.forgetNode).OnAdd(kerfNode("n"), false)
	if err := <-result; err != nil {
		t.Error(err)
	}
	tooLong := errors.New("too long")
	cancel(tooLong)
	if err := o.await(ctx, "another one is there", func() bool { return false }); !errors.Is(err, tooLong) {
		t.Errorf("got %v", err)
	}
}

func TestDecisionsAndInstancesAreDescribedForPeople(t *testing.T) {
	m := &v1alpha5.Machine{
		ObjectMeta: metav1.ObjectMeta{
			Name:        "default-x",
			Annotations: map[string]string{v1alpha5.PriceAnnotation: "0.0416"},
			Labels: map[string]string{
				v1alpha5.CapacityTypeLabel: "spot", corev1.LabelInstanceTypeStable: "c6a.large", corev1.LabelTopologyZone: "us-east-1b",
			},
		},
		Spec: v1alpha5.MachineSpec{Requirements: []corev1.NodeSelectorRequirement{
			{Key: corev1.LabelInstanceTypeStable, Operator: corev1.NodeSelectorOpIn, Values: []string{"c6a.large", "c5.large"}},
			{Key: v1alpha5.CapacityTypeLabel, Operator: corev1.NodeSelectorOpIn, Values: []string{"spot"}},
		}},
		Status: v1alpha5.MachineStatus{ProviderID: "aws:///us-east-1b/i-07"},
	}
	if got, want := describeDecision(m), "default-x: spot c6a.large in any zone at $0.0416/h for 0m CPU or one of 1 alternatives"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got, want := describeInstance(m), "default-x: spot c6a.large in us-east-1b, i-07"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
