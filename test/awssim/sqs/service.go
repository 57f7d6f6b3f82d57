// Package sqs is the queue that events of instances go to: the JSON protocol of SQS, and what EventBridge would put in.
package sqs

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/kerf-autoscaler/kerf/test/awssim/apierror"
	"github.com/kerf-autoscaler/kerf/test/awssim/iam"
	"github.com/kerf-autoscaler/kerf/test/awssim/wire"
	"github.com/kerf-autoscaler/kerf/test/awssim/world"
)

// Service is the SQS endpoint. It is safe for concurrent use.
type Service struct {
	world *world.World

	mu     sync.Mutex
	queues map[string]*queue // name -> queue
	news   chan struct{}     // closed when a message has come, then replaced
	told   map[string]sight  // id of an instance -> what was told of it
	events int               // so far
}

// New makes the endpoint of a world, with queues.
func New(w *world.World, queues ...Config) (*Service, error) {
	s := &Service{world: w, queues: map[string]*queue{}, news: make(chan struct{}), told: map[string]sight{}}
	for _, c := range queues {
		q, err := newQueue(c, w.Now())
		if err != nil {
			return nil, fmt.Errorf("making queue %s: %w", c.Name, err)
		}
		s.queues[c.Name] = q
	}
	return s, nil
}

// operation carries a call out; the service's lock is not held.
type operation func(*Service, *wire.Request) (any, error)

func operations() map[string]operation {
	return map[string]operation{
		"CreateQueue": (*Service).createQueue, "GetQueueUrl": (*Service).queueURL, "GetQueueAttributes": (*Service).attributes,
		"SendMessage": (*Service).send, "ReceiveMessage": (*Service).receive,
		"DeleteMessage": (*Service).deleteOne, "DeleteMessageBatch": (*Service).deleteBatch,
	}
}

// Call carries out a request.
func (s *Service) Call(r *wire.Request) (*wire.Response, error) {
	do, ok := operations()[r.Action]
	if !ok {
		return nil, apierror.New("UnknownOperationException", "%s is not an operation of this simulator", r.Action)
	}
	out, err := do(s, r)
	if err != nil {
		return nil, err
	}
	return wire.JSON10(out)
}

// codeNoQueue is the code of a queue that does not exist.
const codeNoQueue = "QueueDoesNotExist"

func errNoQueue() error { return apierror.New(codeNoQueue, "The specified queue does not exist.") }

// Refuse answers a request that could not be carried out.
func (s *Service) Refuse(_ *wire.Request, e *apierror.Error) *wire.Response {
	shape, queryCode := "com.amazonaws.sqs#"+e.Code, e.Code
	switch e.Code {
	case codeNoQueue:
		queryCode = "AWS.SimpleQueueService.NonExistentQueue"
	case "AccessDeniedException":
		shape, queryCode = "com.amazon.coral.service#"+e.Code, "AccessDenied"
	}
	return wire.JSON10Error(shape, queryCode, e)
}

// BadCredentials is how SQS refuses a key that it does not know, or a request without one.
func (s *Service) BadCredentials(missing bool) *apierror.Error {
	if missing {
		return apierror.New("MissingAuthenticationTokenException", "Missing Authentication Token").WithStatus(http.StatusForbidden)
	}
	return apierror.New("InvalidClientTokenId", "The security token included in the request is invalid.").WithStatus(http.StatusForbidden)
}

// Asks lists what IAM is asked about a call. Batches need what their single form does.
func (s *Service) Asks(r *wire.Request) []iam.Ask {
	var in struct{ QueueName, QueueURL string } // QueueUrl on the wire: letters in another case are the same to the decoder
	if _, known := operations()[r.Action]; !known || wire.DecodeJSON(r, &in) != nil {
		return nil
	}
	name := in.QueueName
	if name == "" {
		name = nameOf(in.QueueURL)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	ask := iam.Ask{Request: iam.Request{Action: "sqs:" + strings.TrimSuffix(r.Action, "Batch"), Resource: s.arn(name)}}
	if q, ok := s.queues[name]; ok {
		ask.Policy = q.policy
	}
	return []iam.Ask{ask}
}

// Denied is how SQS refuses what policies do not allow.
func (s *Service) Denied(principal string, r iam.Request, d iam.Decision) *apierror.Error {
	return apierror.New("AccessDeniedException", "%s", d.Because(principal, r)).WithStatus(http.StatusForbidden)
}

func (s *Service) arn(name string) string {
	return fmt.Sprintf("arn:aws:sqs:%s:%s:%s", s.world.Region(), s.world.AccountID(), name)
}

// nameOf is the last part of a queue's URL.
func nameOf(url string) string { return url[strings.LastIndex(url, "/")+1:] }

// find returns the queue of a URL. The caller holds the lock.
func (s *Service) find(url string) (*queue, error) {
	q, ok := s.queues[nameOf(url)]
	if !ok || !strings.HasSuffix(url, "/"+s.world.AccountID()+"/"+q.Name) {
		return nil, errNoQueue()
	}
	return q, nil
}

// put takes a message in and wakes those who wait for one. The caller holds the lock.
func (s *Service) put(q *queue, body string, copies int) string {
	id := q.put(body, copies, s.world.Now())
	close(s.news)
	s.news = make(chan struct{})
	return id
}

// seconds is a duration as SQS writes it.
func seconds(n *int, otherwise time.Duration) time.Duration {
	if n == nil {
		return otherwise
	}
	return time.Duration(*n) * time.Second
}
