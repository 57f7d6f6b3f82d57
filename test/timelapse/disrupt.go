package timelapse

import (
	"context"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/disruption"
	"github.com/kerf-autoscaler/kerf/pkg/pods"
	"github.com/kerf-autoscaler/kerf/pkg/problem"
)

// command is one that is being carried out.
type command struct {
	disruption.Command
	replacements []string
}

// moved are the pods of a command that was carried out.
type moved struct {
	at   time.Time
	pods []*corev1.Pod
}

func (m *moved) owners() []types.UID {
	var out []types.UID
	for _, pod := range m.pods {
		out = append(out, metav1.GetControllerOf(pod).UID)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// disappoint notes which moves were in vain, when a machine is bought for a pod like those that were moved a short while ago.
func (c *Cluster) disappoint(pod *corev1.Pod) {
	owner := metav1.GetControllerOf(pod)
	c.done = slices.DeleteFunc(c.done, func(m moved) bool {
		if c.Now.Sub(m.at) > proof {
			return true
		}
		owners := m.owners()
		if owner == nil || pod.CreationTimestamp.Time.Before(m.at) || pod.CreationTimestamp.Sub(m.at) >= Tick || !slices.Contains(owners, owner.UID) {
			return false
		}
		c.moves.Disappoint(owners, c.Now)
		return true
	})
}

// account adds what machines cost that stay to why they do.
func (c *Cluster) account() {
	for _, refusal := range c.stays {
		if m := c.machines[refusal.Machine]; m != nil && !m.going {
			c.Kept[refusal.Reason] += m.price * Tick.Hours()
		}
	}
}

// disrupt goes on with commands and decides on new ones.
func (c *Cluster) disrupt(ctx context.Context) {
	c.commands = slices.DeleteFunc(c.commands, c.carryOut)
	c.account()
	same := c.changes == c.seen && (c.again.IsZero() || c.Now.Before(c.again))
	if same || c.Now.Sub(c.decided) < c.DecideEvery {
		return
	}
	c.decided, c.seen = c.Now, c.changes
	c.moves.Forget(c.Now)
	settings := c.Settings
	settings.Moves = c.moves.Clone()
	in := &disruption.Input{
		Now: c.Now, Candidates: c.candidates(), Settings: settings, Allowed: c.allowed(), World: problem.Simulate(c.facts()),
	}
	methods := []disruption.Method{disruption.Emptiness, disruption.Expiration, disruption.Drift, disruption.Consolidation}
	if c.Off {
		methods = methods[:1]
	}
	decision := disruption.Decide(ctx, in, methods...)
	c.again = decision.Again
	c.stays = decision.Refusals
	c.waning = map[string]bool{}
	for _, target := range decision.Waning {
		c.waning[target.Machine] = c.Taint
	}
	c.annotate(decision.DeletionCosts)
	for _, decided := range decision.Commands {
		if c.OnCommand != nil {
			c.OnCommand(decided)
		}
		c.record(decided)
		c.changes++
	}
}

func (c *Cluster) record(decided disruption.Command) {
	recorded := &command{Command: decided}
	for i := range decided.Replacements {
		name := c.name()
		c.launch(&decided.Replacements[i], name)
		recorded.replacements = append(recorded.replacements, name)
		for _, pod := range decided.Replacements[i].Pods {
			c.planned[pod.UID] = name
		}
	}
	for _, target := range decided.Machines {
		m := c.machines[target.Machine]
		m.going = true
		node := m.node.DeepCopy()
		node.Spec.Taints = append(node.Spec.Taints, v1alpha5.DisruptedTaint())
		m.node = node
		c.model.UpdateNode(node)
	}
	c.Commands++
	c.commands = append(c.commands, recorded)
}

// carryOut reports whether a command is done: when its replacements are ready, pods move and the machines end.
func (c *Cluster) carryOut(recorded *command) bool {
	for _, name := range recorded.replacements {
		if m := c.machines[name]; m != nil && !m.ready {
			return false
		}
	}
	done := moved{at: c.Now}
	defer func() { c.done = append(c.done, done) }()
	for _, target := range recorded.Machines {
		moving := c.on(target.Node)
		done.pods = append(done.pods, moving...)
		c.moves.Add(moving, c.Now)
		c.Evictions += len(moving)
		for _, pod := range moving {
			c.drop(pod)
			anew := pod.DeepCopy()
			anew.Annotations = nil
			c.Add(anew)
			c.Moved[pod.Name]++
		}
		c.machines[target.Machine].goneAt = c.Now.Add(drain)
	}
	return true
}

func (c *Cluster) candidates() []disruption.Candidate {
	var out []disruption.Candidate
	for _, m := range c.inOrder() {
		if !m.ready || m.going {
			continue
		}
		provisioner := c.Offers[m.object.Labels[v1alpha5.ProvisionerNameLabel]].Provisioner
		candidate := disruption.Candidate{
			Machine: m.object.Name, Node: m.object.Name, Provisioner: provisioner.Name, PricePerHour: m.price,
			InstanceType: m.instanceType, CapacityType: m.capacityType, Consolidate: !c.Off, SettledAt: m.changed.Add(disruption.SettlesIn(c.SettleFor, lasting(c.on(m.object.Name)))), QuietSince: m.quiet,
			Held: c.Held[m.object.Name], Nominated: c.Now.Before(m.expected),
			Waning: c.waning[m.object.Name],
		}
		if len(c.on(m.object.Name)) == 0 {
			candidate.EmptySince = m.changed
		}
		if ttl, ok := provisioner.TTLAfterEmpty(); ok {
			candidate.TTLAfterEmpty = &ttl
		}
		out = append(out, candidate)
	}
	return out
}

// allowed is how many machines may begin to go.
func (c *Cluster) allowed() map[disruption.Quota]int {
	if c.Share == 0 {
		return nil
	}
	there, going := map[string]int{}, map[string]int{}
	for _, m := range c.inOrder() {
		name := m.object.Labels[v1alpha5.ProvisionerNameLabel]
		if m.ready {
			there[name]++
		}
		if m.going {
			going[name]++
		}
	}
	out := map[disruption.Quota]int{}
	for name, n := range there {
		out[disruption.Quota{Provisioner: name, Reason: disruption.ReasonUnderutilized}] = (n*c.Share+99)/100 - going[name]
	}
	return out
}

// Running returns how many pods each node has that move with it.
func (c *Cluster) Running() map[string]int {
	out := map[string]int{}
	for _, pod := range c.pods {
		out[pod.Spec.NodeName]++
	}
	delete(out, "")
	return out
}

// lasting counts the pods that do not end by themselves.
func lasting(there []*corev1.Pod) int {
	n := 0
	for _, pod := range there {
		if !pods.IsOwnedByJob(pod) {
			n++
		}
	}
	return n
}
