package main

import (
	"fmt"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/kerf-autoscaler/kerf/test/conformance/world"
)

// describe prints a world, its plan and what is wrong with it. A world that can be written as a scenario is, so that it can
// become one as it stands.
func describe(r result) string {
	commands, missing := scenarioOf(r.world)
	if len(missing) == 0 {
		return fmt.Sprintf("seed %d, as a scenario:\n%s%s", r.world.Seed, commands, describePlan(r))
	}
	return fmt.Sprintf("seed %d; scenarios have no words for %s:\n%s%s", r.world.Seed, strings.Join(missing, ", "), describeObjects(r.world), describePlan(r))
}

// describeObjects prints a world as its objects.
func describeObjects(w *world.World) string {
	var s strings.Builder
	object := func(title string, o any) {
		text, err := yaml.Marshal(o)
		if err != nil {
			text = []byte(err.Error())
		}
		fmt.Fprintf(&s, "%s:\n  %s\n", title, strings.ReplaceAll(strings.TrimSpace(string(text)), "\n", "\n  "))
	}
	for _, t := range w.Types {
		fmt.Fprintf(&s, "type %s: %s; cpu %s memory %s pods %s;", t.Name, t.Requirements, t.Capacity.Cpu(), t.Capacity.Memory(), t.Capacity.Pods())
		for _, o := range t.Offerings {
			sold := map[bool]string{true: "", false: " sold out"}[o.Available]
			fmt.Fprintf(&s, " %s in %s $%.4f%s,", o.CapacityType, o.Zone, o.Price, sold)
		}
		fmt.Fprintln(&s)
	}
	for _, p := range w.Provisioners {
		object("provisioner "+p.Name, p.Spec)
	}
	for _, n := range w.Nodes {
		if n.Node == nil {
			object("machine "+n.Name(), map[string]any{"labels": n.Machine.Labels, "requirements": n.Machine.Spec.Requirements, "taints": n.Machine.Spec.Taints, "allocatable": n.Machine.Status.Allocatable})
			continue
		}
		object("node "+n.Name(), map[string]any{"leaving": n.Leaving, "starting": n.Machine != nil, "labels": n.Node.Labels, "taints": n.Node.Spec.Taints, "allocatable": n.Node.Status.Allocatable, "attachable": n.Attachable})
		for _, pod := range n.Pods {
			object("runs "+pod.Name, pod)
		}
	}
	for _, d := range w.DaemonSets {
		object("daemon set "+d.Name, d.Spec)
	}
	for _, pod := range w.Aside {
		object("aside "+pod.Name, map[string]any{"namespace": pod.Namespace, "labels": pod.Labels, "spec": pod.Spec, "nominated": pod.Status.NominatedNodeName})
	}
	for _, pod := range w.Pods {
		object(fmt.Sprintf("pod %s (planned before for %q)", pod.Name, w.Planned[pod.UID]), map[string]any{"namespace": pod.Namespace, "labels": pod.Labels, "spec": pod.Spec})
	}
	return s.String()
}

func describePlan(r result) string {
	var s strings.Builder
	for i, m := range r.plan.Machines {
		fmt.Fprintf(&s, "machine-%d of %s: %s %v:", i, m.Provisioner, m.Requirements, m.InstanceTypes)
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
