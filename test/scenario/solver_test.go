package scenario_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

func TestSolverScenarios(t *testing.T) {
	runFiles(t, "../../pkg/solver/testdata/*.txt", func() executor { return &planner{} })
}

// planner gathers a problem and solves it. Commands and their arguments, each of which may be repeated:
//
//	add-type NAME cpu= memory= pods= RESOURCE= reserved-cpu= on-demand=PRICE spot=PRICE zones=Z,Z sold-out=Z special=true label=KEY:VALUE label=KEY
//	add-provisioner NAME weight= limit=RESOURCE:QUANTITY require=KEY:OPERATOR:V,V label=KEY:VALUE taint=KEY:VALUE:EFFECT types=PREFIX
//	add-node NAME in-flight=true label= possible=KEY:OPERATOR:V,V taint= attachable=DRIVER:N cpu= memory= pods=
//	add-pod NAME replicas= node= namespace= leaving=true label= cpu= memory= RESOURCE= select= affinity=KEY:OPERATOR:V,V+...
//	  node-name=OPERATOR:NAME prefer=KEY:OPERATOR:V,V tolerate= port= apart= with= spread=KEY:SKEW claim= attach=DRIVER:N
//	add-daemon NAME, with the arguments of add-pod
//	add-namespace NAME label=
//	solve
//
// apart and with take a topology key. They and spread are about the pods that share the label app with the pod, unless words
// separated by semicolons follow that say something else: of=KEY:VALUE or of=nothing for an empty selector, in=NAMESPACE, and for
// spread min=DOMAINS, taints, which honors these, and anywhere, which does not look at node affinity.
type planner struct {
	types   cloudprovider.InstanceTypes
	problem solver.Problem
}

func (p *planner) run(c command) (string, error) {
	switch c.verb {
	case "add-type":
		return "", p.addType(c)
	case "add-provisioner":
		return "", p.addProvisioner(c)
	case "add-node":
		return "", p.addNode(c)
	case "add-pod":
		return "", p.addPods(c)
	case "add-daemon":
		modifiers, err := podModifiers(c)
		p.problem.DaemonSets = append(p.problem.DaemonSets, builders.Pod(append(modifiers, builders.Name(c.name))...))
		return "", err
	case "add-namespace":
		labels := map[string]string{}
		for _, a := range c.arguments {
			key, value, _ := strings.Cut(a.value, ":")
			labels[key] = value
		}
		if p.problem.Namespaces == nil {
			p.problem.Namespaces = map[string]map[string]string{}
		}
		p.problem.Namespaces[c.name] = labels
		return "", nil
	case "solve":
		return printPlan(solver.Solve(context.Background(), p.problem)), nil
	}
	return "", fmt.Errorf("%q is no command", c.verb)
}

func (p *planner) addType(c command) error {
	t := builders.InstanceType(c.name)
	var zones []string
	for _, a := range c.arguments {
		key, value, _ := strings.Cut(a.value, ":")
		switch a.key {
		case "zones":
			zones = strings.Split(a.value, ",")
		case "on-demand", "spot":
			price, err := strconv.ParseFloat(a.value, 64)
			if err != nil {
				return err
			}
			offer := builders.OnDemand
			if a.key == "spot" {
				offer = builders.Spot
			}
			offer(price, zones...)(t)
		case "sold-out":
			builders.SoldOut(a.value)(t)
		case "label":
			builders.TypeLabel(key, strings.Fields(value)...)(t)
		case "special":
			t.Special = a.value == "true"
		case "reserved-cpu":
			builders.Reserved(a.value, "0")(t)
		default:
			builders.Has(corev1.ResourceName(a.key), a.value)(t)
		}
	}
	p.types = append(p.types, t)
	return nil
}

func (p *planner) addProvisioner(c command) error {
	q := solver.Provisioner{Name: c.name, Requirements: scheduling.Requirements{}, Remaining: corev1.ResourceList{}, InstanceTypes: p.types}
	for _, a := range c.arguments {
		key, value, _ := strings.Cut(a.value, ":")
		switch a.key {
		case "weight":
			weight, err := strconv.Atoi(a.value)
			if err != nil {
				return err
			}
			q.Weight = int32(weight) //nolint:gosec // a scenario's weight is small
		case "limit":
			q.Remaining[corev1.ResourceName(key)] = resource.MustParse(value)
		case "require":
			q.Requirements.Add(requirement(a.value))
		case "label":
			q.Requirements.Add(scheduling.NewRequirement(key, corev1.NodeSelectorOpIn, value))
		case "taint":
			q.Taints = append(q.Taints, taint(a.value))
		case "types":
			q.InstanceTypes = nil
			for _, t := range p.types {
				if strings.HasPrefix(t.Name, a.value) {
					q.InstanceTypes = append(q.InstanceTypes, t)
				}
			}
		default:
			return fmt.Errorf("a provisioner has no %q", a.key)
		}
	}
	p.problem.Provisioners = append(p.problem.Provisioners, q)
	return nil
}

func (p *planner) addNode(c command) error {
	n := solver.Node{Name: c.name, Initialized: true, Labels: map[string]string{corev1.LabelHostname: c.name}, Available: corev1.ResourceList{}}
	for _, a := range c.arguments {
		key, value, _ := strings.Cut(a.value, ":")
		switch a.key {
		case "in-flight":
			n.Initialized = false
		case "label":
			n.Labels[key] = value
		case "possible":
			r := requirement(a.value)
			n.Possible = n.Possible.Union(scheduling.NewRequirements(r))
		case "taint":
			n.Taints = append(n.Taints, taint(a.value))
		case "attachable":
			count, err := strconv.Atoi(value)
			if err != nil {
				return err
			}
			n.Attachable = map[string]int{key: count}
		default:
			n.Available[corev1.ResourceName(a.key)] = resource.MustParse(a.value)
		}
	}
	p.problem.Nodes = append(p.problem.Nodes, n)
	return nil
}

func (p *planner) addPods(c command) error {
	modifiers, err := podModifiers(c)
	if err != nil {
		return err
	}
	replicas := 1
	for _, a := range c.arguments {
		switch a.key {
		case "replicas":
			if replicas, err = strconv.Atoi(a.value); err != nil {
				return err
			}
		case "node":
			for i := range p.problem.Nodes {
				if n := &p.problem.Nodes[i]; n.Name == a.value {
					n.Pods = append(n.Pods, builders.Pod(append(modifiers, builders.Name(c.name), builders.OnNode(n.Name))...))
					return nil
				}
			}
			return fmt.Errorf("there is no node %q", a.value)
		}
	}
	for i := range replicas {
		pod := builders.Pod(append(modifiers, builders.Name(fmt.Sprintf("%s-%d", c.name, i)))...)
		p.problem.Pods = append(p.problem.Pods, pod)
		for _, a := range c.arguments {
			if a.key == "attach" {
				if err := p.attach(pod, a.value); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// attach gives the pod so many volumes of a driver, as DRIVER:N.
func (p *planner) attach(pod *corev1.Pod, volumes string) error {
	driver, count, _ := strings.Cut(volumes, ":")
	n, err := strconv.Atoi(count)
	if p.problem.Volumes == nil {
		p.problem.Volumes = map[types.UID]solver.Volumes{}
	}
	p.problem.Volumes[pod.UID] = solver.Volumes{Attachments: map[string]int{driver: n}}
	return err
}

// nodeName makes the last term of the required node affinity one about the name of the node.
func nodeName(operator corev1.NodeSelectorOperator, name string) builders.PodModifier {
	return func(p *corev1.Pod) {
		terms := p.Spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms
		terms[len(terms)-1].MatchFields = []corev1.NodeSelectorRequirement{{Key: metav1.ObjectNameField, Operator: operator, Values: []string{name}}}
	}
}

func podModifiers(c command) ([]builders.PodModifier, error) {
	app := map[string]string{"app": c.name}
	out := []builders.PodModifier{builders.Labels(app)}
	for _, a := range c.arguments {
		key, value, _ := strings.Cut(a.value, ":")
		switch a.key {
		case "replicas", "node", "attach":
		case "label":
			app[key] = value
		case "select":
			out = append(out, builders.NodeSelector(map[string]string{key: value}))
		case "affinity":
			var all []corev1.NodeSelectorRequirement
			for expression := range strings.SplitSeq(a.value, "+") {
				all = append(all, requirement(expression).NodeSelectorRequirements()...)
			}
			out = append(out, builders.NodeAffinity(all...))
		case "node-name":
			out = append(out, builders.NodeAffinity(), nodeName(corev1.NodeSelectorOperator(key), value))
		case "tolerate":
			t := taint(a.value)
			out = append(out, builders.Toleration(corev1.Toleration{Key: t.Key, Value: t.Value, Effect: t.Effect}))
		case "prefer":
			out = append(out, prefer(requirement(a.value).NodeSelectorRequirements()))
		case "namespace":
			out = append(out, builders.Namespace(a.value))
		case "leaving":
			out = append(out, func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)} })
		case "port":
			n, err := strconv.ParseInt(a.value, 10, 32)
			if err != nil {
				return nil, err
			}
			out = append(out, builders.HostPort(int32(n)))
		case "spread", "apart", "with":
			tie, err := tieTo(a, app)
			if err != nil {
				return nil, err
			}
			out = append(out, tie)
		case "claim":
			out = append(out, builders.Claim(a.value))
		default:
			out = append(out, builders.Request(corev1.ResourceName(a.key), a.value))
		}
	}
	return out, nil
}

// requirement parses KEY:OPERATOR:V,V.
func requirement(s string) scheduling.Requirement {
	key, rest, _ := strings.Cut(s, ":")
	operator, values, given := strings.Cut(rest, ":")
	if !given {
		return scheduling.NewRequirement(key, corev1.NodeSelectorOperator(operator))
	}
	return scheduling.NewRequirement(key, corev1.NodeSelectorOperator(operator), strings.Split(values, ",")...)
}

// taint parses KEY:VALUE:EFFECT.
func taint(s string) corev1.Taint {
	parts := append(strings.Split(s, ":"), "", "")
	return corev1.Taint{Key: parts[0], Value: parts[1], Effect: corev1.TaintEffect(parts[2])}
}

// printPlan prints what a reader wants to know of a plan, one decision per line.
func printPlan(plan solver.Plan) string {
	var s strings.Builder
	for _, p := range plan.Placements {
		fmt.Fprintf(&s, "place %s on %s\n", p.Pod.Name, p.Node)
	}
	for _, m := range plan.Machines {
		fmt.Fprintf(&s, "buy %s for %s, %s in %s at $%.4f/h:", m.InstanceTypes[0], m.Provisioner, m.CapacityType, m.Zone, m.PricePerHour)
		for _, pod := range m.Pods {
			fmt.Fprintf(&s, " %s", pod.Name)
		}
		fmt.Fprintf(&s, "\n  needs cpu %s, memory %s; or %v\n", m.Requests.Cpu(), m.Requests.Memory(), m.InstanceTypes[1:])
		for _, key := range m.Requirements.Keys() {
			if key != v1alpha5.ProvisionerNameLabel && key != v1alpha5.CapacityTypeLabel {
				fmt.Fprintf(&s, "  %s\n", m.Requirements[key])
			}
		}
	}
	for _, u := range plan.Unplaced {
		fmt.Fprintf(&s, "leave %s: %s\n", u.Pod.Name, u.Reason)
	}
	fmt.Fprintf(&s, "total $%.4f/h\n", plan.CostPerHour)
	return s.String()
}
