package subnet

import (
	"cmp"
	"math"
	"slices"
	"sync"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/memo"
)

const (
	// choicesKept bounds the choices in memory. One that is forgotten is made anew, and may differ.
	choicesKept = 512
	// staleAfter is how many times the addresses are counted anew before a request counts as given up.
	staleAfter = 3
)

// Rooms knows how many addresses the subnets have left: those that EC2 counted last, less what is on its way. It is safe for
// concurrent use.
type Rooms struct {
	mu      sync.Mutex
	rooms   map[string]*room                // subnet id -> room
	choices *memo.Table[string, candidates] // token -> what was chosen from
}

// candidates maps zone -> the ids of its subnets, the chosen one first.
type candidates map[string][]string

// room is what is known of one subnet.
type room struct {
	free  int64              // as EC2 counted
	taken int64              // since then, by machines that were launched
	full  bool               // EC2 has said so since then
	asked map[string]request // token -> what is on its way
}

// request is addresses that a launch may take.
type request struct {
	addresses int64
	counts    int // how often EC2 has counted since
}

func (r *room) left() int64 {
	if r == nil {
		return math.MaxInt64 // EC2 has not counted yet
	}
	if r.full {
		return 0
	}
	left := r.free - r.taken
	for _, a := range r.asked {
		left -= a.addresses
	}
	return max(left, 0)
}

// NewRooms returns rooms of which nothing is known.
func NewRooms() *Rooms {
	return &Rooms{rooms: map[string]*room{}, choices: memo.NewTable[string, candidates](choicesKept)}
}

// Count takes note of what EC2 has counted. What was launched is in it from now on, what is on its way is not.
func (r *Rooms) Count(found []Subnet) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range found {
		known := r.rooms[s.ID]
		if known == nil {
			known = &room{asked: map[string]request{}}
			r.rooms[s.ID] = known
		}
		known.free, known.taken, known.full = int64(s.Free), 0, s.Free <= 0
		for token, a := range known.asked {
			if a.counts++; a.counts == staleAfter {
				delete(known.asked, token)
				continue
			}
			known.asked[token] = a
		}
	}
}

// Choose returns a subnet for each zone (zone -> id) for a launch that may take so many addresses in any of them: the first of the
// zone that has the room, or the one that has most. The same token is given the same ones, so that a request can be repeated.
func (r *Rooms) Choose(token string, subnets []awsv1alpha1.Subnet, addresses int64) map[string]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	byZone := candidates{}
	for _, s := range subnets {
		byZone[s.Zone] = append(byZone[s.Zone], s.ID)
	}
	before, repeated := r.choices.Get(token)
	out := make(map[string]string, len(byZone))
	for zone, ids := range byZone {
		chosen := r.best(ids, addresses)
		if repeated && len(before[zone]) > 0 && slices.Contains(ids, before[zone][0]) {
			chosen = before[zone][0]
		}
		out[zone] = chosen
		byZone[zone] = append([]string{chosen}, slices.DeleteFunc(ids, func(id string) bool { return id == chosen })...)
		if known := r.rooms[chosen]; known != nil {
			known.asked[token] = request{addresses: addresses}
		}
	}
	r.choices.Put(token, byZone)
	return out
}

// best returns the first with the room, else the one with most room. The caller holds the lock.
func (r *Rooms) best(ids []string, addresses int64) string {
	if i := slices.IndexFunc(ids, func(id string) bool { return r.rooms[id].left() >= addresses }); i >= 0 {
		return ids[i]
	}
	return slices.MaxFunc(ids, func(a, b string) int { return cmp.Compare(r.rooms[a].left(), r.rooms[b].left()) })
}

// Settle takes note of what came of a launch: addresses taken by subnet, and those that EC2 said are full.
func (r *Rooms) Settle(token string, taken map[string]int64, full []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, known := range r.rooms {
		delete(known.asked, token)
		n := taken[id]
		if n > 0 && known.full {
			known.full, known.free = false, max(known.free, known.taken+2*n) // where there was room for some, there may be for as many more
		}
		known.taken += n
	}
	for _, id := range full {
		known := r.rooms[id]
		if known == nil {
			known = &room{asked: map[string]request{}}
			r.rooms[id] = known
		}
		known.full = true
	}
}

// Spare reports whether another subnet of the zone would have been there for a launch, and has room now.
func (r *Rooms) Spare(token, zone string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	chosen, _ := r.choices.Get(token)
	return slices.ContainsFunc(chosen[zone], func(id string) bool { return r.rooms[id].left() > 0 })
}
