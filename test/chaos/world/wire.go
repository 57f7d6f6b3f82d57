package world

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/test/awssim"
	"github.com/kerf-autoscaler/kerf/test/awssim/apierror"
	"github.com/kerf-autoscaler/kerf/test/awssim/wire"
	"github.com/kerf-autoscaler/kerf/test/chaos/history"
	"github.com/kerf-autoscaler/kerf/test/chaos/line"
)

// callTimeout is how long kerf waits for an answer of AWS.
const callTimeout = 30 * time.Second

// errLost is what the SDK gets to hear of an answer that never arrives.
var errLost = errors.New("connection reset by peer")

// wireClient carries the SDK's requests to the simulator without a network. Each waits for its turn on its way out, and its answer
// on its way in.
type wireClient struct{ process *process }

// underway is a call that the simulator has in hand.
type underway struct {
	process  *process
	call     *history.Call
	recorded bool
}

// underwayKey is the key of the call in the context of a request.
type underwayKey struct{}

// note puts a call into the history in the moment in which it has its effect, what came of it included.
func note(ctx context.Context, r *wire.Request, next awssim.Handler) (*wire.Response, error) {
	under, ok := ctx.Value(underwayKey{}).(*underway)
	if !ok {
		return next(ctx, r)
	}
	w := under.process.world
	under.recorded = true
	w.record(history.Event{Process: under.process.number, Call: under.call})
	response, err := next(ctx, r)
	if err != nil {
		under.call.Code = apierror.From(err).Code
	}
	w.observe(under.call)
	return response, err
}

// Do makes one request.
func (c *wireClient) Do(r *http.Request) (*http.Response, error) {
	body, err := readBody(r)
	if err != nil {
		return nil, err
	}
	p := c.process
	call := callOf(r, body)
	key := "aws " + call.Action + " " + call.Body
	out := p.world.gate.pass(&parked{process: p, key: key, counts: !strings.HasPrefix(call.Action, line.TryPrefix)})
	if out.skip {
		return nil, out.err
	}
	p.world.keepRequest(r, body, !strings.HasPrefix(call.Action, line.TryPrefix))
	ctx, cancel := context.WithTimeout(r.Context(), callTimeout)
	defer cancel()
	answer := p.serve(ctx, r, body, call)
	call.Lost = answer.aborted || out.err != nil
	if out.err != nil {
		return nil, out.err
	}
	if in := p.world.gate.pass(&parked{process: p, key: "answer " + key}); in.err != nil {
		return nil, in.err
	}
	if answer.aborted {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("waiting for an answer: %w", err)
		}
		return nil, errLost
	}
	return answer.response(r), nil
}

// serve has the simulator answer a request, and notes the call.
func (p *process) serve(ctx context.Context, r *http.Request, body []byte, call *history.Call) *answer {
	answer := newAnswer()
	under := &underway{process: p, call: call}
	served := r.Clone(context.WithValue(ctx, underwayKey{}, under))
	served.Body = io.NopCloser(bytes.NewReader(body))
	p.world.sim.ServeHTTP(answer, served)
	if !under.recorded { // it was turned down on its way
		call.Code = answer.code()
		p.world.recordCall(p.number, call)
	}
	answer.disown(call)
	return answer
}

func readBody(r *http.Request) ([]byte, error) {
	if r.Body == nil {
		return nil, nil
	}
	defer r.Body.Close() //nolint:errcheck // it has been read
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, fmt.Errorf("reading a request: %w", err)
	}
	return body, nil
}

// callOf reads what a request asks for.
func callOf(r *http.Request, body []byte) *history.Call {
	call := &history.Call{By: history.ByKerf, Action: r.Method + " " + r.URL.Path}
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		call.Action, call.Body = target[strings.LastIndex(target, ".")+1:], string(body)
		return call
	}
	form, err := url.ParseQuery(string(body))
	if err != nil || form.Get("Action") == "" {
		return call
	}
	call.Action = form.Get("Action")
	for i := 1; form.Has("InstanceId." + strconv.Itoa(i)); i++ {
		call.IDs = append(call.IDs, form.Get("InstanceId."+strconv.Itoa(i)))
	}
	// Who is woken at the same time as others asks at the same time: there is no order among the instances of a call.
	slices.Sort(call.IDs)
	for i, id := range call.IDs {
		form.Set("InstanceId."+strconv.Itoa(i+1), id)
	}
	switch {
	case form.Get("DryRun") == "true": // it asks whether it may, and changes nothing
		call.Action = line.TryPrefix + call.Action
		form.Del("ClientToken")
	case call.Action == "CreateFleet":
		call.Token = form.Get("ClientToken")
		if size, err := strconv.Atoi(form.Get("TargetCapacitySpecification.TotalTargetCapacity")); err == nil {
			call.Size = size
		}
		call.Group, call.Attempt = tagIn(form, awsv1alpha1.TagLaunchGroup), tagIn(form, awsv1alpha1.TagLaunchAttempt)
	default:
		form.Del("ClientToken") // the SDK makes it up, anew each time
	}
	call.Body = form.Encode()
	return call
}

// tagIn returns the value of a tag that the request puts on something.
func tagIn(form url.Values, key string) string {
	for name, values := range form {
		if prefix, ok := strings.CutSuffix(name, ".Key"); ok && slices.Contains(values, key) {
			return form.Get(prefix + ".Value")
		}
	}
	return ""
}

// answer takes what the simulator answers.
type answer struct {
	header  http.Header
	status  int
	body    bytes.Buffer
	aborted bool
}

var _ http.Hijacker = (*answer)(nil)

func newAnswer() *answer { return &answer{header: http.Header{}, status: http.StatusOK} }

// Header returns the header to fill.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader takes the status.
func (a *answer) WriteHeader(status int) { a.status = status }

// Write takes a part of the body.
func (a *answer) Write(p []byte) (int, error) { return a.body.Write(p) }

// code returns how the simulator refused; "" when it did not.
func (a *answer) code() string {
	text := a.body.String()
	if _, rest, ok := strings.Cut(text, "<Code>"); ok && a.status >= http.StatusBadRequest {
		code, _, _ := strings.Cut(rest, "<")
		return code
	}
	if a.status >= http.StatusBadRequest {
		return strconv.Itoa(a.status)
	}
	return ""
}

// disown notes which of the instances that a call made its answer leaves out: nobody can know of them.
func (a *answer) disown(call *history.Call) {
	if a.aborted || a.status != http.StatusOK {
		return
	}
	for i := range call.Made {
		if !strings.Contains(a.body.String(), call.Made[i].ID) {
			call.Made[i].Surplus = true
		}
	}
}

func (a *answer) response(r *http.Request) *http.Response {
	return &http.Response{
		StatusCode: a.status, Status: http.StatusText(a.status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: a.header, Body: io.NopCloser(&a.body), ContentLength: int64(a.body.Len()), Request: r,
	}
}

// deadEnd is a connection that is about to be closed.
type deadEnd struct {
	net.Conn
	answer *answer
}

// Close drops the connection without an answer.
func (d deadEnd) Close() error {
	d.answer.aborted = true
	return nil
}

// Hijack hands the connection over, to be dropped.
func (a *answer) Hijack() (net.Conn, *bufio.ReadWriter, error) { return deadEnd{answer: a}, nil, nil }
