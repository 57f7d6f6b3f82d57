package main

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/test/conformance/judge"
	"github.com/kerf-autoscaler/kerf/test/conformance/world"
)

// shrink takes out of a world whatever it can without losing the kind of disagreement that comes first.
func shrink(r result, look func(*world.World) (result, error)) (result, error) {
	for {
		smaller, err := step(r, look)
		if err != nil || smaller.world == nil {
			return r, err
		}
		r = smaller
	}
}

// step returns the result for a smaller world, or none if each that is tried loses the disagreement.
func step(r result, look func(*world.World) (result, error)) (result, error) {
	for _, w := range smaller(r.world) {
		next, err := look(w)
		if err != nil {
			return result{}, err
		}
		if len(next.disagreements) > 0 && alike(next.disagreements[0], r.disagreements[0]) {
			return next, nil
		}
	}
	return result{}, nil
}

// alike reports whether two disagreements are of a kind. A pod that is left may be left for another reason in a smaller world.
func alike(a, b judge.Disagreement) bool {
	return a.Kind == b.Kind && (a.Kind == judge.Unplaced || a.Cause == b.Cause)
}

// smaller returns worlds with something less, the ones that lose most first.
func smaller(w *world.World) []*world.World {
	var out []*world.World
	change := func(what func(*world.World)) {
		c := w.Clone()
		what(c)
		out = append(out, c)
	}
	for _, size := range sizes(len(w.Pods)) {
		for at := 0; at < len(w.Pods); at += size {
			change(func(c *world.World) { c.Pods = slices.Delete(c.Pods, at, min(at+size, len(c.Pods))) })
		}
	}
	for i := range w.Nodes {
		change(func(c *world.World) { c.Nodes = slices.Delete(c.Nodes, i, i+1) })
		for k := range w.Nodes[i].Pods {
			change(func(c *world.World) { c.Nodes[i].Pods = slices.Delete(slices.Clone(c.Nodes[i].Pods), k, k+1) })
		}
	}
	for _, t := range w.Types {
		change(func(c *world.World) { c.Forget(t.Name) })
	}
	for i := range w.DaemonSets {
		change(func(c *world.World) { c.DaemonSets = slices.Delete(c.DaemonSets, i, i+1) })
	}
	for i := range w.Aside {
		change(func(c *world.World) { c.Aside = slices.Delete(c.Aside, i, i+1) })
	}
	for uid := range w.Planned {
		change(func(c *world.World) { delete(c.Planned, uid) })
	}
	if c := w.OneNamespace(); c != nil {
		out = append(out, c)
	}
	return append(append(out, simplerProvisioners(w)...), simplerPods(w)...)
}

// sizes are how many pods are taken out at a time: half of them, a quarter, and so on.
func sizes(n int) []int {
	var out []int
	for n /= 2; n > 1; n /= 2 {
		out = append(out, n)
	}
	return append(out, 1)
}

func simplerProvisioners(w *world.World) []*world.World {
	var out []*world.World
	for i, p := range w.Provisioners {
		// What becomes of a machine whose provisioner is gone is another question.
		if !slices.ContainsFunc(w.Nodes, func(n world.Node) bool { return n.Machine != nil && n.Machine.ProvisionerName() == p.Name }) {
			without := w.Clone()
			without.Provisioners = slices.Delete(without.Provisioners, i, i+1)
			out = append(out, without)
		}
		change := func(there bool, less func(*v1alpha5.ProvisionerSpec)) {
			if there {
				c := w.Clone()
				c.Provisioners[i] = p.DeepCopy()
				less(&c.Provisioners[i].Spec)
				out = append(out, c)
			}
		}
		for k := range p.Spec.Requirements {
			change(true, func(s *v1alpha5.ProvisionerSpec) { s.Requirements = slices.Delete(s.Requirements, k, k+1) })
		}
		change(p.Spec.Labels != nil, func(s *v1alpha5.ProvisionerSpec) { s.Labels = nil })
		change(p.Spec.Taints != nil, func(s *v1alpha5.ProvisionerSpec) { s.Taints = nil })
		change(p.Spec.Limits != nil, func(s *v1alpha5.ProvisionerSpec) { s.Limits = nil })
	}
	return out
}

// simplerPods takes one constraint from all waiting pods of a workload, or from one running pod.
func simplerPods(w *world.World) []*world.World {
	var out []*world.World
	tried := map[string]bool{}
	for _, pod := range w.Pods {
		if app := pod.Labels["app"]; !tried[app] {
			tried[app] = true
			for _, less := range simplifications(pod) {
				c := w.Clone()
				for i, other := range c.Pods {
					if other.Labels["app"] == app {
						c.Pods[i] = other.DeepCopy()
						less(c.Pods[i])
					}
				}
				out = append(out, c)
			}
		}
	}
	for n := range w.Nodes {
		for i, pod := range w.Nodes[n].Pods {
			for _, less := range simplifications(pod) {
				c := w.Clone()
				c.Nodes[n].Pods = slices.Clone(c.Nodes[n].Pods)
				c.Nodes[n].Pods[i] = pod.DeepCopy()
				less(c.Nodes[n].Pods[i])
				out = append(out, c)
			}
		}
	}
	return out
}

// simplifications are what can be taken from a pod. Each is safe for any other pod, too.
func simplifications(pod *corev1.Pod) []func(*corev1.Pod) {
	var out []func(*corev1.Pod)
	add := func(there bool, less func(*corev1.Pod)) {
		if there {
			out = append(out, less)
		}
	}
	s := &pod.Spec
	add(s.NodeSelector != nil, func(p *corev1.Pod) { p.Spec.NodeSelector = nil })
	add(s.Tolerations != nil, func(p *corev1.Pod) { p.Spec.Tolerations = nil })
	add(s.Volumes != nil, func(p *corev1.Pod) { p.Spec.Volumes = nil })
	add(s.InitContainers != nil, func(p *corev1.Pod) { p.Spec.InitContainers = nil })
	add(s.Resources != nil, func(p *corev1.Pod) { p.Spec.Resources = nil })
	add(s.Priority != nil && !world.Expendable(pod), func(p *corev1.Pod) { p.Spec.Priority = nil })
	add(s.PreemptionPolicy != nil, func(p *corev1.Pod) { p.Spec.PreemptionPolicy = nil })
	add(s.Overhead != nil, func(p *corev1.Pod) { p.Spec.Overhead = nil })
	add(s.Containers[0].Ports != nil, func(p *corev1.Pod) { p.Spec.Containers[0].Ports = nil })
	for i, c := range s.TopologySpreadConstraints {
		out = append(out, func(p *corev1.Pod) {
			if all := p.Spec.TopologySpreadConstraints; i < len(all) {
				p.Spec.TopologySpreadConstraints = slices.Delete(all, i, i+1)
			}
		})
		add(c.MinDomains != nil || c.NodeAffinityPolicy != nil || c.NodeTaintsPolicy != nil || c.MatchLabelKeys != nil, func(p *corev1.Pod) {
			if all := p.Spec.TopologySpreadConstraints; i < len(all) {
				all[i].MinDomains, all[i].NodeAffinityPolicy, all[i].NodeTaintsPolicy, all[i].MatchLabelKeys = nil, nil, nil, nil
			}
		})
	}
	if s.Affinity != nil {
		add(true, func(p *corev1.Pod) { p.Spec.Affinity = nil })
		add(s.Affinity.NodeAffinity != nil && s.Affinity.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution != nil, affinity(func(a *corev1.Affinity) {
			if a.NodeAffinity != nil {
				a.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution = nil
			}
		}))
		add(s.Affinity.NodeAffinity != nil, affinity(func(a *corev1.Affinity) { a.NodeAffinity = nil }))
		add(s.Affinity.PodAffinity != nil, affinity(func(a *corev1.Affinity) { a.PodAffinity = nil }))
		add(s.Affinity.PodAntiAffinity != nil, affinity(func(a *corev1.Affinity) { a.PodAntiAffinity = nil }))
	}
	return out
}

func affinity(less func(*corev1.Affinity)) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		if p.Spec.Affinity != nil {
			less(p.Spec.Affinity)
		}
	}
}
