package main

import (
	"fmt"
	"strings"

	"sigs.k8s.io/yaml"
)

// describe prints a world, its plan and what is wrong with it.
func describe(r result) string {
	var s strings.Builder
	w := r.world
	fmt.Fprintf(&s, "seed %d\n", w.Seed)
	for _, t := range w.Types {
		fmt.Fprintf(&s, "type %s: %s cpu %s memory %s pods %s", t.Name, t.Requirements, t.Capacity.Cpu(), t.Capacity.Memory(), t.Capacity.Pods())
		for _, o := range t.Offerings {
			fmt.Fprintf(&s, " %s/%s=%g/%t", o.Zone, o.CapacityType, o.Price, o.Available)
		}
		fmt.Fprintln(&s)
	}
	for _, p := range w.Provisioners {
		fmt.Fprintf(&s, "provisioner %s weight %d: %s taints %v limits %v\n", p.Name, p.Weight, p.Requirements, p.Taints, p.Remaining)
	}
	for _, n := range w.Nodes {
		fmt.Fprintf(&s, "node %s initialized %t zones %v labels %v taints %v cpu %s memory %s attachable %v\n", n.Node.Name, n.Initialized, n.Zones, n.Node.Labels, n.Node.Spec.Taints, n.Node.Status.Allocatable.Cpu(), n.Node.Status.Allocatable.Memory(), n.Attachable)
		for _, pod := range n.Pods {
			text, _ := yaml.Marshal(pod)
			fmt.Fprintf(&s, "- runs:\n%s", text)
		}
	}
	for _, d := range w.DaemonSets {
		text, _ := yaml.Marshal(d.Spec)
		fmt.Fprintf(&s, "daemon %s:\n%s", d.Name, text)
	}
	for _, pod := range w.Pods {
		text, _ := yaml.Marshal(pod)
		fmt.Fprintf(&s, "pod %s (planned before for %q):\n%s", pod.Name, w.Planned[pod.UID], text)
	}
	for _, m := range r.plan.Machines {
		fmt.Fprintf(&s, "machine of %s: %s %v:", m.Provisioner, m.Requirements, m.InstanceTypes)
		for _, pod := range m.Pods {
			fmt.Fprintf(&s, " %s", pod.Name)
		}
		fmt.Fprintln(&s)
	}
	for _, p := range r.plan.Placements {
		fmt.Fprintf(&s, "placed %s on %s\n", p.Pod.Name, p.Node)
	}
	for _, u := range r.plan.Unplaced {
		fmt.Fprintf(&s, "left %s: %s\n", u.Pod.Name, u.Reason)
	}
	for _, d := range r.disagreements {
		fmt.Fprintf(&s, "DISAGREEMENT %s\n", d)
	}
	return s.String()
}
