package line

import (
	"context"
	"io"
	"net/http"
	"sync"
	"time"
)

// watch opens a stream, which shows what the far side says when the judge lets it.
func (p *part) watch(r *http.Request, call Call) (*http.Response, error) {
	response, err := p.by.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return response, nil
	}
	response.Body = newStream(r.Context(), p.line, call.Resource, response.Body)
	return response, nil
}

// look is how often a stream asks whether what waits may be seen.
const look = 20 * time.Millisecond

// chunk is what arrived at a time.
type chunk struct {
	at      time.Time
	content []byte
}

// stream is the body of a watch.
type stream struct {
	ctx      context.Context //nolint:containedctx // a body is read for as long as its request lasts
	line     *Line
	resource string
	inner    io.ReadCloser

	mu      sync.Mutex
	waiting []chunk
	ended   error // what the inner body ended with
	arrived chan struct{}
	closed  chan struct{}
	once    sync.Once
}

func newStream(ctx context.Context, line *Line, resource string, inner io.ReadCloser) *stream {
	s := &stream{ctx: ctx, line: line, resource: resource, inner: inner, arrived: make(chan struct{}, 1), closed: make(chan struct{})}
	go s.pump()
	return s
}

// pump takes in what arrives, with the time: the far side is never held up.
func (s *stream) pump() {
	for {
		buffer := make([]byte, 32<<10)
		n, err := s.inner.Read(buffer)
		s.mu.Lock()
		if n > 0 {
			s.waiting = append(s.waiting, chunk{at: time.Now(), content: buffer[:n]})
		}
		s.ended = err
		s.mu.Unlock()
		select {
		case s.arrived <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

// Read returns what may be seen, and waits for it.
func (s *stream) Read(p []byte) (int, error) {
	for {
		n, wait, err := s.take(p)
		if n > 0 || err != nil {
			return n, err
		}
		timer := time.NewTimer(wait)
		select {
		case <-s.arrived:
		case <-timer.C:
		case <-s.line.cut:
			err = errCut
		case <-s.closed:
			err = io.ErrClosedPipe
		case <-s.ctx.Done():
			err = context.Cause(s.ctx)
		}
		timer.Stop()
		if err != nil {
			return 0, err
		}
	}
}

// take returns what may be seen now, or how long to wait until it is worth to ask again.
func (s *stream) take(p []byte) (int, time.Duration, error) {
	if s.line.IsCut() {
		return 0, 0, errCut
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	arrived := time.Now()
	if len(s.waiting) > 0 {
		arrived = s.waiting[0].at
	}
	due, broken := s.line.judge.Due(s.resource, arrived)
	if broken {
		return 0, 0, errLost
	}
	if len(s.waiting) == 0 {
		return 0, look, s.ended
	}
	if wait := time.Until(due); wait > 0 {
		return 0, min(wait, look), nil
	}
	first := &s.waiting[0]
	n := copy(p, first.content)
	if first.content = first.content[n:]; len(first.content) == 0 {
		s.waiting = s.waiting[1:]
	}
	return n, 0, nil
}

// Close ends the stream.
func (s *stream) Close() error {
	s.once.Do(func() { close(s.closed) })
	return s.inner.Close()
}
