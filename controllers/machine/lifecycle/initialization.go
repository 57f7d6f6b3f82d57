package lifecycle

import (
	"context"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/journal"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
)

// initialization notes when a registered Node is ready for ordinary pods.
type initialization struct {
	client  client.Client
	journal journal.Journal
}

func (i *initialization) reconcile(ctx context.Context, machine *v1alpha5.Machine) (reconcile.Result, error) {
	conditions := machines.Conditions(machine)
	if !conditions.IsTrue(v1alpha5.ConditionRegistered) { // it never was, or its Node is gone and all with it
		conditions.Unknown(v1alpha5.ConditionInitialized, v1alpha5.ReasonNotRegistered, "")
		return reconcile.Result{}, nil
	}
	nodes, err := machines.Nodes(ctx, i.client, machine)
	if err != nil {
		return reconcile.Result{}, err
	}
	// Another node may have come with the same instance since; ready is the one that registered.
	registered := slices.IndexFunc(nodes, func(n corev1.Node) bool { return n.Name == machine.Status.NodeName })
	if conditions.IsTrue(v1alpha5.ConditionInitialized) && (registered < 0 || nodes[registered].Labels[v1alpha5.InitializedLabel] == "true") {
		return reconcile.Result{}, nil
	}
	if registered < 0 {
		conditions.Unknown(v1alpha5.ConditionInitialized, v1alpha5.ReasonNodeNotFound, "node "+machine.Status.NodeName+" is gone")
		return reconcile.Result{}, nil
	}
	node := &nodes[registered]
	if reason, message := uninitialized(machine, node); reason != "" {
		conditions.Unknown(v1alpha5.ConditionInitialized, reason, message)
		return reconcile.Result{}, nil
	}
	if node.Labels[v1alpha5.InitializedLabel] != "true" {
		stored := node.DeepCopy()
		if node.Labels == nil { // somebody took all labels off, and the cache does not show yet that they are back
			node.Labels = map[string]string{}
		}
		node.Labels[v1alpha5.InitializedLabel] = "true"
		if err := i.client.Patch(ctx, node, client.MergeFrom(stored)); err != nil {
			return reconcile.Result{}, fmt.Errorf("marking node %s as initialized: %w", node.Name, err)
		}
	}
	if conditions.True(v1alpha5.ConditionInitialized, v1alpha5.ReasonInitialized, "") { // else only its label was lost
		compare(i.journal, machine, node)
	}
	return reconcile.Result{}, nil
}

// uninitialized returns why a Node is not ready for ordinary pods yet, or "" when it is.
func uninitialized(machine *v1alpha5.Machine, node *corev1.Node) (reason, message string) {
	if !machines.NodeIsReady(node) {
		return v1alpha5.ReasonNodeNotReady, "the kubelet does not report ready yet"
	}
	for i := range node.Spec.Taints {
		taint := &node.Spec.Taints[i]
		if slices.ContainsFunc(machine.Spec.StartupTaints, func(s corev1.Taint) bool { return s.MatchTaint(taint) }) {
			return v1alpha5.ReasonStartupTaints, fmt.Sprintf("startup taint %s is still there", taint.ToString())
		}
		if scheduling.IsEphemeralTaint(*taint) {
			return v1alpha5.ReasonEphemeralTaints, fmt.Sprintf("taint %s is still there", taint.ToString())
		}
	}
	for _, name := range slices.Sorted(maps.Keys(machine.Spec.Resources.Requests)) {
		asked := machine.Spec.Resources.Requests[name]
		if there := node.Status.Allocatable[name]; !asked.IsZero() && there.IsZero() {
			return v1alpha5.ReasonResourceMissing, fmt.Sprintf("resource %s is not advertised yet", name)
		}
	}
	return "", ""
}
