package sqs

import (
	"slices"
	"strconv"
	"time"

	"github.com/kerf-autoscaler/kerf/test/awssim/apierror"
	"github.com/kerf-autoscaler/kerf/test/awssim/wire"
)

const (
	// mostMessages is how many one call is about at most, longestPoll how long one may wait.
	mostMessages, longestPoll = 10, 20
	// longestHold is the longest visibility timeout, in seconds.
	longestHold = 12 * 60 * 60
	// glance is how often a poll that waits looks at the instances, whose states nobody announces.
	glance = 50 * time.Millisecond
)

type queueOutput struct {
	QueueURL string `json:"QueueUrl"`
}

// url is where the queue is, as the caller reaches the simulator.
func (s *Service) url(r *wire.Request, name string) queueOutput {
	return queueOutput{"http://" + r.HTTP.Host + "/" + s.world.AccountID() + "/" + name}
}

func (s *Service) createQueue(r *wire.Request) (any, error) {
	var in struct {
		QueueName  string
		Attributes map[string]string
	}
	if err := wire.DecodeJSON(r, &in); err != nil {
		return nil, err
	}
	if in.QueueName == "" {
		return nil, apierror.Missing("QueueName")
	}
	c := Config{Name: in.QueueName, Policy: in.Attributes["Policy"]}
	for name, into := range map[string]*time.Duration{"VisibilityTimeout": &c.VisibilityTimeout, "MessageRetentionPeriod": &c.Retention} {
		if text, ok := in.Attributes[name]; ok {
			n, err := strconv.Atoi(text)
			if err != nil || n < 0 {
				return nil, apierror.New("InvalidAttributeValue", "Invalid value for the parameter %s.", name)
			}
			*into = time.Duration(n) * time.Second
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, there := s.queues[c.Name]; !there {
		q, err := newQueue(c, s.world.Now())
		if err != nil {
			return nil, apierror.New("InvalidAttributeValue", "Invalid value for the parameter Policy.")
		}
		s.queues[c.Name] = q
	}
	return s.url(r, c.Name), nil
}

func (s *Service) queueURL(r *wire.Request) (any, error) {
	var in struct{ QueueName, QueueOwnerAWSAccountID string }
	if err := wire.DecodeJSON(r, &in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.queues[in.QueueName]; !ok || in.QueueOwnerAWSAccountID != "" && in.QueueOwnerAWSAccountID != s.world.AccountID() {
		return nil, errNoQueue()
	}
	return s.url(r, in.QueueName), nil
}

func (s *Service) attributes(r *wire.Request) (any, error) {
	var in struct {
		QueueURL       string
		AttributeNames []string
	}
	if err := wire.DecodeJSON(r, &in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.observe()
	q, err := s.find(in.QueueURL)
	if err != nil {
		return nil, err
	}
	hidden := q.hidden(s.world.Now())
	all := map[string]string{
		"QueueArn": s.arn(q.Name), "CreatedTimestamp": strconv.FormatInt(q.created.Unix(), 10),
		"VisibilityTimeout": strconv.Itoa(int(q.VisibilityTimeout.Seconds())), "MessageRetentionPeriod": strconv.Itoa(int(q.Retention.Seconds())),
		"ApproximateNumberOfMessages": strconv.Itoa(len(q.messages) - hidden), "ApproximateNumberOfMessagesNotVisible": strconv.Itoa(hidden),
	}
	out := map[string]string{}
	for _, name := range in.AttributeNames {
		if name == "All" {
			out = all
			break
		}
		value, ok := all[name]
		if !ok {
			return nil, apierror.New("InvalidAttributeName", "Unknown Attribute %s.", name)
		}
		out[name] = value
	}
	return map[string]any{"Attributes": out}, nil
}

func (s *Service) send(r *wire.Request) (any, error) {
	var in struct{ QueueURL, MessageBody string }
	if err := wire.DecodeJSON(r, &in); err != nil {
		return nil, err
	}
	if in.MessageBody == "" {
		return nil, apierror.Missing("MessageBody")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.QueueURL)
	if err != nil {
		return nil, err
	}
	return map[string]string{"MessageId": s.put(q, in.MessageBody, q.Copies), "MD5OfMessageBody": digest(in.MessageBody)}, nil
}

type receiveInput struct {
	QueueURL                                       string
	MaxNumberOfMessages                            *int
	VisibilityTimeout, WaitTimeSeconds             *int
	AttributeNames, MessageSystemAttributeNames    []string
	MessageAttributeNames, ReceiveRequestAttemptID any // accepted, without effect
}

func (i *receiveInput) check() error {
	for _, p := range []struct {
		name        string
		value       *int
		least, most int
	}{
		{"MaxNumberOfMessages", i.MaxNumberOfMessages, 1, mostMessages}, {"WaitTimeSeconds", i.WaitTimeSeconds, 0, longestPoll},
		{"VisibilityTimeout", i.VisibilityTimeout, 0, longestHold},
	} {
		if p.value != nil && (*p.value < p.least || *p.value > p.most) {
			return apierror.InvalidValue(p.name, *p.value, "Reason: Must be between "+strconv.Itoa(p.least)+" and "+strconv.Itoa(p.most)+", if provided.")
		}
	}
	return nil
}

type received struct {
	MessageID     string `json:"MessageId"`
	ReceiptHandle string
	MD5OfBody     string
	Body          string
	Attributes    map[string]string `json:",omitempty"`
}

// receive waits for messages, if it is told to, in real time: a client that waits knows no other.
func (s *Service) receive(r *wire.Request) (any, error) {
	var in receiveInput
	if err := wire.DecodeJSON(r, &in); err != nil {
		return nil, err
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	over := time.NewTimer(seconds(in.WaitTimeSeconds, 0))
	defer over.Stop()
	for {
		found, news, err := s.look(&in)
		if err != nil {
			return nil, err
		}
		if len(found) > 0 || in.WaitTimeSeconds == nil || *in.WaitTimeSeconds == 0 {
			return map[string][]received{"Messages": found}, nil
		}
		select {
		case <-news:
		case <-time.After(glance):
		case <-over.C:
			return struct{}{}, nil
		case <-r.HTTP.Context().Done():
			return struct{}{}, nil
		}
	}
}

// look takes what there is; if that is nothing, the channel tells when there is more.
func (s *Service) look(in *receiveInput) ([]received, <-chan struct{}, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.observe()
	q, err := s.find(in.QueueURL)
	if err != nil {
		return nil, nil, err
	}
	most := 1
	if in.MaxNumberOfMessages != nil {
		most = *in.MaxNumberOfMessages
	}
	var out []received
	names := slices.Concat(in.AttributeNames, in.MessageSystemAttributeNames)
	for _, m := range q.take(most, seconds(in.VisibilityTimeout, q.VisibilityTimeout), s.world.Now()) {
		told := received{MessageID: m.id, ReceiptHandle: q.handle(m), MD5OfBody: digest(m.body), Body: m.body, Attributes: map[string]string{}}
		for name, value := range map[string]string{
			"SentTimestamp": milliseconds(s.world.Told(m.sent)), "ApproximateFirstReceiveTimestamp": milliseconds(s.world.Told(m.first)),
			"ApproximateReceiveCount": strconv.Itoa(m.receives),
		} {
			if slices.Contains(names, name) || slices.Contains(names, "All") {
				told.Attributes[name] = value
			}
		}
		out = append(out, told)
	}
	return out, s.news, nil
}

func milliseconds(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }

func (s *Service) deleteOne(r *wire.Request) (any, error) {
	var in struct{ QueueURL, ReceiptHandle string }
	if err := wire.DecodeJSON(r, &in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.QueueURL)
	if err != nil {
		return nil, err
	}
	if !q.remove(in.ReceiptHandle) {
		return nil, errHandle(in.ReceiptHandle)
	}
	return struct{}{}, nil
}

func errHandle(handle string) *apierror.Error {
	return apierror.New("ReceiptHandleIsInvalid", "The input receipt handle %q is not a valid receipt handle.", handle)
}

func (s *Service) deleteBatch(r *wire.Request) (any, error) {
	type done struct {
		ID string `json:"Id"`
	}
	type failure struct {
		ID          string `json:"Id"`
		Code        string
		Message     string
		SenderFault bool
	}
	var in struct {
		QueueURL string
		Entries  []struct{ ID, ReceiptHandle string }
	}
	if err := wire.DecodeJSON(r, &in); err != nil {
		return nil, err
	}
	ids := map[string]bool{}
	for _, e := range in.Entries {
		ids[e.ID] = true
	}
	switch {
	case len(in.Entries) == 0:
		return nil, apierror.New("EmptyBatchRequest", "There should be at least one DeleteMessageBatchRequestEntry in the request.")
	case len(in.Entries) > mostMessages:
		return nil, apierror.New("TooManyEntriesInBatchRequest", "Maximum number of entries per request are %d. You have sent %d.", mostMessages, len(in.Entries))
	case len(ids) < len(in.Entries):
		return nil, apierror.New("BatchEntryIdsNotDistinct", "Two or more batch entries have the same Id.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.QueueURL)
	if err != nil {
		return nil, err
	}
	out := struct {
		Successful []done
		Failed     []failure
	}{[]done{}, []failure{}}
	for _, e := range in.Entries {
		if q.remove(e.ReceiptHandle) {
			out.Successful = append(out.Successful, done{e.ID})
			continue
		}
		no := errHandle(e.ReceiptHandle)
		out.Failed = append(out.Failed, failure{ID: e.ID, Code: no.Code, Message: no.Message, SenderFault: true})
	}
	return out, nil
}
