package conditions_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/pkg/conditions"
)

func TestTheRootSumsUpItsDependents(t *testing.T) {
	tests := map[string]struct {
		set         func(conditions.Set)
		wantStatus  metav1.ConditionStatus
		wantReason  string
		wantMessage string
	}{
		"one is missing": {
			set:        func(s conditions.Set) { s.True("A", "Done", "") },
			wantStatus: metav1.ConditionUnknown, wantReason: "NotReady", wantMessage: "B not yet known",
		},
		"one is unknown": {
			set:        func(s conditions.Set) { s.True("A", "Done", ""); s.Unknown("B", "Waiting", "for the other") },
			wantStatus: metav1.ConditionUnknown, wantReason: "NotReady", wantMessage: "B: for the other",
		},
		"one is unknown without a message": {
			set:        func(s conditions.Set) { s.True("A", "Done", ""); s.Unknown("B", "Waiting", "") },
			wantStatus: metav1.ConditionUnknown, wantReason: "NotReady", wantMessage: "B: Waiting",
		},
		"false beats unknown, whichever comes first": {
			set:        func(s conditions.Set) { s.Unknown("B", "Waiting", ""); s.False("A", "Broken", "gone") },
			wantStatus: metav1.ConditionFalse, wantReason: "NotReady", wantMessage: "A: gone; B: Waiting",
		},
		"unknown does not hide false": {
			set:        func(s conditions.Set) { s.False("B", "Broken", "gone"); s.Unknown("A", "Waiting", "") },
			wantStatus: metav1.ConditionFalse, wantReason: "NotReady", wantMessage: "A: Waiting; B: gone",
		},
		"all are true": {
			set:        func(s conditions.Set) { s.True("A", "Done", "x"); s.True("B", "Done", "y") },
			wantStatus: metav1.ConditionTrue, wantReason: "Ready",
		},
		"one that it does not depend on is false": {
			set: func(s conditions.Set) {
				s.True("A", "Done", "")
				s.True("B", "Done", "")
				s.False("C", "Broken", "")
			},
			wantStatus: metav1.ConditionTrue, wantReason: "Ready",
		},
		"a dependent is taken back": {
			set: func(s conditions.Set) {
				s.True("A", "Done", "")
				s.True("B", "Done", "")
				s.Clear("A")
			},
			wantStatus: metav1.ConditionUnknown, wantReason: "NotReady", wantMessage: "A not yet known",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var list []metav1.Condition
			set := conditions.For(&list, 7, "Ready", "A", "B")
			tc.set(set)
			got := set.Get("Ready")
			if got.Status != tc.wantStatus || got.Reason != tc.wantReason || got.Message != tc.wantMessage {
				t.Errorf("got %s %s %q, want %s %s %q", got.Status, got.Reason, got.Message, tc.wantStatus, tc.wantReason, tc.wantMessage)
			}
			if got.ObservedGeneration != 7 {
				t.Errorf("the root is about generation %d, want 7", got.ObservedGeneration)
			}
		})
	}
}

func TestReadingWritesNothing(t *testing.T) {
	var list []metav1.Condition
	set := conditions.For(&list, 1, "Ready", "A")
	if set.Get("A") != nil || set.IsTrue("A") || set.IsTrue("Ready") {
		t.Error("a condition that was never set has a value")
	}
	if len(list) != 0 {
		t.Errorf("reading left %v behind", list)
	}
}

func TestSettingReportsWhetherTheStatusChanged(t *testing.T) {
	var list []metav1.Condition
	set := conditions.For(&list, 1, "Ready", "A")
	steps := []struct {
		what string
		set  func() bool
		want bool
	}{
		{"the first time", func() bool { return set.Unknown("A", "Waiting", "") }, true},
		{"another reason", func() bool { return set.Unknown("A", "Asking", "") }, false},
		{"true", func() bool { return set.True("A", "Done", "") }, true},
		{"true again with another message", func() bool { return set.True("A", "Done", "again") }, false},
		{"false", func() bool { return set.False("A", "Broken", "") }, true},
	}
	for _, step := range steps {
		if got := step.set(); got != step.want {
			t.Errorf("%s: changed is %t, want %t", step.what, got, step.want)
		}
	}
}

func TestATransitionIsDatedOnlyWhenTheStatusChanges(t *testing.T) {
	past := metav1.Unix(1_000_000, 0)
	list := []metav1.Condition{{Type: "A", Status: metav1.ConditionTrue, Reason: "Done", LastTransitionTime: past}}
	set := conditions.For(&list, 2, "Ready", "A")
	set.True("A", "Done", "another message")
	if got := set.Get("A"); !got.LastTransitionTime.Equal(&past) || got.ObservedGeneration != 2 || got.Message != "another message" {
		t.Errorf("the status stayed, yet the condition became %+v", got)
	}
	set.False("A", "Broken", "")
	if set.Get("A").LastTransitionTime.Equal(&past) {
		t.Error("the status changed, the time of its transition did not")
	}
}

func TestALongMessageIsCutAtAWholeCharacter(t *testing.T) {
	tests := map[string]string{
		"ascii":                   strings.Repeat("a", 600),
		"two bytes a character":   strings.Repeat("ä", 400),
		"three bytes a character": strings.Repeat("語", 300),
		"four bytes a character":  strings.Repeat("🪚", 200),
		"shifted by one":          "a" + strings.Repeat("🪚", 200),
	}
	for name, message := range tests {
		t.Run(name, func(t *testing.T) {
			var list []metav1.Condition
			set := conditions.For(&list, 1, "Ready", "A")
			set.False("A", "Broken", message)
			for _, conditionType := range []string{"A", "Ready"} {
				got := set.Get(conditionType).Message
				if len(got) > 512 || len(got) < 500 || !utf8.ValidString(got) || !strings.HasSuffix(got, "...") {
					t.Errorf("%s has %d bytes, valid %t: %q", conditionType, len(got), utf8.ValidString(got), got)
				}
			}
		})
	}
}

func TestAMessageThatFitsIsNotCut(t *testing.T) {
	var list []metav1.Condition
	set := conditions.For(&list, 1, "Ready", "A")
	message := strings.Repeat("a", 512)
	set.False("A", "Broken", message)
	if got := set.Get("A").Message; got != message {
		t.Errorf("512 bytes became %d", len(got))
	}
}
