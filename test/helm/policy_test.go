package helm_test

import (
	"net/netip"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/kerf-autoscaler/kerf/test/helm"
)

// flow is a connection between a pod of kerf and somebody.
type flow struct {
	out      bool
	protocol corev1.Protocol
	port     int32
	// address is somebody's, and namespace the labels of the namespace if that is a pod.
	address   string
	namespace map[string]string
}

// allows says whether a policy with numbered ports, address blocks and namespaces lets a flow through.
func allows(t *testing.T, policy *networkingv1.NetworkPolicy, f flow) bool {
	t.Helper()
	if f.out {
		return slices.ContainsFunc(policy.Spec.Egress, func(rule networkingv1.NetworkPolicyEgressRule) bool {
			return portMatches(rule.Ports, f) && peerMatches(t, rule.To, f)
		})
	}
	return slices.ContainsFunc(policy.Spec.Ingress, func(rule networkingv1.NetworkPolicyIngressRule) bool {
		return portMatches(rule.Ports, f) && peerMatches(t, rule.From, f)
	})
}

func portMatches(ports []networkingv1.NetworkPolicyPort, f flow) bool {
	return slices.ContainsFunc(ports, func(port networkingv1.NetworkPolicyPort) bool {
		return *port.Protocol == f.protocol && port.Port.IntVal == f.port
	})
}

func peerMatches(t *testing.T, peers []networkingv1.NetworkPolicyPeer, f flow) bool {
	t.Helper()
	return len(peers) == 0 || slices.ContainsFunc(peers, func(peer networkingv1.NetworkPolicyPeer) bool {
		if peer.IPBlock != nil {
			return netip.MustParsePrefix(peer.IPBlock.CIDR).Contains(netip.MustParseAddr(f.address))
		}
		selector, err := metav1.LabelSelectorAsSelector(peer.NamespaceSelector)
		if err != nil {
			t.Fatal(err)
		}
		return f.namespace != nil && selector.Matches(labels.Set(f.namespace))
	})
}

func TestTheNetworkPolicyLetsThroughWhatKerfNeedsAndNothingElse(t *testing.T) {
	const outside, service, pod = "203.0.113.7", "10.100.0.1", "10.0.0.9"
	monitoring, other := map[string]string{"kubernetes.io/metadata.name": "monitoring"}, map[string]string{"kubernetes.io/metadata.name": "default"}
	tests := map[string]struct {
		flow
		byDefault, everything bool
	}{
		"webhook from the API server":    {flow{false, "TCP", 8443, outside, nil}, true, false},
		"webhook at another port":        {flow{false, "TCP", 9443, outside, nil}, false, true},
		"scrape from monitoring":         {flow{false, "TCP", 8080, pod, monitoring}, true, false},
		"scrape at another port":         {flow{false, "TCP", 9090, pod, monitoring}, false, true},
		"scrape from another namespace":  {flow{false, "TCP", 8080, pod, other}, true, false},
		"other port, other namespace":    {flow{false, "TCP", 9090, pod, other}, false, false},
		"scrape from outside":            {flow{false, "TCP", 8080, outside, nil}, false, false},
		"probes from a pod":              {flow{false, "TCP", 8081, pod, other}, false, false},
		"shell":                          {flow{false, "TCP", 22, outside, nil}, false, false},
		"webhook by UDP":                 {flow{false, "UDP", 8443, outside, nil}, false, false},
		"names by UDP":                   {flow{true, "UDP", 53, outside, nil}, true, true},
		"names by TCP":                   {flow{true, "TCP", 53, pod, other}, true, true},
		"API server by its Service":      {flow{true, "TCP", 443, service, nil}, true, true},
		"AWS":                            {flow{true, "TCP", 443, outside, nil}, true, true},
		"API server behind the Service":  {flow{true, "TCP", 6443, outside, nil}, false, true},
		"instance metadata":              {flow{true, "TCP", 80, "169.254.169.254", nil}, true, true},
		"instance metadata over IPv6":    {flow{true, "TCP", 80, "fd00:ec2::254", nil}, true, true},
		"Pod Identity":                   {flow{true, "TCP", 80, "169.254.170.23", nil}, true, true},
		"Pod Identity over IPv6":         {flow{true, "TCP", 80, "fd00:ec2::23", nil}, true, true},
		"neighbour of the metadata":      {flow{true, "TCP", 80, "169.254.169.253", nil}, false, false},
		"plain HTTP":                     {flow{true, "TCP", 80, outside, nil}, false, false},
		"plain HTTP within the cluster":  {flow{true, "TCP", 80, pod, other}, false, false},
		"kubelet":                        {flow{true, "TCP", 10250, pod, nil}, false, false},
		"etcd":                           {flow{true, "TCP", 2379, pod, nil}, false, false},
		"HTTPS by UDP":                   {flow{true, "UDP", 443, outside, nil}, false, false},
		"scrape by kerf of somebody":     {flow{true, "TCP", 8080, pod, other}, false, false},
		"name server for clusters' pods": {flow{true, "UDP", 5353, pod, other}, false, false},
	}
	policyOf := func(arguments ...string) *networkingv1.NetworkPolicy {
		policy, err := helm.Find[networkingv1.NetworkPolicy](template(t, arguments...), "NetworkPolicy")
		if err != nil {
			t.Fatal(err)
		}
		return policy
	}
	byDefault := policyOf("--set=clusterName=demo,networkPolicy.enabled=true")
	everything := policyOf("--values=" + valuesFile("everything.yaml"))
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := allows(t, byDefault, tc.flow); got != tc.byDefault {
				t.Errorf("allowed by default: %t", got)
			}
			if got := allows(t, everything, tc.flow); got != tc.everything {
				t.Errorf("allowed with every value set: %t", got)
			}
		})
	}
}

// rulesOf returns the rules of the roles among manifests: kind/namespace/name, where there is a namespace -> rules.
func rulesOf(t *testing.T, manifests string) map[string][]rbacv1.PolicyRule {
	t.Helper()
	objects, err := helm.Objects(manifests)
	if err != nil {
		t.Fatal(err)
	}
	rules := map[string][]rbacv1.PolicyRule{}
	for _, object := range objects {
		if object.GetKind() != "ClusterRole" && object.GetKind() != "Role" {
			continue
		}
		var role rbacv1.ClusterRole // a Role has the same fields
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &role); err != nil {
			t.Fatal(err)
		}
		rules[path.Join(role.Kind, role.Namespace, role.Name)] = role.Rules
	}
	return rules
}

// own are the roles of kerf itself.
func own() []string {
	return []string{"ClusterRole/karpenter", "Role/karpenter/karpenter", "Role/kube-node-lease/karpenter"}
}

func TestRulesAreThoseOfTheCodeInTheNamesOfTheRelease(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(root, "config", "rbac", "role.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	want := rulesOf(t, string(content))
	if diff := cmp.Diff(want, selected(rulesOf(t, template(t, "--set=clusterName=demo")), own()...)); diff != "" {
		t.Errorf("rules (-code's +chart's):\n%s", diff)
	}
	renamed := rulesOf(t, template(t, "--set=clusterName=demo,fullnameOverride=kerf"))
	for _, rule := range renamed["Role/karpenter/kerf"] {
		if slices.Contains(rule.Resources, "secrets") && !cmp.Equal(rule.ResourceNames, []string{"kerf-cert"}) {
			t.Errorf("the rule on the Secret is about %v", rule.ResourceNames)
		}
	}
	for name, rules := range rulesOf(t, template(t, "--set=clusterName=demo,webhook.enabled=false")) {
		for _, rule := range rules {
			if slices.Contains(rule.Resources, "secrets") || slices.Contains(rule.APIGroups, "admissionregistration.k8s.io") {
				t.Errorf("%s is for webhooks only, of which there are none: %v", name, rule)
			}
		}
	}
}

func TestRolesForPeopleAreThoseOfThePlainManifests(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(root, "config", "rbac", "people.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	// aggregated maps a role -> the built-in roles that it becomes a part of.
	aggregated := func(manifests string) map[string][]string {
		objects, err := helm.Objects(manifests)
		if err != nil {
			t.Fatal(err)
		}
		into := map[string][]string{}
		for _, object := range objects {
			for label, value := range object.GetLabels() {
				if strings.HasPrefix(label, "rbac.authorization.k8s.io/") {
					into[object.GetName()] = append(into[object.GetName()], label+"="+value)
				}
			}
			slices.Sort(into[object.GetName()])
		}
		return into
	}
	plain, charted := string(content), template(t, "--set=clusterName=demo")
	want, got := rulesOf(t, plain), rulesOf(t, charted)
	for _, role := range own() {
		delete(got, role)
	}
	if diff := cmp.Diff(want, got); diff != "" || len(want) == 0 {
		t.Errorf("%d roles, rules (-plain +chart's):\n%s", len(want), diff)
	}
	into := aggregated(plain)
	if diff := cmp.Diff(into, aggregated(charted)); diff != "" || len(into) == 0 {
		t.Errorf("%v, labels (-plain +chart's):\n%s", into, diff)
	}
}

func selected[T any](all map[string]T, keys ...string) map[string]T {
	some := map[string]T{}
	for _, key := range keys {
		some[key] = all[key]
	}
	return some
}

func TestRulesAreNarrow(t *testing.T) {
	for name, rules := range rulesOf(t, template(t, "--set=clusterName=demo")) {
		for _, rule := range rules {
			all := slices.Concat(rule.APIGroups, rule.Resources, rule.Verbs)
			if slices.ContainsFunc(all, func(s string) bool { return strings.Contains(s, "*") }) {
				t.Errorf("%s has a wildcard: %v", name, rule)
			}
			if slices.Contains(rule.Resources, "secrets") &&
				(strings.HasPrefix(name, "ClusterRole/") || len(rule.ResourceNames) == 0 || slices.Contains(rule.Verbs, "create")) {
				t.Errorf("%s reaches more than its own Secret: %v", name, rule)
			}
		}
	}
}

func TestPodsOfTheChartAreThoseOfThePlainManifests(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(root, "config", "manager", "deployment.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var plain appsv1.Deployment
	if err := yaml.UnmarshalStrict(content, &plain); err != nil {
		t.Fatal(err)
	}
	charted, err := helm.Find[appsv1.Deployment](template(t, "--set=clusterName=demo"), "Deployment")
	if err != nil {
		t.Fatal(err)
	}
	comparable := func(d *appsv1.Deployment) corev1.PodSpec {
		spec := d.Spec.Template.Spec.DeepCopy()
		// How settings come in is where the two differ, and what the pods are called.
		spec.AutomountServiceAccountToken = nil
		c := &spec.Containers[0]
		c.Image, c.ImagePullPolicy, c.Env, c.EnvFrom = "", "", nil, nil
		slices.SortFunc(c.Ports, func(a, b corev1.ContainerPort) int { return int(a.ContainerPort - b.ContainerPort) })
		for i := range c.Ports {
			c.Ports[i].Protocol = corev1.ProtocolTCP
		}
		spec.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution[0].LabelSelector = nil
		spec.TopologySpreadConstraints[0].LabelSelector = nil
		return *spec
	}
	if diff := cmp.Diff(comparable(&plain), comparable(charted)); diff != "" {
		t.Errorf("pods (-plain +charted):\n%s", diff)
	}
	if plain.Spec.Replicas == nil || *plain.Spec.Replicas != *charted.Spec.Replicas || *plain.Spec.RevisionHistoryLimit != *charted.Spec.RevisionHistoryLimit {
		t.Errorf("replicas and history: %v and %v", plain.Spec, charted.Spec)
	}
}
