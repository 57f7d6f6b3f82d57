package interruption

import (
	"hash/maphash"
	"sync"
)

// turns has those who handle messages about one instance do so one after the other: the same message may come several times at once.
type turns struct {
	seed  maphash.Seed
	locks [64]sync.Mutex
}

func newTurns() *turns { return &turns{seed: maphash.MakeSeed()} }

// take waits for the turn of an instance and returns what ends it.
func (t *turns) take(id string) (end func()) {
	lock := &t.locks[maphash.String(t.seed, id)%uint64(len(t.locks))]
	lock.Lock()
	return lock.Unlock
}
