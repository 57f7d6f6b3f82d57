package outage

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/smithy-go/middleware"
	"github.com/prometheus/client_golang/prometheus"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
)

// service is an EC2 that answers as it is told, with the gate before it.
type service struct {
	*ec2.Client
	clock  *clocktesting.FakeClock
	gate   *Gate
	answer atomic.Pointer[http.HandlerFunc]
	asked  atomic.Int32
}

func answering(status int, code string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		body := `<DescribeInstancesResponse><reservationSet/></DescribeInstancesResponse>`
		if code != "" {
			body = `<Response><Errors><Error><Code>` + code + `</Code><Message>m</Message></Error></Errors><RequestID>r</RequestID></Response>`
		}
		w.Write([]byte(body)) //nolint:errcheck // the client may be gone
	}
}

func hangingUp(w http.ResponseWriter, _ *http.Request) {
	if connection, _, err := http.NewResponseController(w).Hijack(); err == nil {
		connection.Close() //nolint:errcheck // it is thrown away
	}
}

func start(t *testing.T) *service {
	t.Helper()
	s := &service{clock: clocktesting.NewFakeClock(time.Unix(0, 0))}
	s.gate = New(s.clock)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		(*s.answer.Load())(w, r)
	}))
	t.Cleanup(server.Close)
	s.Client = ec2.New(ec2.Options{
		Region: "r", BaseEndpoint: awssdk.String(server.URL), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
		APIOptions:  []func(*middleware.Stack) error{s.gate.Middleware},
	})
	s.tell(answering(http.StatusOK, ""))
	return s
}

func (s *service) tell(answer http.HandlerFunc) { s.answer.Store(&answer) }

func (s *service) ask(t *testing.T) error {
	t.Helper()
	_, err := s.DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{})
	return err
}

// out returns how many actions are measured as out.
func (s *service) out(t *testing.T) int {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(s.gate.Collector())
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	if len(families) == 0 {
		return 0
	}
	return len(families[0].GetMetric())
}

func TestWhatDoesNotAnswerIsAskedNowAndThenByOneForAll(t *testing.T) {
	for name, down := range map[string]http.HandlerFunc{
		"no connection": hangingUp, "unavailable": answering(503, "Unavailable"), "broken": answering(500, "InternalError"), "no words": answering(502, "BadGateway"),
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			s.tell(down)
			for second := range 600 {
				for range 20 {
					if err := s.ask(t); !cloudprovider.IsUnavailable(err) {
						t.Fatalf("after %d s: %v, want that the cloud is unavailable", second, err)
					}
				}
				s.clock.Step(time.Second)
			}
			if n := s.asked.Load(); n < 100 || n > 130 {
				t.Errorf("asked %d times in ten minutes, want once every 5 s", n)
			}
			if s.out(t) != 1 {
				t.Error("it is not measured")
			}
			s.tell(answering(http.StatusOK, ""))
			s.clock.Step(probeInterval)
			for range 20 {
				if err := s.ask(t); err != nil {
					t.Fatalf("it answers again, and the gate says %v", err)
				}
			}
			if s.out(t) != 0 {
				t.Error("it is still measured as out")
			}
		})
	}
}

func TestARefusalIsAnAnswer(t *testing.T) {
	for name, refusal := range map[string]http.HandlerFunc{
		"denied": answering(403, "UnauthorizedOperation"), "throttled": answering(503, "RequestLimitExceeded"),
		"no capacity": answering(500, "InsufficientInstanceCapacity"), "not found": answering(400, "InvalidInstanceID.NotFound"), "unheard of": answering(400, "New"),
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			s.tell(refusal)
			for range 10 {
				if err := s.ask(t); err == nil || cloudprovider.IsUnavailable(err) {
					t.Fatalf("error = %v, want EC2's own", err)
				}
			}
			if n := s.asked.Load(); n != 10 {
				t.Errorf("asked %d times, want each time", n)
			}
		})
	}
}

func TestOneActionThatIsOutHoldsUpNoOther(t *testing.T) {
	s := start(t)
	s.tell(hangingUp)
	for range tolerated {
		_ = s.ask(t)
	}
	s.tell(answering(http.StatusOK, ""))
	if err := s.ask(t); !cloudprovider.IsUnavailable(err) {
		t.Errorf("error = %v, want that it is asked later", err)
	}
	if _, err := s.DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{}); err != nil {
		t.Errorf("another action: %v", err)
	}
}

func TestFailuresThatAreNotInARowAreNoOutage(t *testing.T) {
	s := start(t)
	for range 10 {
		s.tell(answering(500, "InternalError"))
		_ = s.ask(t)
		s.tell(answering(http.StatusOK, ""))
		if err := s.ask(t); err != nil {
			t.Fatal(err)
		}
	}
}

func TestThatTheCallerGivesUpSaysNothingOfEC2(t *testing.T) {
	s := start(t)
	s.tell(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) //nolint:errcheck // only then does the server notice that nobody waits
		<-r.Context().Done()
	})
	for range tolerated {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		_, err := s.DescribeInstances(ctx, &ec2.DescribeInstancesInput{})
		cancel()
		if err == nil || cloudprovider.IsUnavailable(err) {
			t.Errorf("error = %v, want that the time was over", err)
		}
	}
	s.tell(answering(http.StatusOK, ""))
	if err := s.ask(t); err != nil {
		t.Error(err)
	}
}

func TestWhatTheGateTurnsDownIsNotTriedAgainByTheSDK(t *testing.T) {
	s := start(t)
	s.tell(hangingUp)
	for range tolerated {
		_ = s.ask(t)
	}
	_, err := s.DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{}, func(o *ec2.Options) { o.RetryMaxAttempts = 10 })
	if !cloudprovider.IsUnavailable(err) || errors.Is(err, context.DeadlineExceeded) || s.asked.Load() != tolerated {
		t.Errorf("error = %v after %d calls, want the gate's and no call", err, s.asked.Load())
	}
}

func TestThatACallIsHeldBackSaysNothingOfEC2(t *testing.T) {
	s := start(t)
	s.tell(hangingUp)
	for range tolerated {
		if err := s.ask(t); err == nil {
			t.Fatal("EC2 hangs up, and the call succeeds")
		}
	}
	s.clock.Step(probeInterval)
	holdBack := func(stack *middleware.Stack) error {
		return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("HoldBack", func(
			context.Context, middleware.FinalizeInput, middleware.FinalizeHandler,
		) (middleware.FinalizeOutput, middleware.Metadata, error) {
			return middleware.FinalizeOutput{}, middleware.Metadata{}, cloudprovider.NewUnavailableError(errors.New("too many"))
		}), "OutageGate", middleware.After)
	}
	_, err := s.DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{}, func(o *ec2.Options) { o.APIOptions = append(o.APIOptions, holdBack) })
	if !cloudprovider.IsUnavailable(err) || s.out(t) != 1 {
		t.Errorf("error = %v, %d actions are out; want that EC2 is still taken to be out", err, s.out(t))
	}
}
