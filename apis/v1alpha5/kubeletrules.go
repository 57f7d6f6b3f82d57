package v1alpha5

import (
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

var (
	// threshold is a percentage up to 100 or a quantity that is not negative.
	threshold = regexp.MustCompile(`^(0*(100([.]0*)?|[0-9]{1,2}([.][0-9]*)?|[.][0-9]+)%|` +
		`[+]?([0-9]+([.][0-9]*)?|[.][0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]{1,2})?)$`)
	// runtimeName is what could be the name of a program, and is nothing to a shell.
	runtimeName = regexp.MustCompile(`^[A-Za-z0-9._-]*$`)
)

func (k *KubeletConfiguration) validate(path *field.Path) field.ErrorList {
	if k == nil {
		return nil
	}
	soft, grace := path.Child("evictionSoft"), path.Child("evictionSoftGracePeriod")
	return slices.Concat(
		each(path.Child("clusterDNS"), k.ClusterDNS, isAddress, "must be an IP address, e.g. 10.100.0.10"),
		validateRuntime(path.Child("containerRuntime"), k.ContainerRuntime),
		atLeastZero(path.Child("maxPods"), k.MaxPods),
		atLeastZero(path.Child("podsPerCore"), k.PodsPerCore),
		validateReserved(path.Child("systemReserved"), k.SystemReserved),
		validateReserved(path.Child("kubeReserved"), k.KubeReserved),
		validateThresholds(path.Child("evictionHard"), k.EvictionHard),
		validateThresholds(soft, k.EvictionSoft),
		validateGracePeriods(grace, k.EvictionSoftGracePeriod),
		complete(grace, k.EvictionSoftGracePeriod, k.EvictionSoft, "evictionSoft has a threshold for %q: say how long it has to be crossed, e.g. 1m30s"),
		complete(soft, k.EvictionSoft, k.EvictionSoftGracePeriod, "evictionSoftGracePeriod has a time for %q: say at which threshold it counts, e.g. 10%%"),
		k.validateImageCollection(path),
	)
}

func isAddress(text string) bool {
	address, err := netip.ParseAddr(text)
	return err == nil && address.Zone() == ""
}

func validateRuntime(path *field.Path, name *string) field.ErrorList {
	if name == nil || runtimeName.MatchString(*name) {
		return nil
	}
	return field.ErrorList{field.Invalid(path, *name, "must be the name of a program, of letters, digits, '.', '_' and '-'; leave it out for containerd")}
}

func validateReserved(path *field.Path, reserved corev1.ResourceList) field.ErrorList {
	known := []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage, "pid"}
	var errs field.ErrorList
	for _, name := range slices.Sorted(maps.Keys(reserved)) {
		if !slices.Contains(known, name) {
			errs = append(errs, field.NotSupported(path, name, known))
		}
		if q := reserved[name]; q.Sign() < 0 {
			errs = append(errs, field.Invalid(path.Key(string(name)), q.String(), "must not be negative"))
		}
	}
	return append(errs, validateQuantities(path, reserved)...)
}

// validateQuantities refuses numbers with which one does not calculate in any time at all.
func validateQuantities(path *field.Path, list corev1.ResourceList) field.ErrorList {
	var errs field.ErrorList
	for _, name := range slices.Sorted(maps.Keys(list)) {
		if q := list[name]; isEndless(q) {
			errs = append(errs, field.Invalid(path.Key(string(name)), q.String(), exponentDetail))
		}
	}
	return errs
}

func signals() []string {
	return []string{
		"memory.available", "nodefs.available", "nodefs.inodesFree", "imagefs.available", "imagefs.inodesFree", "pid.available",
	}
}

func validateThresholds(path *field.Path, thresholds map[string]string) field.ErrorList {
	errs := validateSignals(path, thresholds)
	for _, signal := range slices.Sorted(maps.Keys(thresholds)) {
		if value := thresholds[signal]; !isThreshold(value) {
			errs = append(errs, field.Invalid(path.Key(signal), value, "must be a quantity, e.g. 500Mi, or a percentage from 0% to 100%"))
		}
	}
	return errs
}

func isThreshold(text string) bool {
	if !threshold.MatchString(text) {
		return false
	}
	if strings.HasSuffix(text, "%") {
		return true
	}
	_, err := resource.ParseQuantity(text)
	return err == nil
}

func validateGracePeriods(path *field.Path, periods map[string]metav1.Duration) field.ErrorList {
	errs := validateSignals(path, periods)
	for _, signal := range slices.Sorted(maps.Keys(periods)) {
		if period := periods[signal]; period.Duration < 0 {
			errs = append(errs, field.Invalid(path.Key(signal), period.Duration.String(), "must not be negative"))
		}
	}
	return errs
}

// validateSignals judges the keys of a map by signal.
func validateSignals[T any](path *field.Path, m map[string]T) field.ErrorList {
	var errs field.ErrorList
	for _, signal := range slices.Sorted(maps.Keys(m)) {
		if !slices.Contains(signals(), signal) {
			errs = append(errs, field.NotSupported(path, signal, signals()))
		}
	}
	return errs
}

// complete sees to it that the map at the path has all the signals of another. The detail is about one that it lacks.
func complete[T, U any](path *field.Path, m map[string]T, other map[string]U, detail string) field.ErrorList {
	var errs field.ErrorList
	for _, signal := range slices.Sorted(maps.Keys(other)) {
		if _, there := m[signal]; !there {
			errs = append(errs, field.Required(path, fmt.Sprintf(detail, signal)))
		}
	}
	return errs
}

// validateImageCollection compares the thresholds only if the higher one is set, and lets them be equal.
func (k *KubeletConfiguration) validateImageCollection(path *field.Path) field.ErrorList {
	high, low := k.ImageGCHighThresholdPercent, k.ImageGCLowThresholdPercent
	at := path.Child("imageGCHighThresholdPercent")
	errs := slices.Concat(within(at, high, 0, 100), within(path.Child("imageGCLowThresholdPercent"), low, 0, 100))
	if high != nil && low != nil && *high < *low {
		errs = append(errs, field.Invalid(at, *high, fmt.Sprintf("must not be below imageGCLowThresholdPercent, which is %d", *low)))
	}
	return errs
}
