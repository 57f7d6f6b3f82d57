package kubelets

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
)

// applyFlags reads the kubelet's command line. Like a kubelet it refuses what it does not know, so that a mistake in
// user data shows here as it would in EC2: as a node that never joins.
func (s *KubeletSettings) applyFlags(arguments []string) error {
	flags := pflag.NewFlagSet("kubelet", pflag.ContinueOnError)
	flags.Usage = func() {}
	labels := flags.StringToString("node-labels", nil, "")
	taints := flags.StringSlice("register-with-taints", nil, "")
	maxPods := flags.Int32("max-pods", 0, "")
	podsPerCore := flags.Int32("pods-per-core", 0, "")
	kubeReserved := flags.StringToString("kube-reserved", nil, "")
	systemReserved := flags.StringToString("system-reserved", nil, "")
	// Thresholds are written signal<quantity, which no flag type of pflag reads.
	evictionHard := flags.StringSlice("eviction-hard", nil, "")
	unseen := addUnseenFlags(flags)
	for _, ignored := range []string{"cpu-manager-policy", "v"} { // nothing here goes by them
		flags.String(ignored, "", "")
	}
	if err := flags.Parse(arguments); err != nil {
		return fmt.Errorf("reading kubelet flags: %w", err)
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("reading kubelet flags: unknown argument %q", flags.Arg(0))
	}
	if err := s.addLabels(*labels); err != nil {
		return err
	}
	if err := s.addTaints(*taints); err != nil {
		return err
	}
	if flags.Changed("max-pods") {
		s.MaxPods = maxPods
	}
	if flags.Changed("pods-per-core") {
		s.PodsPerCore = *podsPerCore
	}
	if flags.Changed("kube-reserved") {
		s.KubeReserved = Overlay{Values: *kubeReserved, Replaces: true}
	}
	if flags.Changed("system-reserved") {
		s.SystemReserved = Overlay{Values: *systemReserved, Replaces: true}
	}
	if flags.Changed("eviction-hard") {
		thresholds, err := thresholds(*evictionHard)
		if err != nil {
			return err
		}
		s.EvictionHard = Overlay{Values: thresholds, Replaces: true}
	}
	return unseen.apply(flags, &s.Unseen)
}

// unseenFlags are the flags whose effect no Node shows.
type unseenFlags struct {
	clusterDNS, soft *[]string
	grace            *map[string]string
	maxGrace         *int32
	gcHigh, gcLow    *int32
	quota            *bool
}

func addUnseenFlags(flags *pflag.FlagSet) unseenFlags {
	return unseenFlags{
		clusterDNS: flags.StringSlice("cluster-dns", nil, ""),
		soft:       flags.StringSlice("eviction-soft", nil, ""),
		grace:      flags.StringToString("eviction-soft-grace-period", nil, ""),
		maxGrace:   flags.Int32("eviction-max-pod-grace-period", 0, ""),
		gcHigh:     flags.Int32("image-gc-high-threshold", 0, ""),
		gcLow:      flags.Int32("image-gc-low-threshold", 0, ""),
		quota:      flags.Bool("cpu-cfs-quota", true, ""),
	}
}

// apply puts the flags that are given into the settings.
func (f unseenFlags) apply(flags *pflag.FlagSet, into *UnseenSettings) error {
	if flags.Changed("cluster-dns") {
		into.ClusterDNS = *f.clusterDNS
	}
	if flags.Changed("eviction-soft") {
		soft, err := thresholds(*f.soft)
		if err != nil {
			return err
		}
		into.EvictionSoft = soft
	}
	if flags.Changed("eviction-soft-grace-period") {
		into.EvictionSoftGracePeriod = *f.grace
	}
	for _, number := range []struct {
		name        string
		value       *int32
		destination **int32
	}{
		{"eviction-max-pod-grace-period", f.maxGrace, &into.EvictionMaxPodGracePeriod},
		{"image-gc-high-threshold", f.gcHigh, &into.ImageGCHighThresholdPercent},
		{"image-gc-low-threshold", f.gcLow, &into.ImageGCLowThresholdPercent},
	} {
		if flags.Changed(number.name) {
			*number.destination = number.value
		}
	}
	if flags.Changed("cpu-cfs-quota") {
		into.CPUCFSQuota = f.quota
	}
	return nil
}

// thresholds reads signal<quantity.
func thresholds(list []string) (map[string]string, error) {
	out := map[string]string{}
	for _, t := range list {
		signal, quantity, found := strings.Cut(t, "<")
		if !found {
			return nil, fmt.Errorf("reading kubelet flags: the eviction threshold %q has no <", t)
		}
		out[signal] = quantity
	}
	return out, nil
}

func (s *KubeletSettings) addLabels(labels map[string]string) error {
	if s.Labels == nil {
		s.Labels = map[string]string{}
	}
	for key, value := range labels {
		if !kubeletMaySet(key) {
			return fmt.Errorf("reading kubelet flags: a kubelet may not set the label %s on its own node", key)
		}
		s.Labels[key] = value
	}
	return nil
}

// addTaints reads taints in the form key=value:Effect or key:Effect.
func (s *KubeletSettings) addTaints(taints []string) error {
	for _, text := range taints {
		head, effect, found := strings.Cut(text, ":")
		key, value, _ := strings.Cut(head, "=")
		taint := corev1.Taint{Key: key, Value: value, Effect: corev1.TaintEffect(effect)}
		if !found || key == "" || !knownEffect(taint.Effect) {
			return fmt.Errorf("reading kubelet flags: %q is not a taint", text)
		}
		s.Taints = append(s.Taints, taint)
	}
	return nil
}

func knownEffect(effect corev1.TaintEffect) bool {
	return slices.Contains([]corev1.TaintEffect{
		corev1.TaintEffectNoSchedule, corev1.TaintEffectPreferNoSchedule, corev1.TaintEffectNoExecute,
	}, effect)
}

// kubeletMaySet says whether the kubelet would start with the label: in the domains of Kubernetes it accepts only its
// own and a few named ones.
func kubeletMaySet(key string) bool {
	domain, _, prefixed := strings.Cut(key, "/")
	if !prefixed || !within(domain, "kubernetes.io") && !within(domain, "k8s.io") {
		return true
	}
	if within(domain, "kubelet.kubernetes.io") || within(domain, "node.kubernetes.io") {
		return true
	}
	return slices.Contains([]string{
		corev1.LabelHostname, corev1.LabelArchStable, corev1.LabelOSStable,
		corev1.LabelTopologyZone, corev1.LabelTopologyRegion,
		corev1.LabelFailureDomainBetaZone, corev1.LabelFailureDomainBetaRegion,
		corev1.LabelInstanceType, labelArchBeta, labelOSBeta,
	}, key)
}

// within reports whether a domain is the parent or below it.
func within(domain, parent string) bool {
	return domain == parent || strings.HasSuffix(domain, "."+parent)
}
