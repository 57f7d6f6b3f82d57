// Package queue reads the SQS queue that EventBridge puts the ends of instances into.
package queue

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/awserr"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/messages"
)

const (
	// AtOnce is how many messages SQS gives at most in one answer.
	AtOnce = 10
	// LongestWait is how long SQS holds an answer back until there is a message.
	LongestWait = 20 * time.Second
	// Hold is how long a message that was received is kept from others: one that could not be handled comes again after that.
	Hold = 20 * time.Second
)

// Message is one delivery of a message.
type Message struct {
	ID, Body string
	// Deliveries is how often it was delivered, this time included; 1 if SQS does not say.
	Deliveries int
	// Handle is what this delivery is deleted by.
	Handle string
}

// Queue is the queue of a name. It is safe for concurrent use.
type Queue struct {
	api  *sqs.Client
	name string

	mu    sync.Mutex
	found *place // nil until it was looked up
}

// place is where a queue is.
type place struct {
	url  string
	home messages.Home
}

// New returns the queue of a name in the account and region of the client.
func New(api *sqs.Client, name string) *Queue { return &Queue{api: api, name: name} }

// Name returns the name of the queue.
func (q *Queue) Name() string { return q.name }

// Home returns the account and the region of the queue, which are those of the cluster.
func (q *Queue) Home(ctx context.Context) (messages.Home, error) {
	at, err := q.place(ctx)
	return at.home, err
}

// place looks the queue up once. What AWS says of its owner is believed, not what a URL looks like.
func (q *Queue) place(ctx context.Context) (place, error) {
	q.mu.Lock()
	known := q.found
	q.mu.Unlock()
	if known != nil {
		return *known, nil
	}
	url, err := q.URL(ctx)
	if err != nil {
		return place{}, err
	}
	owner, err := q.ARN(ctx, url)
	if err != nil {
		return place{}, err
	}
	at := place{url: url, home: messages.Home{Account: owner.AccountID, Region: owner.Region}}
	q.mu.Lock()
	q.found = &at
	q.mu.Unlock()
	return at, nil
}

// URL asks where the queue is.
func (q *Queue) URL(ctx context.Context) (string, error) {
	out, err := q.api.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &q.name})
	if err != nil {
		return "", awserr.Explain("sqs:GetQueueUrl", err)
	}
	return awssdk.ToString(out.QueueUrl), nil
}

// ARN asks whose the queue at a URL is.
func (q *Queue) ARN(ctx context.Context, url string) (arn.ARN, error) {
	out, err := q.api.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: &url, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameQueueArn},
	})
	if err != nil {
		return arn.ARN{}, awserr.Explain("sqs:GetQueueAttributes", err)
	}
	owner, err := arn.Parse(out.Attributes[string(sqstypes.QueueAttributeNameQueueArn)])
	if err != nil {
		return arn.ARN{}, fmt.Errorf("reading the ARN of queue %s: %w", q.name, err)
	}
	return owner, nil
}

// Receive waits until there are messages, or for a time. A queue that is gone is looked up anew by the next call: it may have been made again.
func (q *Queue) Receive(ctx context.Context, wait time.Duration) ([]Message, error) {
	at, err := q.place(ctx)
	if err != nil {
		return nil, err
	}
	out, err := q.api.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl: &at.url, MaxNumberOfMessages: AtOnce, WaitTimeSeconds: int32(wait.Seconds()), VisibilityTimeout: int32(Hold.Seconds()),
		MessageSystemAttributeNames: []sqstypes.MessageSystemAttributeName{sqstypes.MessageSystemAttributeNameApproximateReceiveCount},
	})
	if err != nil {
		if awserr.IsNotFound(err) {
			q.mu.Lock()
			q.found = nil
			q.mu.Unlock()
		}
		return nil, awserr.Explain("sqs:ReceiveMessage", err)
	}
	list := make([]Message, 0, len(out.Messages))
	for _, m := range out.Messages {
		deliveries, err := strconv.Atoi(m.Attributes[string(sqstypes.MessageSystemAttributeNameApproximateReceiveCount)])
		if err != nil {
			deliveries = 1
		}
		list = append(list, Message{
			ID: awssdk.ToString(m.MessageId), Body: awssdk.ToString(m.Body), Deliveries: deliveries, Handle: awssdk.ToString(m.ReceiptHandle),
		})
	}
	return list, nil
}

// Peek receives a message, if there is one, and leaves it to others a second later.
func (q *Queue) Peek(ctx context.Context) error {
	at, err := q.place(ctx)
	if err != nil {
		return err
	}
	if _, err := q.api.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &at.url, MaxNumberOfMessages: 1, VisibilityTimeout: 1}); err != nil {
		return awserr.Explain("sqs:ReceiveMessage", err)
	}
	return nil
}

// Pretend asks for the deletion of a message that there is not.
func (q *Queue) Pretend(ctx context.Context) error {
	at, err := q.place(ctx)
	if err != nil {
		return err
	}
	_, err = q.api.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: &at.url, Entries: []sqstypes.DeleteMessageBatchRequestEntry{
		{Id: awssdk.String("0"), ReceiptHandle: awssdk.String("made up")},
	}})
	if err != nil {
		return awserr.Explain("sqs:DeleteMessage", err)
	}
	return nil
}

// Delete deletes messages, at most AtOnce, and returns how many are gone.
func (q *Queue) Delete(ctx context.Context, list []Message) (int, error) {
	if len(list) == 0 {
		return 0, nil
	}
	at, err := q.place(ctx)
	if err != nil {
		return 0, err
	}
	in := &sqs.DeleteMessageBatchInput{QueueUrl: &at.url}
	for i, m := range list {
		in.Entries = append(in.Entries, sqstypes.DeleteMessageBatchRequestEntry{Id: awssdk.String(strconv.Itoa(i)), ReceiptHandle: awssdk.String(m.Handle)})
	}
	out, err := q.api.DeleteMessageBatch(ctx, in)
	if err != nil {
		return 0, awserr.Explain("sqs:DeleteMessage", err)
	}
	if len(out.Failed) > 0 {
		first := out.Failed[0]
		return len(out.Successful), fmt.Errorf("deleting %d of %d messages: %s: %s",
			len(out.Failed), len(list), awssdk.ToString(first.Code), awssdk.ToString(first.Message))
	}
	return len(out.Successful), nil
}
