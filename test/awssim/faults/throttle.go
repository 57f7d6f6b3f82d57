package faults

import (
	"strings"
	"time"
)

// The actions that take tokens for each of their instances.
const (
	runInstances       = "RunInstances"
	terminateInstances = "TerminateInstances"
)

// bucket holds tokens, as of a moment.
type bucket struct {
	Bucket
	tokens float64
	at     time.Time
}

// take removes tokens, if there are so many.
func (b *bucket) take(n float64, now time.Time) bool {
	b.tokens = min(b.Size, b.tokens+b.Refill*max(now.Sub(b.at).Seconds(), 0))
	b.at = now
	if b.tokens < n {
		return false
	}
	b.tokens -= n
	return true
}

// Call is what the limits of a call depend on.
type Call struct {
	Action string
	// Whole questions are neither filtered nor read page by page.
	Whole bool
	// Instances that the call starts or ends.
	Instances int
}

// Throttled says whether a call of EC2 is one too many.
func (i *Injector) Throttled(c Call, now time.Time) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	t := i.plan.Throttle
	if t == nil {
		return false
	}
	requests, ok := t.Buckets[c.Action]
	if !ok {
		requests = c.published()
	}
	kind := "requests/" + c.Action
	if c.Whole {
		kind += "/whole"
	}
	if !i.bucket(kind, requests).take(1, now) {
		i.hits[ThrottledRequests]++
		return true
	}
	name, limit, ok := t.resources(c)
	if ok && !i.bucket("resources/"+name, limit).take(float64(c.Instances), now) {
		i.hits[ThrottledResources]++
		return true
	}
	return false
}

// bucket finds a bucket, which is full at first; somebody else may take a part of what it holds and of what comes back. The caller holds the lock.
func (i *Injector) bucket(name string, limit Bucket) *bucket {
	b, ok := i.buckets[name]
	if !ok {
		left := 1 - i.plan.Throttle.Neighbour
		limit = Bucket{Size: limit.Size * left, Refill: limit.Refill * left}
		b = &bucket{Bucket: limit, tokens: limit.Size, at: i.began}
		i.buckets[name] = b
	}
	return b
}

// published is the request bucket by EC2's page on request throttling, by the action's own row or that of its kind.
func (c Call) published() Bucket {
	switch {
	case c.Action == terminateInstances:
		return Bucket{Size: 100, Refill: 5}
	case c.Action == "CreateTags":
		return Bucket{Size: 100, Refill: 10}
	case c.Action == runInstances:
		return Bucket{Size: 5, Refill: 2}
	case c.Whole:
		return Bucket{Size: 50, Refill: 10}
	case strings.HasPrefix(c.Action, "Describe"), strings.HasPrefix(c.Action, "Get"):
		return Bucket{Size: 100, Refill: 20}
	}
	return Bucket{Size: 50, Refill: 5}
}

// resources is the bucket from which the instances of a call take tokens.
func (t *Throttle) resources(c Call) (string, Bucket, bool) {
	var name string
	var published Bucket
	switch c.Action {
	case runInstances, "CreateFleet":
		name, published = runInstances, Bucket{Size: 1000, Refill: 2}
	case terminateInstances:
		name, published = terminateInstances, Bucket{Size: 1000, Refill: 20}
	default:
		return "", Bucket{}, false
	}
	if set, ok := t.Resources[name]; ok {
		return name, set, true
	}
	return name, published, true
}
