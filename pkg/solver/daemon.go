package solver

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/pods"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
)

// daemon is the pod of a DaemonSet.
type daemon struct {
	pod          *corev1.Pod
	requests     vector
	unknown      bool // asks for a resource that nothing has
	alternatives []scheduling.Requirements
	guest        guest
	bearing      *bearing
	// shunned are the marks of those that others keep away from where nodes have a label.
	shunned []shunned
}

// shunned is a mark on nodes that have a label.
type shunned struct {
	mark mark
	key  string
}

func daemonsOf(sets []*corev1.Pod, d dimensions, b *rulebook) []*daemon {
	sets = slices.Clone(sets)
	slices.SortFunc(sets, comparePods)
	out := make([]*daemon, 0, len(sets))
	for _, pod := range sets {
		requests := pods.Requests(pod)
		out = append(out, &daemon{
			pod: pod, requests: d.vector(requests), unknown: d.unknown(requests) != "",
			alternatives: scheduling.DaemonRequirements(pod), guest: b.resident(pod, b.learnResident(pod), b.bearing(pod)), bearing: b.bearing(pod),
			shunned: b.shunned(b.bearing(pod)),
		})
	}
	return out
}

// shunned returns which of the marks others keep away from over larger domains than nodes.
func (b *rulebook) shunned(of *bearing) []shunned {
	var out []shunned
	for _, m := range of.marks {
		for _, i := range b.carriersOf(m) {
			if mark, come := b.daemons[i]; come {
				out = append(out, shunned{mark, b.axes[b.counters[i].axis].key})
			}
		}
	}
	return out
}

// run is an alternative of what a DaemonSet asks of a node's labels: it runs on a machine of a shelf that meets all of it. A label
// that is not settled before the node is there meets it if it may.
type run struct {
	daemon             *daemon
	guest              guest // the pod, on the shelf's machines
	stocks             bitset
	zone, capacityType scheduling.Requirement
	own                scheduling.Requirements // on the provisioner's own keys
}

// meets reports whether the provisioner's own labels are what is asked of them.
func meets(own scheduling.Requirements, labels map[string]string) bool {
	for key, q := range own {
		if value, there := labels[key]; there && !q.Has(value) || !there && !q.AllowsAbsent() {
			return false
		}
	}
	return true
}

// runsOf returns where the DaemonSets run. One that is too large for every instance type it is meant for runs nowhere; one that
// fits some keeps pods off those it does not fit, since it belongs there, too.
func (s *shelf) runsOf(daemons []*daemon) []run {
	var out []run
	for _, d := range daemons {
		if d.unknown || scheduling.Taints(s.provisioner.Taints).Tolerated(d.pod) != "" {
			continue
		}
		var runs []run
		fits := false
		for _, alternative := range d.alternatives {
			r, ok := s.run(d, alternative)
			if !ok {
				continue
			}
			runs = append(runs, r)
			for t := range r.stocks.all {
				if fits = fits || d.requests.within(s.stocks[t].allocatable); fits {
					break
				}
			}
		}
		if fits {
			out = append(out, runs...)
		}
	}
	return out
}

// run returns where machines of the shelf may meet the requirements; false for nowhere.
func (s *shelf) run(d *daemon, requirements scheduling.Requirements) (run, bool) {
	r := run{
		daemon: d, guest: s.guestOf(d), stocks: slices.Clone(s.allowed), own: scheduling.Requirements{},
		zone: requirements.Get(corev1.LabelTopologyZone), capacityType: requirements.Get(v1alpha5.CapacityTypeLabel),
	}
	for key, q := range requirements {
		own, defined := s.template[key]
		labels, known := s.catalogue.column(key)
		switch {
		case isOfferingKey(key):
		case key == corev1.LabelHostname:
			if q.Finite() {
				return run{}, false
			}
		case known:
			r.stocks.and(labels.touching(q, s.template.Get(key)))
		case !q.AllowsAbsent() && !defined, !own.Compatible(q) && defined && (own.Finite() || !q.AllowsAbsent()):
			return run{}, false // a label that is left open is left out where no pod names a value
		case defined:
			r.own[key] = q
		}
	}
	offered := func(names []string, q scheduling.Requirement) bool { return slices.ContainsFunc(names, q.Has) }
	return r, !r.stocks.empty() && offered(s.zones, r.zone) && offered(s.catalogue.capacityTypes, r.capacityType)
}

// guestOf returns what a DaemonSet's pod brings to machines of the shelf. Who keeps away from it over a label minds it only where
// machines may have that.
func (s *shelf) guestOf(d *daemon) guest {
	out := d.guest
	for _, x := range d.shunned {
		_, known := s.catalogue.column(x.key)
		if q, own := s.template[x.key]; always(x.key) || known || own && (!q.Finite() || q.Len() > 0) {
			out.marks = addCarries(out.marks, []carry{{x.mark, 1}}, 1)
		}
	}
	return out
}

// load is what DaemonSets bring to a machine.
type load struct {
	// overhead is what they take.
	overhead vector
	// residents are their pods.
	residents company
}

// loads knows the load of each set of DaemonSets.
type loads struct {
	runs  []*run
	none  *load
	known map[string]*load
	key   []byte
	last  *load // of key
}

// loadsOf returns the loads of machines on which some of the shelf's runs are there.
func (s *shelf) loadsOf(there string) *loads {
	l := &loads{none: &load{overhead: make(vector, len(s.dimensions.names))}, known: map[string]*load{}}
	for i := range s.runs {
		if there[i] == 1 {
			l.runs = append(l.runs, &s.runs[i])
		}
	}
	l.key, l.last = make([]byte, len(l.runs)), l.none
	l.known[string(l.key)] = l.none
	return l
}

// on returns the load of a stock; it is shared and must not be changed.
func (l *loads) on(t int) *load {
	same := true
	for i, r := range l.runs {
		runs := byte(0)
		if r.stocks.has(t) {
			runs = 1
		}
		same = same && l.key[i] == runs
		l.key[i] = runs
	}
	if same {
		return l.last
	}
	known, ok := l.known[string(l.key)]
	if !ok {
		known = l.sum()
		l.known[string(l.key)] = known
	}
	l.last = known
	return known
}

// sum adds up the DaemonSets whose runs are in the key, each once.
func (l *loads) sum() *load {
	out := &load{overhead: l.none.overhead.clone()}
	var counted *daemon // alternatives of one DaemonSet follow each other
	for i, r := range l.runs {
		if l.key[i] == 0 || r.daemon == counted {
			continue
		}
		counted = r.daemon
		out.overhead.add(r.daemon.requests, 1)
		out.residents.join(r.guest, 1)
	}
	return out
}
