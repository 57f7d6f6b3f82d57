package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"runtime"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	karpenterv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	karpentercloud "sigs.k8s.io/karpenter/pkg/cloudprovider"
	karpenter "sigs.k8s.io/karpenter/pkg/controllers/provisioning/scheduling"
	karpenterstate "sigs.k8s.io/karpenter/pkg/controllers/state"
	karpenterevents "sigs.k8s.io/karpenter/pkg/events"
	karpenteroptions "sigs.k8s.io/karpenter/pkg/operator/options"
	karpenterscheduling "sigs.k8s.io/karpenter/pkg/scheduling"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
)

// absent stands for the cloud: no node exists, so it is never asked.
type absent struct{ karpentercloud.CloudProvider }

// market is what Karpenter may buy.
type market struct {
	pools []*karpenterv1.NodePool
	// types maps the name of a pool -> its instance types.
	types map[string][]*karpentercloud.InstanceType
}

// askKarpenter returns a try: what its scheduler makes of the workload in an empty cluster. A scheduler is good for one run.
func askKarpenter(ctx context.Context, w workload) (try, error) {
	ctx = karpenteroptions.ToContext(ctx, &karpenteroptions.Options{IgnoreDRARequests: true})
	m := newMarket(w.provisioners)
	client := fake.NewClientBuilder().Build()
	cluster := karpenterstate.NewCluster(clock.RealClock{}, client, absent{})
	options := []karpenter.Options{karpenter.DisableReservedCapacityFallback, karpenter.NumConcurrentReconciles(runtime.GOMAXPROCS(0))}
	topology, err := karpenter.NewTopology(ctx, client, cluster, nil, m.pools, m.types, w.pods, options...)
	if err != nil {
		return nil, fmt.Errorf("preparing topology: %w", err)
	}
	scheduler := karpenter.NewScheduler(ctx, client, m.pools, cluster, nil, topology, m.types, w.daemons,
		karpenterevents.NewRecorder(&record.FakeRecorder{}), clock.RealClock{}, nil, nil, options...)
	return func(context.Context) (func() answer, error) {
		results, err := scheduler.Solve(ctx, w.pods)
		return func() answer { return ofResults(results) }, err
	}, nil
}

func ofResults(results karpenter.Results) answer {
	out := answer{claimedUSD: math.NaN(), claimedBound: math.NaN()}
	for _, claim := range results.NewNodeClaims {
		node := plannedNode{provisioner: claim.NodePoolName, requirements: scheduling.Requirements{}, pods: claim.Pods}
		for _, it := range claim.InstanceTypeOptions {
			node.instanceTypes = append(node.instanceTypes, it.Name)
		}
		for key, r := range claim.Requirements {
			if key != corev1.LabelHostname { // a stand-in: there is no node yet
				node.requirements.Add(requirementOf(r.NodeSelectorRequirement()))
			}
		}
		out.nodes = append(out.nodes, node)
	}
	for pod, err := range results.PodErrors {
		out.unplaced = append(out.unplaced, pod)
		if reason := pod.Name + ": " + err.Error(); out.refusal == "" || reason < out.refusal {
			out.refusal = reason
		}
	}
	return out
}

// requirementOf returns what Karpenter requires of a label in kerf's form, which has no bounds that are part of their range.
func requirementOf(r karpenterv1.NodeSelectorRequirementWithMinValues) scheduling.Requirement {
	inclusive := map[corev1.NodeSelectorOperator]struct {
		exclusive corev1.NodeSelectorOperator
		shift     int
	}{karpenterv1.NodeSelectorOpGte: {corev1.NodeSelectorOpGt, -1}, karpenterv1.NodeSelectorOpLte: {corev1.NodeSelectorOpLt, 1}}
	if bound, ok := inclusive[r.Operator]; ok && len(r.Values) == 1 {
		if n, err := strconv.Atoi(r.Values[0]); err == nil {
			return scheduling.NewRequirement(r.Key, bound.exclusive, strconv.Itoa(n+bound.shift))
		}
	}
	return scheduling.NewRequirement(r.Key, r.Operator, r.Values...)
}

// newMarket turns provisioners into pools, the heaviest first as Karpenter wants them, and their instance types into its own.
func newMarket(provisioners []solver.Provisioner) market {
	m := market{types: map[string][]*karpentercloud.InstanceType{}}
	known, keys := map[*cloudprovider.InstanceType]*karpentercloud.InstanceType{}, labelsOf(provisioners)
	for i := range provisioners {
		p := &provisioners[i]
		m.pools = append(m.pools, poolOf(p))
		for _, it := range p.InstanceTypes {
			if known[it] == nil {
				known[it] = typeOf(it, keys)
			}
			m.types[p.Name] = append(m.types[p.Name], known[it])
		}
	}
	slices.SortFunc(m.pools, func(a, b *karpenterv1.NodePool) int {
		return cmp.Or(cmp.Compare(*b.Spec.Weight, *a.Spec.Weight), cmp.Compare(a.Name, b.Name))
	})
	return m
}

func poolOf(p *solver.Provisioner) *karpenterv1.NodePool {
	pool := &karpenterv1.NodePool{
		ObjectMeta: metav1.ObjectMeta{Name: p.Name, UID: types.UID(p.Name)},
		Spec:       karpenterv1.NodePoolSpec{Weight: &p.Weight, Limits: karpenterv1.Limits(p.Remaining)},
	}
	pool.Spec.Template.Spec = karpenterv1.NodeClaimTemplateSpec{
		NodeClassRef: &karpenterv1.NodeClassReference{Group: "peer.test", Kind: "NodeClass", Name: p.Name},
		Taints:       p.Taints,
	}
	for _, r := range p.Requirements.NodeSelectorRequirements() {
		pool.Spec.Template.Spec.Requirements = append(pool.Spec.Template.Spec.Requirements,
			karpenterv1.NodeSelectorRequirementWithMinValues{Key: r.Key, Operator: r.Operator, Values: r.Values})
	}
	return pool
}

// typeOf returns the same instance type in Karpenter's form. The labels that offerings decide are those of the offerings there are;
// of the other keys, the type has to say so if it does not have the label, or Karpenter takes it that it may have.
func typeOf(it *cloudprovider.InstanceType, keys []string) *karpentercloud.InstanceType {
	out := &karpentercloud.InstanceType{
		Name:         it.Name,
		Requirements: karpenterscheduling.NewNodeSelectorRequirements(it.Requirements.NodeSelectorRequirements()...),
		Capacity:     it.Capacity,
		Overhead: &karpentercloud.InstanceTypeOverhead{
			KubeReserved: it.Overhead.KubeReserved, SystemReserved: it.Overhead.SystemReserved, EvictionThreshold: it.Overhead.EvictionThreshold,
		},
	}
	for _, key := range keys {
		if !it.Requirements.Has(key) && key != corev1.LabelTopologyZone && key != karpenterv1.CapacityTypeLabelKey {
			out.Requirements.Add(karpenterscheduling.NewRequirement(key, corev1.NodeSelectorOpDoesNotExist))
		}
	}
	var zones, capacityTypes []string
	for _, o := range it.Offerings {
		if o.Available {
			zones, capacityTypes = append(zones, o.Zone), append(capacityTypes, o.CapacityType)
		}
		out.Offerings = append(out.Offerings, &karpentercloud.Offering{
			Requirements: karpenterscheduling.NewLabelRequirements(map[string]string{
				corev1.LabelTopologyZone: o.Zone, karpenterv1.CapacityTypeLabelKey: o.CapacityType,
			}),
			Price: o.Price, Available: o.Available,
		})
	}
	out.Requirements.Add(
		karpenterscheduling.NewRequirement(corev1.LabelTopologyZone, corev1.NodeSelectorOpIn, zones...),
		karpenterscheduling.NewRequirement(karpenterv1.CapacityTypeLabelKey, corev1.NodeSelectorOpIn, capacityTypes...),
	)
	return out
}

// labelsOf returns the keys of the labels that any of the instance types has, in order.
func labelsOf(provisioners []solver.Provisioner) []string {
	keys := map[string]bool{}
	for _, p := range provisioners {
		for _, it := range p.InstanceTypes {
			for key := range it.Requirements {
				keys[key] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(keys))
}

// learnLabels tells Karpenter of labels, as its AWS provider, which is not part of this program, does: pods may ask for them although
// no pool names them.
func learnLabels(keys []string) { karpenterv1.WellKnownLabels.Insert(keys...) }
