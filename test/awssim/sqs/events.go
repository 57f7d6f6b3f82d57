package sqs

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/kerf-autoscaler/kerf/test/awssim/admin"
	"github.com/kerf-autoscaler/kerf/test/awssim/world"
)

// sight is what EventBridge has told of an instance.
type sight struct {
	state  world.State
	warned bool
}

// event is what EventBridge puts into a queue.
type event struct {
	Version    string    `json:"version"`
	ID         string    `json:"id"`
	DetailType string    `json:"detail-type"`
	Source     string    `json:"source"`
	Account    string    `json:"account"`
	Time       time.Time `json:"time"`
	Region     string    `json:"region"`
	Resources  []string  `json:"resources"`
	Detail     any       `json:"detail"`
}

// Send puts an event, or a message of any form, into queues.
func (s *Service) Send(e admin.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.queues[e.Queue]; e.Queue != "" && !ok {
		return fmt.Errorf("there is no queue %q", e.Queue)
	}
	body := e.Body
	if body == "" {
		var err error
		if body, err = s.body(e); err != nil {
			return err
		}
	}
	for _, name := range s.names() {
		if q := s.queues[name]; e.Queue == "" || e.Queue == name {
			s.put(q, body, max(q.Copies, e.Copies))
		}
	}
	return nil
}

// names lists the queues in order. The caller holds the lock.
func (s *Service) names() []string {
	all := make([]string, 0, len(s.queues))
	for name := range s.queues {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

// body writes an event down; what it leaves open is the world's. The caller holds the lock.
func (s *Service) body(e admin.Event) (string, error) {
	s.events++
	sum := digest(fmt.Sprintf("%s %d", s.world.AccountID(), s.events))
	written := event{
		Version: "0", ID: fmt.Sprintf("%s-%s-%s-%s-%s", sum[:8], sum[8:12], sum[12:16], sum[16:20], sum[20:]),
		DetailType: e.DetailType, Source: e.Source, Account: e.Account, Region: e.Region, Resources: []string{}, Detail: e.Detail,
	}
	if written.Account == "" {
		written.Account = s.world.AccountID()
	}
	if written.Region == "" {
		written.Region = s.world.Region()
	}
	at := s.world.Now()
	if e.Time != nil {
		at = *e.Time
	}
	written.Time = s.world.Told(at).UTC().Truncate(time.Second)
	for _, id := range e.Instances {
		written.Resources = append(written.Resources, fmt.Sprintf("arn:aws:ec2:%s:%s:instance/%s", written.Region, written.Account, id))
	}
	text, err := json.Marshal(written)
	if err != nil {
		return "", fmt.Errorf("writing an event: %w", err)
	}
	return string(text), nil
}

// observe tells what has become of instances since it last looked: warnings to spot and changes of state. States that an instance
// passed through between two looks are not told. The caller holds the lock.
func (s *Service) observe() {
	if !slices.ContainsFunc(s.names(), func(name string) bool { return len(s.queues[name].Rules) > 0 }) {
		return
	}
	for _, i := range s.world.Instances() {
		before := s.told[i.ID]
		now := sight{state: i.State, warned: !i.Warned.IsZero()}
		s.told[i.ID] = now
		if now.warned && !before.warned {
			s.publish(admin.SpotWarning(i.ID).At(i.Warned))
		}
		if now.state != before.state {
			s.publish(admin.StateChange(i.ID, string(now.state)).At(since(i)))
		}
	}
}

// since is when an instance came into its state.
func since(i world.Instance) time.Time {
	switch i.State {
	case world.Running:
		return i.Runs
	case world.Stopping:
		return i.Halted
	case world.Stopped:
		return i.Halts
	case world.ShuttingDown:
		return i.Shutdown
	case world.Terminated:
		return i.Ends
	default:
		return i.Launched
	}
}

// publish puts an event where rules want it and may. The caller holds the lock.
func (s *Service) publish(e admin.Event) {
	body, err := s.body(e)
	if err != nil { // it is text and times alone
		return
	}
	for _, name := range s.names() {
		q := s.queues[name]
		if slices.ContainsFunc(q.Rules, func(r Rule) bool { return r.DetailType == e.DetailType && q.admits(r, s.arn(name)) }) {
			s.put(q, body, q.Copies)
		}
	}
}

// Queues tells how full each queue is, by name.
func (s *Service) Queues() []admin.Queue {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.observe()
	all := []admin.Queue{}
	for _, name := range s.names() {
		q := s.queues[name]
		hidden := q.hidden(s.world.Now())
		all = append(all, admin.Queue{Name: name, Visible: len(q.messages) - hidden, InFlight: hidden, Received: q.received, Deleted: q.deleted})
	}
	return all
}
