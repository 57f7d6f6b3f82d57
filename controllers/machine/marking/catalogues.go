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

// catalogueAge is how long an answer is used for all Machines of a Provisioner. What is missing has to be so for much longer.
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
	list       cloudprovider.InstanceTypes
}

func newCatalogues(provider cloudprovider.Provider, clock clock.PassiveClock) *catalogues {
	return &catalogues{provider: provider, clock: clock, known: map[types.UID]catalogue{}}
}

// of returns what is on offer to a Provisioner; false where that cannot be told. Nothing at all is no answer that could be told from
// an outage.
func (c *catalogues) of(ctx context.Context, provisioner *v1alpha5.Provisioner) (cloudprovider.InstanceTypes, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.clock.Now()
	last, ok := c.known[provisioner.UID]
	if !ok || last.generation != provisioner.Generation || now.Sub(last.at) >= catalogueAge {
		list, err := c.provider.InstanceTypes(ctx, provisioner)
		if err != nil { // it counts in the metrics of the cloud
			list = nil
		}
		for uid, old := range c.known {
			if now.Sub(old.at) >= catalogueAge {
				delete(c.known, uid)
			}
		}
		last = catalogue{generation: provisioner.Generation, at: now, list: list}
		c.known[provisioner.UID] = last
	}
	return last.list, len(last.list) > 0
}
