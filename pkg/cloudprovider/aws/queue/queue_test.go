package queue_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/awserr"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/messages"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/queue"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/transport"
	"github.com/kerf-autoscaler/kerf/test/awssim"
	"github.com/kerf-autoscaler/kerf/test/awssim/admin"
	awssimsqs "github.com/kerf-autoscaler/kerf/test/awssim/sqs"
	"github.com/kerf-autoscaler/kerf/test/awssim/world"
)

const region, cluster = "us-east-1", "demo"

// account is a simulated one with a clock that stands still.
type account struct {
	*awssim.Server
	clock  *clocktesting.FakeClock
	client *sqs.Client
}

func start(t *testing.T, config awssim.Config) *account {
	t.Helper()
	described, err := awssim.DefaultWorld(region, cluster)
	if err != nil {
		t.Fatal(err)
	}
	a := &account{clock: clocktesting.NewFakeClock(time.Now())}
	described.Clock = a.clock
	config.World = described
	if a.Server, err = awssim.Start(config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	a.client = sqs.New(sqs.Options{
		Region: region, BaseEndpoint: awssdk.String(a.URL()), HTTPClient: transport.New(http.DefaultClient), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(world.DefaultAccessKeyID, "not-checked", ""),
	})
	return a
}

func (a *account) send(t *testing.T, bodies ...string) {
	t.Helper()
	for _, body := range bodies {
		if err := a.SendEvent(admin.Event{Queue: cluster, Body: body}); err != nil {
			t.Fatal(err)
		}
	}
}

func bodies(list []queue.Message) []string {
	var out []string
	for _, m := range list {
		out = append(out, m.Body)
	}
	return out
}

func TestWhatIsNotDeletedComesAgainAndSaysHowOften(t *testing.T) {
	a := start(t, awssim.Config{Queues: []awssimsqs.Config{{Name: cluster}}})
	q := queue.New(a.client, cluster)
	home, err := q.Home(t.Context())
	if diff := cmp.Diff(messages.Home{Account: a.World().AccountID(), Region: region}, home); diff != "" || err != nil {
		t.Fatalf("%v (-want +got):\n%s", err, diff)
	}
	a.send(t, "a", "b", "c")
	list, err := q.Receive(t.Context(), 0)
	if err != nil || !slices.Equal(bodies(list), []string{"a", "b", "c"}) || list[0].Deliveries != 1 {
		t.Fatalf("received %+v (%v)", list, err)
	}
	if n, err := q.Delete(t.Context(), list[:2]); n != 2 || err != nil {
		t.Errorf("deleted %d (%v)", n, err)
	}
	if n, err := q.Delete(t.Context(), nil); n != 0 || err != nil {
		t.Errorf("deleted %d of none (%v)", n, err)
	}
	a.clock.Step(queue.Hold)
	again, err := q.Receive(t.Context(), 0)
	if err != nil || !slices.Equal(bodies(again), []string{"c"}) || again[0].Deliveries != 2 {
		t.Errorf("received %+v (%v)", again, err)
	}
	again[0].Handle = "made up"
	if n, err := q.Delete(t.Context(), again); n != 0 || err == nil || !strings.Contains(err.Error(), "ReceiptHandleIsInvalid") {
		t.Errorf("deleted %d (%v)", n, err)
	}
}

func TestAQueueThatIsMadeLaterIsFound(t *testing.T) {
	a := start(t, awssim.Config{})
	q := queue.New(a.client, cluster)
	if _, err := q.Receive(t.Context(), 0); !awserr.IsNotFound(err) || !strings.Contains(err.Error(), "sqs:GetQueueUrl") {
		t.Fatalf("%v, want it not found", err)
	}
	if _, err := a.client.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: awssdk.String(cluster)}); err != nil {
		t.Fatal(err)
	}
	a.send(t, "a")
	if list, err := q.Receive(t.Context(), 0); err != nil || len(list) != 1 {
		t.Errorf("received %+v (%v)", list, err)
	}
}

func TestEachCallThatIsDeniedIsNamed(t *testing.T) {
	for _, missing := range []string{"sqs:GetQueueUrl", "sqs:GetQueueAttributes", "sqs:ReceiveMessage", "sqs:DeleteMessage"} {
		t.Run(missing, func(t *testing.T) {
			policy := `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sqs:*", "Resource": "*"},
				{"Effect": "Deny", "Action": "` + missing + `", "Resource": "*"}]}`
			a := start(t, awssim.Config{Policies: []string{policy}, Queues: []awssimsqs.Config{{Name: cluster}}})
			a.send(t, "a")
			q := queue.New(a.client, cluster)
			list, err := q.Receive(t.Context(), 0)
			if err == nil {
				_, err = q.Delete(t.Context(), list)
			}
			if !awserr.Is(err, awserr.Denied) || !strings.Contains(err.Error(), "credentials refused by "+missing) || errors.Unwrap(err) == nil {
				t.Errorf("%v", err)
			}
		})
	}
}
