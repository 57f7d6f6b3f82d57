package plan

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// patience is how long work may take before anybody is told of it, and between one word and the next.
const patience = 3 * time.Second

// progress tells people what takes long. What is done sooner passes in silence.
type progress struct {
	mu    sync.Mutex
	to    io.Writer
	timer *time.Timer
	// now is what is being done since start; "" when nothing is.
	now   string
	start time.Time
}

func newProgress(to io.Writer) *progress { return &progress{to: to} }

// stage says what is being done from now on.
func (p *progress) stage(format string, arguments ...any) {
	p.done()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now, p.start = fmt.Sprintf(format, arguments...), time.Now()
	p.timer = time.AfterFunc(patience, p.tell)
}

func (p *progress) tell() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.now == "" {
		return
	}
	_, _ = fmt.Fprintf(p.to, "%s, %.0f s so far\n", p.now, time.Since(p.start).Seconds())
	p.timer.Reset(patience)
}

// done says that nothing is being done any more.
func (p *progress) done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now = ""
	if p.timer != nil {
		p.timer.Stop()
	}
}
