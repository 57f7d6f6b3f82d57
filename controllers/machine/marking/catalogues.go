package marking

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
)

// catalogueAge is how long an answer is used for all Machines of a Provisioner. The cloud itself is asked much more seldom.
const catalogueAge = time.Minute

// catalogues keeps what is on offer to Provisioners, so that a pass over thousands of Machines asks once. It is safe for concurrent
// use; who comes while another asks waits for the answer.
type catalogues struct {
	provider cloudprovider.Provider
	clock    clock.PassiveClock

	mu    sync.Mutex
	known map[types.UID]catalogue // of a Provisioner -> the last answer
}

type catalogue struct {
	generation int64
	at         time.Time
	// surveyed is when the cloud told it; zero if the cloud does not answer any more.
	surveyed time.Time
	list     cloudprovider.InstanceTypes
}

func newCatalogues(provider cloudprovider.Provider, clock clock.PassiveClock) *catalogues {
	return &catalogues{provider: provider, clock: clock, known: map[types.UID]catalogue{}}
}

// of returns what is on offer to a Provisioner, and when the cloud said so: zero where that cannot be told, or may be so no longer as the
// cloud does not answer. Nothing at all is no answer that could be told from an outage.
func (c *catalogues) of(ctx context.Context, provisioner *v1alpha5.Provisioner) (cloudprovider.InstanceTypes, time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.clock.Now()
	last, ok := c.known[provisioner.UID]
	if !ok || last.generation != provisioner.Generation || now.Sub(last.at) >= catalogueAge {
		surveyed := c.provider.Surveyed() // before: what comes in between is taken for older than it is, never for newer
		list, err := c.provider.InstanceTypes(ctx, provisioner)
		if err != nil || len(list) == 0 { // it counts in the metrics of the cloud
			list, surveyed = nil, time.Time{}
		}
		for uid, old := range c.known {
			if now.Sub(old.at) >= catalogueAge {
				delete(c.known, uid)
			}
		}
		last = catalogue{generation: provisioner.Generation, at: now, surveyed: surveyed, list: list}
		c.known[provisioner.UID] = last
	}
	return last.list, last.surveyed
}
