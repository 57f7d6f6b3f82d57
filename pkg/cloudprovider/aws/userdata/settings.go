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
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// settings are what a node boots with, every value checked and every list in a fixed order.
type settings struct {
	clusterName, endpoint, ca string // ca in base64
	version                   string // of Kubernetes, e.g. 1.34
	serviceCIDR               string
	dns                       string // "" leaves it to the image
	dnsStated                 bool   // that it is configured
	ipv6                      bool
	labels                    map[string]string
	taints                    []corev1.Taint
	maxPods                   int64
	localDisks                bool // make one volume of those that there are
	kubeletSettings
}

func settingsOf(family string, n Node) (settings, error) {
	s := settings{
		clusterName: n.Cluster.Name, endpoint: n.Cluster.Endpoint, version: n.Cluster.Version, serviceCIDR: n.Cluster.ServiceCIDR,
		maxPods: n.MaxPods, localDisks: n.LocalDisks, dns: n.DNS(), dnsStated: n.Kubelet != nil && len(n.Kubelet.ClusterDNS) > 0, ipv6: n.IPv6(),
		ca: base64.StdEncoding.EncodeToString([]byte(n.Cluster.CA)),
	}
	var errs []error
	for _, f := range []struct{ name, value string }{
		{"cluster name", s.clusterName}, {"cluster endpoint", s.endpoint}, {"service CIDR", s.serviceCIDR},
	} {
		if strings.ContainsFunc(f.value, unicode.IsControl) || !utf8.ValidString(f.value) {
			errs = append(errs, fmt.Errorf("the %s %q has a control character, or is no text", f.name, f.value))
		}
		if strings.HasPrefix(f.value, "-") { // a start-up program would take it for a flag
			errs = append(errs, fmt.Errorf("the %s %q starts with a hyphen", f.name, f.value))
		}
	}
	if s.dns != "" {
		address, err := netip.ParseAddr(s.dns)
		if err != nil || address.Zone() != "" {
			errs = append(errs, fmt.Errorf("kubeletConfiguration.clusterDNS: %q is no IP address", s.dns))
		}
		s.dns = address.String()
	}
	var err error
	s.labels, err = bootLabels(n.Labels)
	errs = append(errs, err)
	s.taints, err = bootTaints(n.Taints)
	errs = append(errs, err)
	s.kubeletSettings, err = kubeletSettingsOf(family, n)
	return s, errors.Join(append(errs, err)...)
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
