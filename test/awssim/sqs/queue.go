package sqs

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kerf-autoscaler/kerf/test/awssim/iam"
)

// Config is a queue to begin with.
type Config struct {
	Name string
	// VisibilityTimeout is how long a message that was received is kept from others; 0 is 30 seconds, as at AWS.
	VisibilityTimeout time.Duration
	// Retention is how long a message is kept that nobody deletes; 0 is four days, as at AWS.
	Retention time.Duration
	// Rules are those of EventBridge that want to put events here.
	Rules []Rule
	// Policy says, as JSON, who may do what with the queue, besides what their own policies say; empty is none, and then the rules may.
	Policy string
	// Copies is how often each message is delivered, as a queue that promises at least once may; 0 is once.
	Copies int
}

// Rule is one of EventBridge about one type of events.
type Rule struct{ ARN, DetailType string }

// What AWS has by default.
const (
	defaultVisibility = 30 * time.Second
	defaultRetention  = 4 * 24 * time.Hour
)

// queue holds messages until somebody deletes them. The caller holds the lock of the service.
type queue struct {
	Config
	policy   *iam.Document // nil for none
	created  time.Time
	serial   int // of the last message put in
	messages []*message
	deleted  int
	received int
}

// message is one copy of a message. Copies of the same have the same id.
type message struct {
	serial   int
	id, body string
	sent     time.Time
	first    time.Time // when it was first received
	visible  time.Time
	receives int
}

func newQueue(c Config, now time.Time) (*queue, error) {
	if c.VisibilityTimeout == 0 {
		c.VisibilityTimeout = defaultVisibility
	}
	if c.Retention == 0 {
		c.Retention = defaultRetention
	}
	q := &queue{Config: c, created: now}
	if c.Policy != "" {
		policy, err := iam.Parse(c.Policy)
		if err != nil {
			return nil, err
		}
		q.policy = &policy
	}
	return q, nil
}

// admits says whether a rule may put a message in. It comes with TLS.
func (q *queue) admits(rule Rule, arn string) bool {
	if q.policy == nil {
		return true
	}
	request := iam.Request{Action: "sqs:SendMessage", Resource: arn, Context: map[string][]string{
		"aws:SourceArn": {rule.ARN}, "aws:SecureTransport": {"true"},
	}}
	return iam.Decision{}.Within(q.policy, iam.ServiceOf("events.amazonaws.com"), request).Allowed
}

// put takes a message in, so many copies of it, and returns its id.
func (q *queue) put(body string, copies int, now time.Time) string {
	id := ""
	for range max(copies, 1) {
		q.serial++
		if id == "" {
			sum := digest(q.Name + strconv.Itoa(q.serial))
			id = fmt.Sprintf("%s-%s-%s-%s-%s", sum[:8], sum[8:12], sum[12:16], sum[16:20], sum[20:])
		}
		q.messages = append(q.messages, &message{serial: q.serial, id: id, body: body, sent: now, visible: now})
	}
	return id
}

// take hands out up to so many messages that nobody else holds, the oldest first, and holds them for a time.
func (q *queue) take(most int, hold time.Duration, now time.Time) []*message {
	q.messages = slices.DeleteFunc(q.messages, func(m *message) bool { return now.Sub(m.sent) >= q.Retention })
	var out []*message
	for _, m := range q.messages {
		if len(out) == most {
			break
		}
		if now.Before(m.visible) {
			continue
		}
		if m.receives++; m.receives == 1 {
			m.first = now
		}
		m.visible = now.Add(hold)
		out = append(out, m)
	}
	q.received += len(out)
	return out
}

// handle is what a receiver of a message deletes it by; each receipt has its own.
func (q *queue) handle(m *message) string {
	return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%s/%d/%d", q.Name, m.serial, m.receives))
}

// remove deletes the message of a handle; false if the handle is none. A message that is gone already is no mistake.
func (q *queue) remove(handle string) bool {
	i, valid := q.find(handle)
	if i >= 0 {
		q.messages = slices.Delete(q.messages, i, i+1)
		q.deleted++
	}
	return valid
}

// find returns where the message of a handle is, less than 0 when it is gone; false if the handle is none.
func (q *queue) find(handle string) (int, bool) {
	text, err := base64.StdEncoding.DecodeString(handle)
	parts := strings.Split(string(text), "/")
	if err != nil || len(parts) != 3 || parts[0] != q.Name {
		return -1, false
	}
	serial, err := strconv.Atoi(parts[1])
	if err != nil {
		return -1, false
	}
	return slices.IndexFunc(q.messages, func(m *message) bool { return m.serial == serial }), true
}

// hidden counts the messages that somebody holds.
func (q *queue) hidden(now time.Time) int {
	n := 0
	for _, m := range q.messages {
		if now.Before(m.visible) {
			n++
		}
	}
	return n
}

// digest is the MD5 of a text, as the protocol has it.
func digest(text string) string {
	sum := md5.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}
