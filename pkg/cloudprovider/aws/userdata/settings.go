package userdata

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"unicode"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/kubelet"
)

// settings are what a node boots with, every value checked and every list in a fixed order.
type settings struct {
	clusterName, endpoint, ca string // ca in base64
	serviceCIDR               string
	dns                       string // "" leaves it to the image
	labels                    map[string]string
	taints                    []corev1.Taint
	maxPods, podsPerCore      int64             // 0 of the latter is no bound
	kubeReserved              map[string]string // nil leaves it to the image
	systemReserved            map[string]string
	evictionHard              map[string]string // nil leaves it to the image
}

func settingsOf(n Node) (settings, error) {
	s := settings{
		clusterName: n.Cluster.Name, endpoint: n.Cluster.Endpoint, serviceCIDR: n.Cluster.ServiceCIDR, maxPods: n.MaxPods,
		ca: base64.StdEncoding.EncodeToString([]byte(n.Cluster.CA)),
	}
	var errs []error
	for _, f := range []struct{ name, value string }{
		{"cluster name", s.clusterName}, {"cluster endpoint", s.endpoint}, {"service CIDR", s.serviceCIDR},
	} {
		if strings.ContainsFunc(f.value, unicode.IsControl) {
			errs = append(errs, fmt.Errorf("the %s %q has a control character", f.name, f.value))
		}
	}
	var err error
	s.labels, err = bootLabels(n.Labels)
	errs = append(errs, err)
	s.taints, err = bootTaints(n.Taints)
	errs = append(errs, err, s.configure(n))
	return s, errors.Join(errs...)
}

// configure reads the kubelet configuration.
func (s *settings) configure(n Node) error {
	s.dns = n.Cluster.DNS()
	c := n.Kubelet
	if c == nil {
		return nil
	}
	var errs []error
	if len(c.ClusterDNS) > 0 {
		address, err := netip.ParseAddr(c.ClusterDNS[0])
		if err != nil || address.Zone() != "" {
			errs = append(errs, fmt.Errorf("kubeletConfiguration.clusterDNS: %q is no IP address", c.ClusterDNS[0]))
		}
		s.dns = address.String()
	}
	if c.PodsPerCore != nil {
		s.podsPerCore = int64(*c.PodsPerCore)
	}
	var err error
	if len(c.KubeReserved) > 0 {
		s.kubeReserved, err = reserved("kubeReserved", n.KubeReserved)
		errs = append(errs, err)
	}
	s.systemReserved, err = reserved("systemReserved", c.SystemReserved)
	errs = append(errs, err)
	s.evictionHard, err = evictionHard(c)
	return errors.Join(append(errs, err)...)
}

// bootLabels returns the labels that a kubelet may give its own node, checked.
func bootLabels(labels map[string]string) (map[string]string, error) {
	out := map[string]string{}
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		value := labels[key]
		problems := append(validation.IsQualifiedName(key), validation.IsValidLabelValue(value)...)
		if len(problems) > 0 {
			errs = append(errs, fmt.Errorf("label %q: %q: %s", key, value, strings.Join(problems, "; ")))
			continue
		}
		if kubeletMaySet(key) {
			out[key] = value
		}
	}
	return out, errors.Join(errs...)
}

// kubeletMaySet reports whether a kubelet starts with the label. In Kubernetes' own domains it knows few; the others, those
// of node-restriction.kubernetes.io among them, are for the control plane to set.
func kubeletMaySet(key string) bool {
	domain, _, prefixed := strings.Cut(key, "/")
	within := func(parent string) bool { return domain == parent || strings.HasSuffix(domain, "."+parent) }
	switch {
	case !prefixed || !within("kubernetes.io") && !within("k8s.io"):
		return true
	case within("kubelet.kubernetes.io") || within("node.kubernetes.io"):
		return true
	default:
		return slices.Contains([]string{
			corev1.LabelTopologyZone, corev1.LabelTopologyRegion, corev1.LabelArchStable, corev1.LabelOSStable, corev1.LabelHostname,
		}, key)
	}
}

// bootTaints checks taints. One without an effect keeps nothing away and is no flag that a kubelet reads: it is left out.
func bootTaints(taints []corev1.Taint) ([]corev1.Taint, error) {
	var out []corev1.Taint
	var errs []error
	for _, t := range taints {
		problems := append(validation.IsQualifiedName(t.Key), validation.IsValidLabelValue(t.Value)...)
		switch t.Effect {
		case corev1.TaintEffectNoSchedule, corev1.TaintEffectPreferNoSchedule, corev1.TaintEffectNoExecute:
		case "":
			continue
		default:
			problems = append(problems, fmt.Sprintf("%q is no effect", t.Effect))
		}
		if len(problems) > 0 {
			errs = append(errs, fmt.Errorf("taint %q: %s", t.ToString(), strings.Join(problems, "; ")))
			continue
		}
		out = append(out, corev1.Taint{Key: t.Key, Value: t.Value, Effect: t.Effect})
	}
	return out, errors.Join(errs...)
}

func reserved(field string, list corev1.ResourceList) (map[string]string, error) {
	if len(list) == 0 {
		return nil, nil
	}
	out := make(map[string]string, len(list))
	for _, name := range slices.Sorted(maps.Keys(list)) {
		switch name {
		case corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage, "pid":
			q := list[name]
			out[string(name)] = q.String()
		default:
			return nil, fmt.Errorf("kubeletConfiguration.%s: %q is none of cpu, memory, ephemeral-storage, pid", field, name)
		}
	}
	return out, nil
}

// evictionHard returns all thresholds: a flag stands in place of all that the image sets, not of those that it names.
func evictionHard(c *v1alpha5.KubeletConfiguration) (map[string]string, error) {
	if len(c.EvictionHard) == 0 {
		return nil, nil
	}
	out := kubelet.EvictionHard(c)
	for _, signal := range slices.Sorted(maps.Keys(out)) {
		threshold := out[signal]
		switch signal {
		case "memory.available", "nodefs.available", "nodefs.inodesFree", "imagefs.available", "imagefs.inodesFree", "pid.available":
		default:
			return nil, fmt.Errorf("kubeletConfiguration.evictionHard: %q is no signal", signal)
		}
		if percent, ok := strings.CutSuffix(threshold, "%"); ok {
			if _, err := kubelet.Percentage(percent); err != nil {
				return nil, fmt.Errorf("kubeletConfiguration.evictionHard: %s: %q is no percentage", signal, threshold)
			}
			continue
		}
		q, err := resource.ParseQuantity(threshold)
		if err != nil {
			return nil, fmt.Errorf("kubeletConfiguration.evictionHard: %s: %q is no quantity", signal, threshold)
		}
		out[signal] = q.String()
	}
	return out, nil
}
