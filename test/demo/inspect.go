package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/catalog"
	"github.com/kerf-autoscaler/kerf/test/awssim/admin"
)

// peak is the cluster and AWS at the moment of the highest load.
type peak struct {
	instances   []admin.Instance
	machines    []v1alpha5.Machine
	nodes       map[string]corev1.Node // name -> node
	pods        []corev1.Pod           // of the examples
	provisioner v1alpha5.Provisioner
	vcpus       int64
}

// inspectPeak looks at what runs, first with the eyes of a user and then in detail.
func (d *show) inspectPeak(ctx context.Context) error {
	p, err := d.readPeak(ctx)
	if err != nil {
		return err
	}
	if err := d.inspectColumns(ctx, p); err != nil {
		return err
	}
	d.inspectPods(p)
	d.inspectNodes(p)
	d.inspectInstances(p)
	return nil
}

func (d *show) readPeak(ctx context.Context) (peak, error) {
	p := peak{nodes: map[string]corev1.Node{}}
	for _, i := range d.env.AWS().Instances() {
		if alive(i) {
			p.instances = append(p.instances, i)
		}
	}
	// The provisioner's status follows its machines, so it may be a moment late.
	wait := fmt.Sprintf("--for=jsonpath={.status.resources.nodes}=%d", len(p.instances))
	if _, err := d.env.Kubectl(ctx, "wait", wait, "--timeout=15s", "provisioner/default"); err != nil {
		return p, fmt.Errorf("waiting for the provisioner to count %d nodes: %w", len(p.instances), err)
	}
	var machines v1alpha5.MachineList
	var nodes corev1.NodeList
	var pods corev1.PodList
	for _, list := range []client.ObjectList{&machines, &nodes, &pods} {
		if err := d.env.Client().List(ctx, list); err != nil {
			return p, fmt.Errorf("listing what there is: %w", err)
		}
	}
	if err := d.env.Client().Get(ctx, client.ObjectKey{Name: "default"}, &p.provisioner); err != nil {
		return p, fmt.Errorf("reading the provisioner: %w", err)
	}
	p.machines = machines.Items
	for _, n := range nodes.Items {
		p.nodes[n.Name] = n
	}
	for _, pod := range pods.Items {
		if slices.Contains([]string{inflate, nginx, echoserver}, pod.Labels["app"]) {
			p.pods = append(p.pods, pod)
		}
	}
	facts, err := catalog.Load()
	if err != nil {
		return p, fmt.Errorf("loading the EC2 catalogue: %w", err)
	}
	for _, i := range p.instances {
		it, _ := facts.InstanceType(i.Type) // AWS launches no others
		p.vcpus += int64(it.CPU.VCPUs)
	}
	return p, nil
}

// inspectColumns checks that a user sees what matters.
func (d *show) inspectColumns(ctx context.Context, p peak) error {
	for _, look := range []struct {
		kind    string
		columns []string
		rows    int
	}{
		{"provisioners", []string{"NAME", "TEMPLATE", "CPU", "LIMIT", "NODES", "READY", "AGE"}, 1},
		{"machines", []string{"NAME", "TYPE", "ZONE", "CAPACITY", "NODE", "READY", "AGE"}, len(p.machines)},
	} {
		text, err := d.kubectl(ctx, "get", look.kind)
		if err != nil {
			return err
		}
		d.timeline.now("", "%s", strings.TrimSpace(text))
		lines := strings.Split(strings.TrimSpace(text), "\n")
		full := slices.Equal(strings.Fields(lines[0]), look.columns)
		for _, row := range lines[1:] {
			full = full && len(strings.Fields(row)) == len(look.columns) && strings.Contains(row, " True ")
		}
		d.checks.expect(full && len(lines) == look.rows+1, "kubectl get "+look.kind+" fills its columns and everything is ready",
			"%d rows of %s", len(lines)-1, strings.Join(strings.Fields(lines[0]), " "))
	}
	return nil
}

func (d *show) inspectPods(p peak) {
	elsewhere, notRunning := 0, 0
	for _, pod := range p.pods {
		if p.nodes[pod.Spec.NodeName].Labels[v1alpha5.ProvisionerNameLabel] != "default" {
			elsewhere++
		}
		if pod.Status.Phase != corev1.PodRunning {
			notRunning++
		}
	}
	d.checks.expect(len(p.pods) == 31 && elsewhere == 0 && notRunning == 0, "every pod runs on a node of the provisioner",
		"of %d pods, 31 expected, %d are elsewhere and %d do not run", len(p.pods), elsewhere, notRunning)
	d.checks.expect(d.gone(inflate, nginx, echoserver) == 0, "no pod was disturbed while the load grew",
		"%d pods ended", d.gone(inflate, nginx, echoserver))
}

func (d *show) inspectNodes(p peak) {
	var wrong []string
	for _, i := range p.instances {
		n, ok := p.nodes[i.PrivateDNSName]
		if !ok {
			wrong = append(wrong, i.ID+" has no node")
			continue
		}
		for key, want := range map[string]string{
			v1alpha5.ProvisionerNameLabel:  "default",
			v1alpha5.CapacityTypeLabel:     v1alpha5.CapacityTypeSpot,
			v1alpha5.RegisteredLabel:       "true",
			v1alpha5.InitializedLabel:      "true",
			corev1.LabelInstanceTypeStable: i.Type,
			corev1.LabelTopologyZone:       i.Zone,
			corev1.LabelArchStable:         "amd64",
			corev1.LabelOSStable:           "linux",
		} {
			if got := n.Labels[key]; got != want {
				wrong = append(wrong, fmt.Sprintf("%s of %s is %q, not %q", key, n.Name, got, want))
			}
		}
		for _, taint := range n.Spec.Taints {
			wrong = append(wrong, fmt.Sprintf("%s has the taint %s", n.Name, taint.ToString()))
		}
	}
	d.checks.expect(len(p.instances) > 0 && len(wrong) == 0, "nodes carry the labels of their machines and no taints",
		"%d nodes, %d deviations %s", len(p.instances), len(wrong), strings.Join(wrong, "; "))
}

func (d *show) inspectInstances(p peak) {
	owners := map[string]int{} // provider id -> machines
	for _, m := range p.machines {
		owners[m.Status.ProviderID]++
	}
	single, spot := 0, 0
	for _, i := range p.instances {
		if owners["aws:///"+i.Zone+"/"+i.ID] == 1 {
			single++
		}
		if i.CapacityType == v1alpha5.CapacityTypeSpot {
			spot++
		}
	}
	d.checks.expect(single == len(p.instances) && len(p.instances) == len(p.machines), "every machine has exactly one instance, and every instance a machine",
		"%d machines, %d instances, %d of them matched", len(p.machines), len(p.instances), single)
	d.checks.expect(spot == len(p.instances), "all capacity is spot, as the provisioner requires", "%d of %d instances are", spot, len(p.instances))
	limit, reported := p.provisioner.Spec.Limits.Resources.Cpu(), p.provisioner.Status.Resources.Cpu()
	d.checks.expect(p.vcpus <= limit.Value() && reported.Value() == p.vcpus, "launched CPU is within the limits and counted right",
		"%d CPUs launched, the provisioner counts %s, the limit is %s", p.vcpus, reported, limit)
}
