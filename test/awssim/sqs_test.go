package awssim_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"

	"github.com/kerf-autoscaler/kerf/test/awssim"
	"github.com/kerf-autoscaler/kerf/test/awssim/admin"
	"github.com/kerf-autoscaler/kerf/test/awssim/faults"
	awssimsqs "github.com/kerf-autoscaler/kerf/test/awssim/sqs"
	"github.com/kerf-autoscaler/kerf/test/awssim/world"
)

const hold = 20 * time.Second

// line is a simulator with one queue, and a client of it.
type line struct {
	*sim
	client *sqs.Client
	url    string
}

func startLine(t *testing.T, queue awssimsqs.Config) *line {
	t.Helper()
	queue.Name, queue.VisibilityTimeout = cluster, hold
	s := startWith(t, awssim.Config{Queues: []awssimsqs.Config{queue}})
	l := &line{sim: s, client: sqs.NewFromConfig(s.aws)}
	found, err := l.client.GetQueueUrl(s.ctx(), &sqs.GetQueueUrlInput{QueueName: aws.String(cluster)})
	if err != nil {
		t.Fatal(err)
	}
	l.url = *found.QueueUrl
	return l
}

func (l *line) receive(changes ...func(*sqs.ReceiveMessageInput)) []sqstypes.Message {
	l.t.Helper()
	in := &sqs.ReceiveMessageInput{
		QueueUrl: &l.url, MaxNumberOfMessages: 10, MessageSystemAttributeNames: []sqstypes.MessageSystemAttributeName{sqstypes.MessageSystemAttributeNameAll},
	}
	for _, change := range changes {
		change(in)
	}
	out, err := l.client.ReceiveMessage(l.ctx(), in)
	if err != nil {
		l.t.Fatalf("receiving: %v", err)
	}
	return out.Messages
}

func (l *line) send(body string) {
	l.t.Helper()
	if _, err := l.client.SendMessage(l.ctx(), &sqs.SendMessageInput{QueueUrl: &l.url, MessageBody: &body}); err != nil {
		l.t.Fatalf("sending: %v", err)
	}
}

func (l *line) remove(handle *string) error {
	_, err := l.client.DeleteMessage(l.ctx(), &sqs.DeleteMessageInput{QueueUrl: &l.url, ReceiptHandle: handle})
	return err
}

func bodies(list []sqstypes.Message) []string {
	var out []string
	for _, m := range list {
		out = append(out, *m.Body)
	}
	return out
}

func TestAMessageIsKeptFromOthersUntilItIsDeletedOrItsTimeIsUp(t *testing.T) {
	l := startLine(t, awssimsqs.Config{})
	l.send("a")
	l.send("b")
	if diff := cmp.Diff([]string{"a", "b"}, bodies(l.receive())); diff != "" {
		t.Errorf("first (-want +got):\n%s", diff)
	}
	if held := l.receive(); len(held) != 0 {
		t.Errorf("others get %v", bodies(held))
	}
	l.clock.Step(hold)
	again := l.receive()
	if diff := cmp.Diff([]string{"a", "b"}, bodies(again)); diff != "" {
		t.Fatalf("again (-want +got):\n%s", diff)
	}
	if got := again[0].Attributes["ApproximateReceiveCount"]; got != "2" {
		t.Errorf("received %s times, want 2", got)
	}
	for range 2 { // what is gone is no mistake
		if err := l.remove(again[0].ReceiptHandle); err != nil {
			t.Error(err)
		}
	}
	l.clock.Step(hold)
	if left := l.receive(func(in *sqs.ReceiveMessageInput) { in.VisibilityTimeout = 60 }); !slices.Equal(bodies(left), []string{"b"}) {
		t.Errorf("left: %v", bodies(left))
	}
	l.clock.Step(hold)
	want := []admin.Queue{{Name: cluster, InFlight: 1, Received: 5, Deleted: 1}}
	if diff := cmp.Diff(want, l.Queues()); diff != "" {
		t.Errorf("queues (-want +got):\n%s", diff)
	}
	l.clock.Step(4 * 24 * time.Hour)
	if old := l.receive(); len(old) != 0 {
		t.Errorf("kept after its time: %v", bodies(old))
	}
}

func TestABatchIsDeletedAsFarAsItsHandlesAreSome(t *testing.T) {
	l := startLine(t, awssimsqs.Config{})
	l.send("a")
	l.send("b")
	list := l.receive()
	entry := func(id string, handle *string) sqstypes.DeleteMessageBatchRequestEntry {
		return sqstypes.DeleteMessageBatchRequestEntry{Id: &id, ReceiptHandle: handle}
	}
	out, err := l.client.DeleteMessageBatch(l.ctx(), &sqs.DeleteMessageBatchInput{QueueUrl: &l.url, Entries: []sqstypes.DeleteMessageBatchRequestEntry{
		entry("0", list[0].ReceiptHandle), entry("1", aws.String("made up")), entry("2", list[1].ReceiptHandle),
	}})
	if err != nil || len(out.Successful) != 2 || len(out.Failed) != 1 || *out.Failed[0].Id != "1" || *out.Failed[0].Code != "ReceiptHandleIsInvalid" {
		t.Errorf("%+v (%v)", out, err)
	}
	if q := l.Queues()[0]; q.InFlight != 0 || q.Deleted != 2 {
		t.Errorf("%+v", q)
	}
}

func TestMessagesMayComeSeveralTimes(t *testing.T) {
	l := startLine(t, awssimsqs.Config{Copies: 3})
	l.send("a")
	list := l.receive()
	if diff := cmp.Diff([]string{"a", "a", "a"}, bodies(list)); diff != "" {
		t.Fatalf("received (-want +got):\n%s", diff)
	}
	if *list[0].MessageId != *list[2].MessageId || *list[0].ReceiptHandle == *list[2].ReceiptHandle {
		t.Errorf("%+v", list)
	}
}

func TestALongPollEndsWhenAMessageComes(t *testing.T) {
	l := startLine(t, awssimsqs.Config{})
	got := make(chan []string, 1)
	go func() {
		out, err := l.client.ReceiveMessage(l.ctx(), &sqs.ReceiveMessageInput{QueueUrl: &l.url, WaitTimeSeconds: 20})
		if err != nil {
			got <- []string{err.Error()}
			return
		}
		got <- bodies(out.Messages)
	}()
	if early := l.receive(func(in *sqs.ReceiveMessageInput) { in.WaitTimeSeconds = 1 }); len(early) != 0 {
		t.Fatalf("received %v", bodies(early))
	}
	select {
	case early := <-got:
		t.Fatalf("received %v", early)
	default:
	}
	l.send("a")
	select {
	case list := <-got:
		if !slices.Equal(list, []string{"a"}) {
			t.Errorf("received %v", list)
		}
	case <-time.After(10 * time.Second):
		t.Error("nothing was received")
	}
}

func TestQueuesThatAreNotThereAndCallsThatAreNoneAreRefused(t *testing.T) {
	l := startLine(t, awssimsqs.Config{})
	elsewhere := strings.Replace(l.url, l.World().AccountID(), "999999999999", 1)
	receive := func(in *sqs.ReceiveMessageInput) error {
		_, err := l.client.ReceiveMessage(l.ctx(), in)
		return err
	}
	_, unnamed := l.client.GetQueueUrl(l.ctx(), &sqs.GetQueueUrlInput{QueueName: aws.String("other")})
	_, attribute := l.client.GetQueueAttributes(l.ctx(), &sqs.GetQueueAttributesInput{QueueUrl: &l.url, AttributeNames: []sqstypes.QueueAttributeName{"Colour"}})
	_, purged := l.client.PurgeQueue(l.ctx(), &sqs.PurgeQueueInput{QueueUrl: &l.url})
	for name, tc := range map[string]struct {
		err  error
		want string
	}{
		"a name that is none":          {unnamed, "AWS.SimpleQueueService.NonExistentQueue"},
		"a queue of another account":   {receive(&sqs.ReceiveMessageInput{QueueUrl: &elsewhere}), "AWS.SimpleQueueService.NonExistentQueue"},
		"more than ten messages":       {receive(&sqs.ReceiveMessageInput{QueueUrl: &l.url, MaxNumberOfMessages: 11}), "InvalidParameterValue"},
		"more than twenty seconds":     {receive(&sqs.ReceiveMessageInput{QueueUrl: &l.url, WaitTimeSeconds: 21}), "InvalidParameterValue"},
		"an attribute that is none":    {attribute, "InvalidAttributeName"},
		"a handle that is none":        {l.remove(aws.String("made up")), "ReceiptHandleIsInvalid"},
		"an operation that is not yet": {purged, "UnknownOperationException"},
	} {
		if got := code(tc.err); got != tc.want {
			t.Errorf("%s: %s (%v), want %s", name, got, tc.err, tc.want)
		}
	}
	made, err := l.client.CreateQueue(l.ctx(), &sqs.CreateQueueInput{QueueName: aws.String("other"), Attributes: map[string]string{"VisibilityTimeout": "7"}})
	if err != nil {
		t.Fatal(err)
	}
	told, err := l.client.GetQueueAttributes(l.ctx(), &sqs.GetQueueAttributesInput{QueueUrl: made.QueueUrl, AttributeNames: []sqstypes.QueueAttributeName{"All"}})
	if err != nil || told.Attributes["VisibilityTimeout"] != "7" || told.Attributes["QueueArn"] != "arn:aws:sqs:"+region+":"+l.World().AccountID()+":other" {
		t.Errorf("%+v (%v)", told, err)
	}
}

func TestTheQueueGoesByThePolicy(t *testing.T) {
	allowed := `{"Version": "2012-10-17", "Statement": [{"Sid": "Q", "Effect": "Allow", "Action": ["sqs:GetQueueUrl", "sqs:ReceiveMessage", "sqs:DeleteMessage"],
		"Resource": "arn:aws:sqs:*:*:` + cluster + `"}]}`
	s := startWith(t, awssim.Config{Policies: []string{allowed}, Queues: []awssimsqs.Config{{Name: cluster}, {Name: "other"}}})
	client := sqs.NewFromConfig(s.aws)
	found, err := client.GetQueueUrl(s.ctx(), &sqs.GetQueueUrlInput{QueueName: aws.String(cluster)})
	if err != nil {
		t.Fatal(err)
	}
	_, other := client.GetQueueUrl(s.ctx(), &sqs.GetQueueUrlInput{QueueName: aws.String("other")})
	_, send := client.SendMessage(s.ctx(), &sqs.SendMessageInput{QueueUrl: found.QueueUrl, MessageBody: aws.String("x")})
	for name, err := range map[string]error{"another queue": other, "another action": send} {
		if got := code(err); got != "AccessDeniedException" && got != "AccessDenied" || !strings.Contains(err.Error(), "is not authorized to perform: sqs:") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := s.SendEvent(admin.Event{Queue: cluster, Body: "x"}); err != nil {
		t.Fatal(err)
	}
	out, err := client.ReceiveMessage(s.ctx(), &sqs.ReceiveMessageInput{QueueUrl: found.QueueUrl})
	if err != nil || len(out.Messages) != 1 {
		t.Fatalf("%+v (%v)", out, err)
	}
	if _, err := client.DeleteMessageBatch(s.ctx(), &sqs.DeleteMessageBatchInput{QueueUrl: found.QueueUrl, Entries: []sqstypes.DeleteMessageBatchRequestEntry{
		{Id: aws.String("0"), ReceiptHandle: out.Messages[0].ReceiptHandle},
	}}); err != nil {
		t.Errorf("a batch needs more than what it is made of: %v", err)
	}
}

// told is what an event says.
type told struct {
	Source, Account, Region string
	DetailType              string `json:"detail-type"`
	Time                    time.Time
	Detail                  map[string]string
}

func (l *line) events() []string {
	l.t.Helper()
	var out []string
	for _, m := range l.receive() {
		var e told
		if err := json.Unmarshal([]byte(*m.Body), &e); err != nil {
			l.t.Fatalf("%s: %v", *m.Body, err)
		}
		if e.Source != "aws.ec2" || e.Account != l.World().AccountID() || e.Region != region {
			l.t.Errorf("%+v", e)
		}
		out = append(out, fmt.Sprintf("%s %s%s", e.Time.Sub(l.clock.Now()), e.DetailType[4:8], e.Detail["state"]))
		if err := l.remove(m.ReceiptHandle); err != nil {
			l.t.Error(err)
		}
	}
	return out
}

func TestTheQueueHearsWhatBecomesOfInstances(t *testing.T) {
	l := startLine(t, awssimsqs.Config{Rules: []awssimsqs.Rule{{DetailType: admin.DetailSpotWarning}, {DetailType: admin.DetailStateChange}}})
	l.makeTemplate()
	in := l.fleetOf(1, "m5.large")
	in.TargetCapacitySpecification.DefaultTargetCapacityType = "spot"
	id := ids(l.launch(in))[0]
	client := admin.NewClient(l.AdminURL())
	expect := func(when string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, l.events()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", when, diff)
		}
	}
	expect("launched", "0s Instpending")
	expect("nothing new")
	l.clock.Step(bootDelay + time.Second)
	expect("it runs", "-1s Instrunning")
	notice := admin.Duration(30 * time.Second)
	if err := client.Configure(l.ctx(), admin.Config{SpotNotice: &notice}); err != nil {
		t.Fatal(err)
	}
	if err := client.Befall(l.ctx(), id, faults.Interrupt); err != nil {
		t.Fatal(err)
	}
	expect("warned", "0s Spot")
	l.clock.Step(29 * time.Second)
	expect("it still runs")
	l.clock.Step(time.Second)
	expect("reclaimed", "0s Instshutting-down")
	l.clock.Step(stopDelay)
	expect("gone", "0s Instterminated")
	if _, err := l.ec2.TerminateInstances(l.ctx(), &ec2.TerminateInstancesInput{InstanceIds: []string{id}}); err != nil {
		t.Fatal(err)
	}
	expect("nothing more")
}

func TestEventsOfEveryFormCanBeSent(t *testing.T) {
	l := startLine(t, awssimsqs.Config{})
	client := admin.NewClient(l.AdminURL())
	for _, e := range []admin.Event{
		{Body: "no event"}, admin.Rebalance(noInstance).At(l.clock.Now().Add(-time.Hour)), {Source: "my.own", DetailType: "x", Account: "1", Region: "r", Copies: 2},
	} {
		if err := client.SendEvent(l.ctx(), e); err != nil {
			t.Fatal(err)
		}
	}
	if err := client.SendEvent(l.ctx(), admin.Event{Queue: "other"}); err == nil {
		t.Error("there is no such queue")
	}
	list := bodies(l.receive())
	if len(list) != 4 || list[0] != "no event" || !strings.Contains(list[1], `"time":"2026-09-01T11:00:00Z"`) ||
		!strings.Contains(list[2], `"account":"1"`) || list[2] != list[3] {
		t.Errorf("received %q", list)
	}
	queues, err := client.Queues(l.ctx())
	if err != nil || len(queues) != 1 || queues[0].InFlight != 4 {
		t.Errorf("%+v (%v)", queues, err)
	}
}

func TestAPollByHandNeedsNoSDK(t *testing.T) {
	l := startLine(t, awssimsqs.Config{})
	l.send("by hand")
	body := fmt.Sprintf(`{"QueueUrl": %q, "WaitTimeSeconds": 1}`, l.url)
	ctx, cancel := context.WithTimeout(l.ctx(), 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, l.URL()+"/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-amz-json-1.0")
	request.Header.Set("X-Amz-Target", "AmazonSQS.ReceiveMessage")
	request.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/20260901/%s/sqs/aws4_request, SignedHeaders=host, Signature=%s",
		world.DefaultAccessKeyID, region, digest("not checked")))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // it is read in full
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK || !strings.Contains(string(text), `"Body":"by hand"`) ||
		!strings.Contains(string(text), `"MD5OfBody":"7d909037a76176adb749eda313187060"`) {
		t.Errorf("%d %s (%v)", response.StatusCode, text, err)
	}
}
