// Package line is what a process reaches others through: an HTTP transport that a judge can slow down, make lie or cut.
package line

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

var (
	// errCut is what a process hears that is no more.
	errCut = errors.New("the process has ended")
	// errLost is what is heard of an answer that never arrives.
	errLost = errors.New("connection reset by peer")
)

// Judge decides what becomes of calls. It is asked by many at once.
type Judge interface {
	// Decide is asked about a call before it is made.
	Decide(Call) Verdict
	// Due says when what has arrived on a watch may be seen, and whether the watch breaks.
	Due(resource string, arrived time.Time) (due time.Time, broken bool)
}

// Verdict is what becomes of a call. The zero value lets it pass.
type Verdict struct {
	// Delay is how long the call is on its way. It arrives also if the caller has given up by then.
	Delay time.Duration
	// Status is what is answered in place of carrying it out, if it is not 0.
	Status int
	// Lost says that the call is carried out and its answer lost.
	Lost bool
	// End cuts the line: before the call, or after it.
	End End
}

// End is when at a call the line is cut.
type End int

// The ends of a line.
const (
	// Never: the line stays.
	Never End = iota
	// Before: the call is never made.
	Before
	// Applied: the call is carried out, and nobody hears of it.
	Applied
	// After: the answer arrives, and nothing after it.
	After
)

// Line is all the connections of one process.
type Line struct {
	judge Judge
	once  sync.Once
	cut   chan struct{}
	// under counts calls that are on their way.
	under sync.WaitGroup
}

// New returns a line whose calls are judged.
func New(judge Judge) *Line { return &Line{judge: judge, cut: make(chan struct{})} }

// Cut ends the line: nothing that is sent from now on arrives, and no answer comes back.
func (l *Line) Cut() { l.once.Do(func() { close(l.cut) }) }

// Ended is closed when the line is cut.
func (l *Line) Ended() <-chan struct{} { return l.cut }

// IsCut reports whether the line is cut.
func (l *Line) IsCut() bool {
	select {
	case <-l.cut:
		return true
	default:
		return false
	}
}

// Drain waits until nothing is on its way any more: what was sent before the line was cut may still have arrived after.
func (l *Line) Drain() { l.under.Wait() }

// To returns the part of the line that leads to one of those that the process calls, by a transport that really gets there.
func (l *Line) To(far Far, by http.RoundTripper) http.RoundTripper {
	return &part{line: l, far: far, by: by}
}

type part struct {
	line *Line
	far  Far
	by   http.RoundTripper
}

// RoundTrip makes a call, or does with it what the judge says.
func (p *part) RoundTrip(r *http.Request) (*http.Response, error) {
	if p.line.IsCut() {
		return nil, errCut
	}
	sent, body, err := hold(r)
	if err != nil {
		return nil, err
	}
	call := read(p.far, sent, body)
	verdict := p.line.judge.Decide(call)
	switch {
	case verdict.End == Before:
		p.line.Cut()
		return nil, errCut
	case verdict.Status != 0:
		return refuse(r, p.far, verdict.Status), nil
	case call.Watch:
		return p.watch(sent, call)
	default:
		return p.send(sent, verdict)
	}
}

// send carries a call out. It lives on without its caller once it is on its way.
func (p *part) send(r *http.Request, verdict Verdict) (*http.Response, error) {
	type outcome struct {
		response *http.Response
		err      error
	}
	done := make(chan outcome, 1)
	p.line.under.Go(func() {
		if verdict.Delay > 0 {
			timer := time.NewTimer(verdict.Delay)
			defer timer.Stop()
			<-timer.C
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), callTimeout)
		defer cancel()
		response, err := p.by.RoundTrip(r.WithContext(ctx))
		if err == nil {
			err = keep(response)
		}
		if verdict.End != Never {
			p.line.Cut()
		}
		done <- outcome{response, err}
	})
	select {
	case <-r.Context().Done():
		return nil, context.Cause(r.Context())
	case out := <-done:
		switch {
		case verdict.End == After && out.err == nil:
			return out.response, nil // the last that the process hears
		case p.line.IsCut():
			return nil, errCut
		case verdict.Lost:
			return nil, errLost
		case out.err != nil:
			return nil, out.err
		default:
			return out.response, nil
		}
	}
}

// callTimeout bounds a call that nobody waits for.
const callTimeout = 30 * time.Second

// keep reads an answer to its end, so that it is there when the connection is not.
func keep(response *http.Response) error {
	content, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return fmt.Errorf("reading an answer: %w", err)
	}
	response.Body = io.NopCloser(bytes.NewReader(content))
	return nil
}

// hold returns a request that can be sent when its caller has gone.
func hold(r *http.Request) (*http.Request, []byte, error) {
	sent := r.Clone(r.Context())
	if r.Body == nil || r.Body == http.NoBody {
		return sent, nil, nil
	}
	content, err := io.ReadAll(r.Body)
	if err := errors.Join(err, r.Body.Close()); err != nil {
		return nil, nil, fmt.Errorf("reading a request: %w", err)
	}
	sent.Body = io.NopCloser(bytes.NewReader(content))
	sent.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }
	sent.ContentLength = int64(len(content))
	return sent, content, nil
}

// refuse makes an answer that the far side would give if it did not want to.
func refuse(r *http.Request, far Far, status int) *http.Response {
	header := http.Header{}
	content := fmt.Sprintf(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":%q,"message":%q,"code":%d}`,
		reasonOf(status), strings.ToLower(http.StatusText(status)), status)
	header.Set("Content-Type", "application/json")
	if far == AWS {
		header.Set("Content-Type", "text/xml")
		content = `<Response><Errors><Error><Code>InternalError</Code><Message>An internal error has occurred</Message></Error></Errors></Response>`
	}
	if status == http.StatusTooManyRequests {
		header.Set("Retry-After", "1")
	}
	return &http.Response{
		StatusCode: status, Status: fmt.Sprintf("%d %s", status, http.StatusText(status)), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: io.NopCloser(strings.NewReader(content)), ContentLength: int64(len(content)), Request: r,
	}
}

// reasonOf is the API server's word for a status.
func reasonOf(status int) string {
	switch status {
	case http.StatusGone:
		return "Expired"
	case http.StatusTooManyRequests:
		return "TooManyRequests"
	default:
		return "InternalError"
	}
}
