package world

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/test/chaos/apiserver"
	"github.com/kerf-autoscaler/kerf/test/chaos/history"
)

// Moment is a call that kerf makes on the way of a machine from empty to gone.
type Moment string

// The moments, in their order.
const (
	// MomentMark writes down that a machine is empty, MomentRecord that it goes for that.
	MomentMark   Moment = "mark"
	MomentRecord Moment = "record"
	// MomentTaint keeps pods off the node, MomentUntaint gives it back.
	MomentTaint   Moment = "taint"
	MomentUntaint Moment = "untaint"
	// MomentLook asks the API server itself which pods are on the node: before the machine is deleted, and before its instance is ended.
	MomentLook   Moment = "look"
	MomentDelete Moment = "delete"
	MomentEvict  Moment = "evict"
	// MomentDrained writes down that nothing is left on the node.
	MomentDrained   Moment = "drained"
	MomentTerminate Moment = "terminate"
)

// Moments returns all of them.
func Moments() []Moment {
	return []Moment{MomentMark, MomentRecord, MomentTaint, MomentUntaint, MomentLook, MomentDelete, MomentEvict, MomentDrained, MomentTerminate}
}

// momentOf returns which moment a call is, and of which node; "" where it is none.
func (w *World) momentOf(call *parked) (Moment, string) {
	if call.api == nil {
		if rest, ok := strings.CutPrefix(call.key, "aws TerminateInstances "); ok {
			return MomentTerminate, w.actors.nodeNamed(rest)
		}
		return "", ""
	}
	request := call.api
	switch request.Verb + " " + request.Kind {
	case "list Pod":
		return MomentLook, request.On
	case "delete Machine":
		return MomentDelete, w.actors.nodeOf(request.Name)
	case "patch Machine":
		return momentOfStatus(request), w.actors.nodeOf(request.Name)
	case "patch Node":
		if strings.Contains(request.Body, v1alpha5.DisruptedTaintKey) {
			return MomentTaint, request.Name
		}
		if strings.Contains(request.Body, `"taints":`) {
			return MomentUntaint, request.Name
		}
	case "evict Pod":
		node := ""
		each(w.actors, "Pod", func(p *corev1.Pod) {
			if p.Name == request.Name {
				node = p.Spec.NodeName
			}
		})
		return MomentEvict, node
	}
	return "", ""
}

// momentOfStatus tells by what a write of a machine's status says is true.
func momentOfStatus(request *apiserver.Request) Moment {
	var patch v1alpha5.Machine
	if err := json.Unmarshal([]byte(request.Body), &patch); err != nil || request.Sub != "status" {
		return ""
	}
	is := func(condition string) bool {
		return slices.ContainsFunc(patch.Status.Conditions, func(c metav1.Condition) bool { return c.Type == condition && c.Status == metav1.ConditionTrue })
	}
	switch {
	case is(v1alpha5.ConditionDrained):
		return MomentDrained
	case is(v1alpha5.ConditionDisrupting):
		return MomentRecord
	case is(v1alpha5.ConditionEmpty):
		return MomentMark
	}
	return ""
}

// nodeOf returns the name of the node of a machine; "" where it has none.
func (a *actors) nodeOf(machine string) string {
	node := ""
	each(a, "Machine", func(m *v1alpha5.Machine) {
		if m.Name == machine {
			node = m.Status.NodeName
		}
	})
	return node
}

// nodeNamed returns the first node whose instance a request names.
func (a *actors) nodeNamed(request string) string {
	node := ""
	each(a, "Node", func(n *corev1.Node) {
		if id := history.InstanceID(n.Spec.ProviderID); node == "" && id != "" && strings.Contains(request, id) {
			node = n.Name
		}
	})
	return node
}

// inRace carries a call out as part of the race: what lies in wait for its moment comes just before it, or just after.
func (w *World) inRace(call *parked, carryOut func()) {
	if w.plan.Race == nil {
		carryOut()
		return
	}
	moment, node := w.momentOf(call)
	w.spring(moment, node, false)
	carryOut()
	synctest.Wait()
	w.spring(moment, node, true)
}

// spring has those come who lie in wait for a moment.
func (w *World) spring(moment Moment, node string, after bool) {
	if moment == "" || node == "" || w.actors.calmed.After(w.start) {
		return
	}
	for i := range w.plan.Race.Ambushes {
		ambush := &w.plan.Race.Ambushes[i]
		if w.sprung[i] > ambush.Skip || ambush.Moment != moment || ambush.After != after {
			continue
		}
		if w.sprung[i]++; w.sprung[i] <= ambush.Skip {
			continue
		}
		w.mark(history.MarkFault, fmt.Sprintf("at %s (after it: %t) of %s: %s", moment, after, node, ambush.Visit.Who))
		if w.actors.visit(node, ambush.Visit) {
			w.hits[ClassAmbush]++
			w.hits[ClassAmbush+" "+string(moment)]++
		}
		w.recordWrites(0)
	}
}

// heldUntil returns when a call of the API server is carried out.
func (w *World) heldUntil(key string) time.Time {
	race, now := w.plan.Race, time.Now()
	if race == nil || race.Held == 0 || w.plan.settledBefore(now.Sub(w.start)) {
		return now
	}
	h := fnv.New64a()
	fmt.Fprint(h, w.plan.Seed, key, now.UnixNano()) //nolint:errcheck // a hash never fails to write
	drawn := h.Sum64()
	if float64(drawn%1000)/1000 >= race.Held {
		return now
	}
	return now.Add(time.Duration(drawn / 1000 % uint64(race.HeldFor))) //nolint:gosec // below HeldFor
}

// recordRead notes that kerf has looked at a node, or at the pods on it, past its caches.
func (w *World) recordRead(process int, request *apiserver.Request) {
	read := &history.Read{Kind: request.Kind, Node: request.On}
	switch {
	case w.plan.Race == nil || request.Write:
		return
	case request.Verb == "get" && request.Kind == "Node":
		read.Node = request.Name
	case request.On == "":
		return
	}
	w.record(history.Event{Process: process, Read: read})
}
