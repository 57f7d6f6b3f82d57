package instancetype

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/utils/clock"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
)

// measuredFor is how long a measurement counts after it was last confirmed. New images of a family may keep more or less of the
// memory for themselves, but those are another set of images anyway.
const measuredFor = 60 * 24 * time.Hour

// Measured is the memory that nodes turned out to have, by instance type and images. It replaces the estimate of how much firmware
// and kernel keep. It is safe for concurrent use.
type Measured struct {
	clock clock.PassiveClock

	mu         sync.Mutex
	generation uint64 // changes with what is known
	known      map[measuredKey]measurement
}

type measuredKey struct{ instanceType, images string }

type measurement struct {
	bytes     int64
	confirmed time.Time
}

// NewMeasured returns measurements of nothing.
func NewMeasured(clock clock.PassiveClock) *Measured {
	return &Measured{clock: clock, known: map[measuredKey]measurement{}}
}

// ImageSet names a set of images: measurements on one set say nothing of another. The set without images is "".
func ImageSet(images []awsv1alpha1.AMI) string {
	ids := make([]string, 0, len(images))
	for _, i := range images {
		if i.ID != "" {
			ids = append(ids, i.ID)
		}
	}
	slices.Sort(ids)
	return strings.Join(slices.Compact(ids), ",")
}

// Put notes what a node of the type had that booted one of the images. Of several values the smallest counts: pods that fit there
// fit everywhere. A larger one neither replaces it nor confirms it.
func (m *Measured) Put(instanceType, images string, bytes int64) {
	if instanceType == "" || images == "" || bytes <= 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.drop()
	key := measuredKey{instanceType, images}
	before, ok := m.known[key]
	if ok && bytes > before.bytes {
		return
	}
	m.known[key] = measurement{bytes: bytes, confirmed: m.clock.Now()}
	if bytes != before.bytes {
		m.generation++
	}
}

// Memory returns what is known, in bytes; false where nothing is.
func (m *Measured) Memory(instanceType, images string) (int64, bool) {
	if m == nil {
		return 0, false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	found, ok := m.known[measuredKey{instanceType, images}]
	return found.bytes, ok && m.clock.Since(found.confirmed) < measuredFor
}

// Generation changes with what is known.
func (m *Measured) Generation() uint64 {
	if m == nil {
		return 0
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.drop()
	return m.generation
}

// drop forgets what was not confirmed for too long.
func (m *Measured) drop() {
	before := len(m.known)
	maps.DeleteFunc(m.known, func(_ measuredKey, v measurement) bool { return m.clock.Since(v.confirmed) >= measuredFor })
	if len(m.known) < before {
		m.generation++
	}
}
