package refresh

import "time"

// A task that fails is tried again after firstRetry, then after twice as long each time up to lastRetry: what AWS refuses
// today it may grant once someone has mended a policy, and launches wait for it.
const (
	firstRetry = time.Second
	lastRetry  = 30 * time.Second
)

// schedule says when each task is due. Tasks are known by their place.
type schedule struct {
	intervals []time.Duration
	due       []time.Time
	failures  []int // in a row
}

// newSchedule returns a schedule on which every task is due now.
func newSchedule(intervals []time.Duration, now time.Time) *schedule {
	s := &schedule{intervals: intervals, due: make([]time.Time, len(intervals)), failures: make([]int, len(intervals))}
	for i := range s.due {
		s.due[i] = now
	}
	return s
}

// next returns the tasks that are due, in order, and how long it is until the first of the others is.
func (s *schedule) next(now time.Time) (tasks []int, wait time.Duration) {
	wait = -1
	for i, due := range s.due {
		if left := due.Sub(now); left <= 0 {
			tasks = append(tasks, i)
		} else if wait < 0 || left < wait {
			wait = left
		}
	}
	return tasks, max(wait, 0)
}

// done sets when a task is due again.
func (s *schedule) done(task int, now time.Time, err error) {
	if err == nil {
		s.failures[task] = 0
		s.due[task] = now.Add(s.intervals[task])
		return
	}
	retry := lastRetry
	if doublings := s.failures[task]; doublings < 5 { // 1 s doubled five times is beyond the bound
		retry = firstRetry << doublings
	}
	s.failures[task]++
	s.due[task] = now.Add(min(retry, lastRetry, max(s.intervals[task], firstRetry)))
}
