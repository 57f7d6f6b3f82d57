package judge

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/names"
)

// turnOut asks of each machine whether all its pods go together there, whatever it turns out to be; the others stay as they are.
// Which pods are near is left to bindAll: in the end all of them are there, and no order is known in which that comes about.
func (j *judge) turnOut(ctx context.Context) ([]Disagreement, error) {
	for i := range j.cluster {
		m := &j.cluster[i]
		if len(m.planned) == 0 {
			continue
		}
		for _, other := range m.others {
			if refused, err := j.settle(ctx, m, other); err != nil || len(refused) > 0 {
				return refused, err
			}
		}
		if len(m.others) > 0 {
			j.become(m, m.node)
		}
	}
	return nil, nil
}

// settle makes a machine turn out to be a node, and returns which of its pods are refused there for the node's own sake.
func (j *judge) settle(ctx context.Context, m *member, node *corev1.Node) ([]Disagreement, error) {
	j.scheduler.Remove(node.Name)
	j.scheduler.Add(node, j.before(m, node)...)
	for _, pod := range m.planned {
		refusal, err := j.scheduler.Ask(ctx, pod, node.Name)
		if err != nil {
			return nil, err
		}
		if !refusal.None() && refusal.Plugin != names.PodTopologySpread && refusal.Plugin != names.InterPodAffinity {
			text := fmt.Sprintf("is refused on %s, which it may turn out to be: %s", describe(node), refusal)
			return []Disagreement{{Placed, refusal.Plugin, pod, text}}, nil
		}
		j.scheduler.Bind(pod, node.Name)
	}
	return nil, nil
}

// become puts a node in the place of what a machine was taken for, with all pods on it.
func (j *judge) become(m *member, node *corev1.Node) {
	j.scheduler.Remove(node.Name)
	j.scheduler.Add(node, j.before(m, node)...)
	for _, pod := range m.planned {
		j.scheduler.Bind(pod, node.Name)
	}
}
