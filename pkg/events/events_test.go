package events_test

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/kerf-autoscaler/kerf/pkg/events"
)

// sink keeps what is published.
type sink struct {
	mu    sync.Mutex
	lines []string
	notes []string
}

//nolint:revive // client-go has this many arguments
func (s *sink) Eventf(regarding, _ runtime.Object, eventType, reason, action, note string, arguments ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	pod, _ := regarding.(*corev1.Pod)
	s.lines = append(s.lines, fmt.Sprintf("%s %s %s/%s", pod.GetUID(), eventType, reason, action))
	s.notes = append(s.notes, fmt.Sprintf(note, arguments...))
}

func pod(uid string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "pod", UID: types.UID(uid)}}
}

func TestTheSameEventIsPublishedOnceAnHour(t *testing.T) {
	published := &sink{}
	clock := clocktesting.NewFakeClock(time.Unix(0, 0).Add(time.Hour))
	recorder := events.NewRecorder(published, clock)
	event := events.Event{Object: pod("a"), Reason: "Nominated", Message: "m"}
	steps := []struct {
		after time.Duration
		want  int
	}{{0, 1}, {0, 1}, {time.Minute, 1}, {time.Hour - time.Minute - time.Second, 1}, {time.Second, 2}, {time.Second, 2}, {2 * time.Hour, 3}}
	for i, step := range steps {
		clock.Step(step.after)
		recorder.Publish(event)
		if len(published.lines) != step.want {
			t.Errorf("step %d: %d events are published, want %d", i, len(published.lines), step.want)
		}
	}
}

func TestEventsDifferByObjectReasonAndMessage(t *testing.T) {
	published := &sink{}
	recorder := events.NewRecorder(published, clocktesting.NewFakeClock(time.Now()))
	for _, event := range []events.Event{
		{Object: pod("a"), Reason: "Nominated", Message: "m"},
		{Object: pod("b"), Reason: "Nominated", Message: "m"},
		{Object: pod("a"), Reason: "FailedScheduling", Message: "m", Warning: true},
		{Object: pod("a"), Reason: "Nominated", Message: "n"},
		{Object: pod("a"), Reason: "Nominated", Message: "m"},
	} {
		recorder.Publish(event)
	}
	want := []string{
		"a Normal Nominated/Nominated", "b Normal Nominated/Nominated",
		"a Warning FailedScheduling/FailedScheduling", "a Normal Nominated/Nominated",
	}
	if diff := cmp.Diff(want, published.lines); diff != "" {
		t.Errorf("published (-want +got):\n%s", diff)
	}
}

func TestAMessageIsNoFormat(t *testing.T) {
	published := &sink{}
	recorder := events.NewRecorder(published, clocktesting.NewFakeClock(time.Now()))
	recorder.Publish(events.Event{Object: pod("a"), Reason: "R", Message: "100%s of 5%d"})
	if published.notes[0] != "100%s of 5%d" {
		t.Errorf("published %q", published.notes[0])
	}
}

func TestAMessageThatTheAPIWouldRefuseIsCutAtAWholeCharacter(t *testing.T) {
	for _, message := range []string{strings.Repeat("a", 2000), strings.Repeat("語", 600), "a" + strings.Repeat("語", 600)} {
		published := &sink{}
		recorder := events.NewRecorder(published, clocktesting.NewFakeClock(time.Now()))
		recorder.Publish(events.Event{Object: pod("a"), Reason: "R", Message: message})
		if note := published.notes[0]; len(note) > 1024 || len(note) < 1000 || !utf8.ValidString(note) {
			t.Errorf("a note of %d bytes, valid UTF-8 %t", len(note), utf8.ValidString(note))
		}
	}
}

func TestRecordersMayBeSharedByGoroutines(t *testing.T) {
	published := &sink{}
	recorder := events.NewRecorder(published, clocktesting.NewFakeClock(time.Now()))
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() { recorder.Publish(events.Event{Object: pod("a"), Reason: "R", Message: "m"}) })
	}
	group.Wait()
	if len(published.lines) != 1 {
		t.Errorf("20 goroutines published the event %d times, want once", len(published.lines))
	}
}

func TestNoMoreThanTenEventsASecondArePublishedAndWarningsGoFirst(t *testing.T) {
	published := &sink{}
	clock := clocktesting.NewFakeClock(time.Now())
	recorder := events.NewRecorder(published, clock)
	warned := func() int {
		return strings.Count(strings.Join(published.lines, "\n"), "Warning")
	}
	for second := range 60 {
		for i := range 100 {
			recorder.Publish(events.Event{Object: pod(fmt.Sprintf("%d-%d", second, i)), Reason: "Nominated", Message: "m"})
		}
		if second%10 == 0 {
			recorder.Publish(events.Event{Object: pod(fmt.Sprintf("warned-%d", second)), Reason: "Failed", Message: "m", Warning: true})
		}
		clock.Step(time.Second)
	}
	if got := len(published.lines); got > 600 || got < 500 {
		t.Errorf("%d events are published in a minute, want at most 600", got)
	}
	if warned() != 6 {
		t.Errorf("%d of 6 warnings are published", warned())
	}
}

func TestAnEventThatWasOneTooManyIsPublishedWhenItComesAgain(t *testing.T) {
	published := &sink{}
	clock := clocktesting.NewFakeClock(time.Now())
	recorder := events.NewRecorder(published, clock)
	for i := range 100 {
		recorder.Publish(events.Event{Object: pod(strconv.Itoa(i)), Reason: "Nominated", Message: "m"})
	}
	before := len(published.lines)
	clock.Step(time.Minute)
	recorder.Publish(events.Event{Object: pod("99"), Reason: "Nominated", Message: "m"})
	if len(published.lines) != before+1 {
		t.Errorf("%d events are published, want one more than %d", len(published.lines), before)
	}
}
