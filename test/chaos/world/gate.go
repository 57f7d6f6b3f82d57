package world

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/kerf-autoscaler/kerf/test/chaos/apiserver"
)

// errDead is what a process gets to hear that is no more. It changes nothing any more, whatever it makes of that.
var errDead = errors.New("the process has ended")

// parked is a call on its way out, or an answer on its way in. It goes on when the conductor says so: one at a time, everything
// that happens has an order, and that order comes from the seed.
type parked struct {
	process *process
	// key tells it from others that wait, whatever order they came in.
	key string
	// counts says that a crash may happen here.
	counts bool
	// api is what is asked of the API server; nil for AWS.
	api *apiserver.Request
	// held is until when it takes its time.
	held time.Time
	// decided gets what becomes of it.
	decided chan decision
}

// decision is what becomes of a call.
type decision struct {
	// skip says that it is not carried out.
	skip bool
	// err is what the caller is told instead of the answer.
	err error
}

// gate is where calls wait.
type gate struct {
	mu      sync.Mutex
	waiting []*parked
	// arrived holds a token when something has happened that the conductor may not have seen.
	arrived chan struct{}
}

func newGate() *gate { return &gate{arrived: make(chan struct{}, 1)} }

func (g *gate) wake() {
	select {
	case g.arrived <- struct{}{}:
	default:
	}
}

// pass waits until the conductor has decided.
func (g *gate) pass(c *parked) decision {
	if c.process.isDead() {
		return decision{skip: true, err: errDead}
	}
	c.decided = make(chan decision, 1)
	g.mu.Lock()
	g.waiting = append(g.waiting, c)
	g.mu.Unlock()
	g.wake()
	return <-c.decided
}

// list returns what waits, in an order that does not depend on who was faster.
func (g *gate) list() []*parked {
	g.mu.Lock()
	defer g.mu.Unlock()
	slices.SortStableFunc(g.waiting, func(a, b *parked) int { return cmp.Compare(a.key, b.key) })
	return slices.Clone(g.waiting)
}

// take lets one of those who wait go.
func (g *gate) take(c *parked, d decision) {
	g.mu.Lock()
	g.waiting = slices.DeleteFunc(g.waiting, func(w *parked) bool { return w == c })
	g.mu.Unlock()
	c.decided <- d
}

// askAPI is the gate of a process's clients.
func (p *process) askAPI(_ context.Context, request apiserver.Request, do func()) error {
	key := "api " + request.Verb + " " + request.Kind + " " + request.Name + " " + request.Sub + " " + request.Body
	d := p.world.gate.pass(&parked{process: p, key: key, counts: request.Write, api: &request, held: p.world.heldUntil(key)})
	if !d.skip {
		before := len(p.world.store.Changes())
		do()
		if request.Write {
			p.world.keepWrites(before)
		}
		p.world.recordWrites(p.number)
		p.world.recordRead(p.number, &request)
	}
	return d.err
}
