// Package awssim is an AWS simulator: an HTTP server that any AWS client can use in place of EC2, SSM, Pricing, EKS, STS and SQS.
package awssim

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/kerf-autoscaler/kerf/test/awssim/admin"
	"github.com/kerf-autoscaler/kerf/test/awssim/apierror"
	"github.com/kerf-autoscaler/kerf/test/awssim/ec2"
	"github.com/kerf-autoscaler/kerf/test/awssim/eks"
	"github.com/kerf-autoscaler/kerf/test/awssim/faults"
	"github.com/kerf-autoscaler/kerf/test/awssim/iam"
	"github.com/kerf-autoscaler/kerf/test/awssim/pricing"
	"github.com/kerf-autoscaler/kerf/test/awssim/sqs"
	"github.com/kerf-autoscaler/kerf/test/awssim/ssm"
	"github.com/kerf-autoscaler/kerf/test/awssim/sts"
	"github.com/kerf-autoscaler/kerf/test/awssim/wire"
	"github.com/kerf-autoscaler/kerf/test/awssim/world"
)

// Config says what to simulate and where.
type Config struct {
	World world.Config
	// Address and AdminAddress are where to listen; empty means a free port of the loopback interface.
	Address, AdminAddress string
	// Faults stand between counting and authentication on one side and the action on the other, in this order.
	Faults []Hook
	// Plan is what goes wrong from the start; SetFaults changes it.
	Plan faults.Plan
	// Policies are the IAM policies, as JSON, of the identity that calls; every call is judged by them. Without any, everything is allowed.
	Policies []string
	// Judged is told of everything that policies were asked about; nil is not.
	Judged func(iam.Request, iam.Decision)
	// Queues are those of SQS that there are from the start.
	Queues []sqs.Config
	// Latency is the least time that an answer takes; 0 means DefaultLatency, and less than 0 none.
	Latency time.Duration
}

// DefaultLatency is far below that of the real AWS, and far above the time that a client needs to finish sending its request.
const DefaultLatency = 5 * time.Millisecond

// DefaultWorld describes a world to change and to start a simulator with.
func DefaultWorld(region, clusterName string) (world.Config, error) {
	return world.DefaultConfig(region, clusterName)
}

// service is one AWS service.
type service interface {
	Call(*wire.Request) (*wire.Response, error)
	Refuse(*wire.Request, *apierror.Error) *wire.Response
	BadCredentials(missing bool) *apierror.Error
	Asks(*wire.Request) []iam.Ask
	Denied(principal string, r iam.Request, d iam.Decision) *apierror.Error
}

// Server is a running simulator.
type Server struct {
	world    *world.World
	services map[string]service // name in credential scopes -> endpoint
	queues   *sqs.Service
	ledger   *ledger
	outage   *outage
	auditor  *iam.Auditor // nil: everything is allowed
	handle   Handler

	listeners []net.Listener // the AWS port, then the admin port
	servers   []*http.Server
}

var _ admin.Simulator = (*Server)(nil)

// readHeaderTimeout bounds a connection that sends nothing.
const readHeaderTimeout = 10 * time.Second

// New makes a simulator without ports: a test uses it as an http.Handler or as an http.RoundTripper.
func New(config Config) (*Server, error) {
	w, err := world.New(config.World)
	if err != nil {
		return nil, err
	}
	if err := w.Faults().Set(config.Plan, w.Now()); err != nil {
		return nil, err
	}
	queues, err := sqs.New(w, config.Queues...)
	if err != nil {
		return nil, err
	}
	s := &Server{
		world: w, queues: queues,
		services: map[string]service{
			"ec2": ec2.New(w), "eks": eks.New(w), "pricing": pricing.New(w), "ssm": ssm.New(w), "sts": sts.New(w), "sqs": queues,
		},
		ledger: newLedger(w.Now),
		outage: &outage{mode: admin.OutageNone},
	}
	if len(config.Policies) > 0 {
		if s.auditor, err = iam.NewAuditor(config.Policies, config.Judged); err != nil {
			return nil, err
		}
	}
	hooks := []Hook{delay(cmp.Or(config.Latency, DefaultLatency)), s.ledger.count, s.outage.hook, s.failBefore, s.authenticate, s.throttle, s.authorize}
	hooks = append(append(hooks, config.Faults...), s.loseAnswer)
	s.handle = link(hooks, func(_ context.Context, r *wire.Request) (*wire.Response, error) { return s.services[r.Service].Call(r) })
	return s, nil
}

// Start makes a simulator, listens on two ports, one for AWS clients and one for tests, and serves until Close.
func Start(config Config) (*Server, error) {
	s, err := New(config)
	if err != nil {
		return nil, err
	}
	for _, port := range []struct {
		address string
		handler http.Handler
	}{{config.Address, s}, {config.AdminAddress, admin.Handler(s)}} {
		if err := s.listen(port.address, port.handler); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

func (s *Server) listen(address string, handler http.Handler) error {
	if address == "" {
		address = "127.0.0.1:0"
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: readHeaderTimeout}
	s.listeners, s.servers = append(s.listeners, listener), append(s.servers, server)
	go server.Serve(listener) //nolint:errcheck // it always returns http.ErrServerClosed after Close
	return nil
}

// Close stops listening and drops open connections.
func (s *Server) Close() error {
	var all []error
	for _, server := range s.servers {
		all = append(all, server.Close())
	}
	return errors.Join(all...)
}

// URL is where AWS clients connect: the value for AWS_ENDPOINT_URL. It is for a simulator with ports.
func (s *Server) URL() string { return "http://" + s.listeners[0].Addr().String() }

// AdminURL is where tests connect.
func (s *Server) AdminURL() string { return "http://" + s.listeners[1].Addr().String() }

// World is the simulated account.
func (s *Server) World() *world.World { return s.world }

// Environment is the variables, as NAME=value, that point an unmodified AWS client at the simulator.
func (s *Server) Environment() []string {
	return []string{
		"AWS_ENDPOINT_URL=" + s.URL(),
		"AWS_REGION=" + s.world.Region(),
		"AWS_DEFAULT_REGION=" + s.world.Region(),
		"AWS_ACCESS_KEY_ID=" + world.DefaultAccessKeyID,
		"AWS_SECRET_ACCESS_KEY=not-checked",
		"AWS_EC2_METADATA_DISABLED=true",
	}
}

// ServeHTTP answers AWS clients.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.answer(w, r) {
		abort(w)
	}
}

// answer writes the answer of a request, unless the connection is to be closed without one.
func (s *Server) answer(w http.ResponseWriter, r *http.Request) (aborted bool) {
	id := requestID()
	w.Header().Set("X-Amzn-Requestid", id)
	w.Header().Set("Date", s.world.Told(s.world.Now()).UTC().Format(http.TimeFormat))
	if s.world.Faults().ClockOffset() != 0 {
		s.world.Faults().Hit(faults.ClockHit)
	}
	request, err := wire.Read(id, r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return false
	}
	response, err := s.handle(r.Context(), request)
	if err != nil {
		response = s.refuse(request, apierror.From(err))
	}
	if response.Abort {
		return true
	}
	for name, value := range response.Header {
		w.Header().Set(name, value)
	}
	w.Header().Set("Content-Type", response.ContentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(response.Body)))
	w.WriteHeader(response.Status)
	w.Write(response.Body) //nolint:errcheck // a client that went away wants no answer
	return false
}

// refuse answers in the error document of the service that was called; for an unknown one in EC2's.
func (s *Server) refuse(r *wire.Request, e *apierror.Error) *wire.Response {
	if called, ok := s.services[r.Service]; ok {
		return called.Refuse(r, e)
	}
	return wire.EC2Error(r.ID, e)
}

// abort closes the connection without an answer.
func abort(w http.ResponseWriter) {
	connection, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	connection.Close() //nolint:errcheck // it is thrown away
}

// requestID is random, in UUID form.
func requestID() string {
	var b [16]byte
	rand.Read(b[:])
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
