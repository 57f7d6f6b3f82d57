package consolidation

import "sync"

// purchases are what this process knows of the machines that are made in the place of others. It is safe for concurrent use.
type purchases struct {
	mu sync.Mutex
	// underway has the names of machines that others are being made in the place of.
	underway map[string]bool
	// tried maps the name of a machine -> the names of those that were made in its place, or tried in vain.
	tried map[string]map[string]bool
}

func newPurchases() *purchases {
	return &purchases{underway: map[string]bool{}, tried: map[string]map[string]bool{}}
}

// begin notes that machines are being made in the place of another: that they are not there yet says nothing until it ends.
func (p *purchases) begin(lead string) (end func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.underway[lead] = true
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.underway, lead)
	}
}

func (p *purchases) isUnderway(lead string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.underway[lead]
}

// note remembers that machines are made in the place of another.
func (p *purchases) note(lead string, names ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.tried[lead] == nil {
		p.tried[lead] = map[string]bool{}
	}
	for _, name := range names {
		p.tried[lead][name] = true
	}
}

// wasTried reports whether this process has tried to make a machine, or has seen it: that it is not there is a failure then. A process that
// came to its end may have made none.
func (p *purchases) wasTried(lead, name string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.tried[lead][name]
}

// forget ends what is remembered of a machine.
func (p *purchases) forget(lead string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.tried, lead)
}
