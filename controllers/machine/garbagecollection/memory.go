package garbagecollection

import "time"

// kept is how long what was seen is remembered without being seen again: lists of the cloud leave out this or that at times.
const kept = 10 * time.Minute

// memory maps the id of an instance -> when this process saw of it what the memory is about.
type memory map[string]*sighting

type sighting struct {
	first, last time.Time
	// told says that what follows from it was done, and told, once.
	told bool
}

// see notes that it was seen now, and returns since when it was.
func (m memory) see(id string, now time.Time) *sighting {
	s, ok := m[id]
	if !ok {
		s = &sighting{first: now}
		m[id] = s
	}
	s.last = now
	return s
}

// fade forgets what was not seen for long.
func (m memory) fade(now time.Time) {
	for id, s := range m {
		if now.Sub(s.last) > kept {
			delete(m, id)
		}
	}
}
