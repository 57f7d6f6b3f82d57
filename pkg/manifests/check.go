package manifests

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// What an API server refuses, as far as it would make a plan mean something else. It refuses more.

func checkName(meta metav1.Object) field.ErrorList {
	path := field.NewPath("metadata", "name")
	name := meta.GetName()
	if name == "" && meta.GetGenerateName() != "" {
		return nil
	}
	if name == "" {
		return field.ErrorList{field.Required(path, "every object has a name")}
	}
	var errs field.ErrorList
	for _, problem := range validation.IsDNS1123Subdomain(name) {
		errs = append(errs, field.Invalid(path, name, problem))
	}
	return errs
}

func checkPod(p *corev1.Pod) (field.ErrorList, []string) {
	return checkSpec(&p.Spec, field.NewPath("spec")), nil
}

func checkDeployment(d *appsv1.Deployment) (field.ErrorList, []string) {
	return checkWorkload(d.Spec.Replicas, d.Spec.Selector, &d.Spec.Template), nil
}

func checkReplicaSet(r *appsv1.ReplicaSet) (field.ErrorList, []string) {
	return checkWorkload(r.Spec.Replicas, r.Spec.Selector, &r.Spec.Template), nil
}

func checkStatefulSet(s *appsv1.StatefulSet) (field.ErrorList, []string) {
	return checkWorkload(s.Spec.Replicas, s.Spec.Selector, &s.Spec.Template), nil
}

func checkDaemonSet(d *appsv1.DaemonSet) (field.ErrorList, []string) {
	return checkWorkload(nil, d.Spec.Selector, &d.Spec.Template), nil
}

func checkReplicationController(r *corev1.ReplicationController) (field.ErrorList, []string) {
	if r.Spec.Template == nil {
		return field.ErrorList{field.Required(field.NewPath("spec", "template"), "says what the pods are")}, nil
	}
	selector := r.Spec.Selector
	if len(selector) == 0 {
		selector = r.Spec.Template.Labels // as the API server fills it in
	}
	return checkWorkload(r.Spec.Replicas, &metav1.LabelSelector{MatchLabels: selector}, r.Spec.Template), nil
}

func checkJob(j *batchv1.Job) (field.ErrorList, []string) {
	return checkRun(&j.Spec, field.NewPath("spec")), nil
}

func checkCronJob(c *batchv1.CronJob) (field.ErrorList, []string) {
	return checkRun(&c.Spec.JobTemplate.Spec, field.NewPath("spec", "jobTemplate", "spec")), nil
}

func checkRun(s *batchv1.JobSpec, path *field.Path) field.ErrorList {
	errs := append(checkCount(s.Parallelism, path.Child("parallelism")), checkCount(s.Completions, path.Child("completions"))...)
	return append(errs, checkSpec(&s.Template.Spec, path.Child("template", "spec"))...)
}

func checkCount(n *int32, path *field.Path) field.ErrorList {
	if n != nil && *n < 0 {
		return field.ErrorList{field.Invalid(path, *n, "must not be below 0")}
	}
	return nil
}

func checkWorkload(replicas *int32, selector *metav1.LabelSelector, template *corev1.PodTemplateSpec) field.ErrorList {
	path := field.NewPath("spec")
	errs := checkCount(replicas, path.Child("replicas"))
	if selector == nil {
		errs = append(errs, field.Required(path.Child("selector"), "says which pods are its own"))
	} else if parsed, bad := parseSelector(selector, path.Child("selector")); len(bad) > 0 {
		errs = append(errs, bad...)
	} else if !parsed.Matches(labels.Set(template.Labels)) {
		errs = append(errs, field.Invalid(path.Child("template", "metadata", "labels"), labels.FormatLabels(template.Labels),
			fmt.Sprintf("spec.selector %s does not select these pods", parsed)))
	}
	return append(errs, checkSpec(&template.Spec, path.Child("template", "spec"))...)
}

func parseSelector(s *metav1.LabelSelector, path *field.Path) (labels.Selector, field.ErrorList) {
	parsed, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		return nil, field.ErrorList{field.Invalid(path, field.OmitValueType{}, err.Error())}
	}
	return parsed, nil
}

// checkSpec checks what decides on the place of a pod.
func checkSpec(s *corev1.PodSpec, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if len(s.Containers) == 0 {
		errs = append(errs, field.Required(path.Child("containers"), "a pod has at least one"))
	}
	for _, list := range []struct {
		name       string
		containers []corev1.Container
	}{{"containers", s.Containers}, {"initContainers", s.InitContainers}} {
		for i := range list.containers {
			errs = append(errs, checkResources(&list.containers[i].Resources, path.Child(list.name).Index(i).Child("resources"))...)
		}
	}
	if s.Resources != nil {
		errs = append(errs, checkResources(s.Resources, path.Child("resources"))...)
	}
	errs = append(errs, checkQuantities(s.Overhead, path.Child("overhead"))...)
	for i, t := range s.Tolerations {
		errs = append(errs, checkToleration(t, path.Child("tolerations").Index(i))...)
	}
	for i, c := range s.TopologySpreadConstraints {
		errs = append(errs, checkSpread(c, path.Child("topologySpreadConstraints").Index(i))...)
	}
	if s.Affinity != nil {
		errs = append(errs, checkAffinity(s.Affinity, path.Child("affinity"))...)
	}
	return errs
}

func checkQuantities(list corev1.ResourceList, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for name, q := range list {
		if q.Sign() < 0 {
			errs = append(errs, field.Invalid(path.Key(string(name)), q.String(), "must not be below 0"))
		}
		if !isResource(string(name)) {
			errs = append(errs, field.Invalid(path.Key(string(name)), string(name), "is no resource; all but those of Kubernetes have a domain, like example.com/widgets"))
		}
	}
	return sorted(errs)
}

// isResource reports whether a container may ask for a resource of that name.
func isResource(name string) bool {
	return slices.Contains([]string{"cpu", "memory", "ephemeral-storage"}, name) || strings.HasPrefix(name, corev1.ResourceHugePagesPrefix) || strings.Contains(name, "/")
}

func checkResources(r *corev1.ResourceRequirements, path *field.Path) field.ErrorList {
	errs := append(checkQuantities(r.Requests, path.Child("requests")), checkQuantities(r.Limits, path.Child("limits"))...)
	var over field.ErrorList
	for name, request := range r.Requests {
		if limit, ok := r.Limits[name]; ok && request.Cmp(limit) > 0 {
			over = append(over, field.Invalid(path.Child("requests").Key(string(name)), request.String(), fmt.Sprintf("must not be above the limit, %s", limit.String())))
		}
	}
	return append(errs, sorted(over)...)
}

// sorted puts errors about the entries of a map in order.
func sorted(errs field.ErrorList) field.ErrorList {
	slices.SortStableFunc(errs, func(a, b *field.Error) int { return strings.Compare(a.Field, b.Field) })
	return errs
}

func checkToleration(t corev1.Toleration, path *field.Path) field.ErrorList {
	errs := oneOf(path.Child("operator"), string(t.Operator), "", "Exists", "Equal", "Gt", "Lt")
	errs = append(errs, oneOf(path.Child("effect"), string(t.Effect), "", "NoSchedule", "PreferNoSchedule", "NoExecute")...)
	if t.Key == "" && t.Operator != corev1.TolerationOpExists {
		errs = append(errs, field.Invalid(path.Child("operator"), t.Operator, "must be Exists where there is no key"))
	}
	return errs
}

func checkSpread(c corev1.TopologySpreadConstraint, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if c.MaxSkew <= 0 {
		errs = append(errs, field.Invalid(path.Child("maxSkew"), c.MaxSkew, "must be above 0"))
	}
	if c.TopologyKey == "" {
		errs = append(errs, field.Required(path.Child("topologyKey"), "names the label of nodes to spread over"))
	}
	errs = append(errs, oneOf(path.Child("whenUnsatisfiable"), string(c.WhenUnsatisfiable), "DoNotSchedule", "ScheduleAnyway")...)
	for name, policy := range map[string]*corev1.NodeInclusionPolicy{"nodeAffinityPolicy": c.NodeAffinityPolicy, "nodeTaintsPolicy": c.NodeTaintsPolicy} {
		if policy != nil {
			errs = append(errs, oneOf(path.Child(name), string(*policy), "Honor", "Ignore")...)
		}
	}
	if c.LabelSelector != nil {
		_, bad := parseSelector(c.LabelSelector, path.Child("labelSelector"))
		errs = append(errs, bad...)
	}
	return sorted(errs)
}

func checkAffinity(a *corev1.Affinity, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if n := a.NodeAffinity; n != nil {
		at := path.Child("nodeAffinity")
		if n.RequiredDuringSchedulingIgnoredDuringExecution != nil {
			if len(n.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms) == 0 {
				errs = append(errs, field.Required(at.Child("requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms"), "needs at least one"))
			}
			for i, term := range n.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms {
				errs = append(errs, checkNodeTerm(term, at.Child("requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms").Index(i))...)
			}
		}
		for i, term := range n.PreferredDuringSchedulingIgnoredDuringExecution {
			errs = append(errs, checkNodeTerm(term.Preference, at.Child("preferredDuringSchedulingIgnoredDuringExecution").Index(i).Child("preference"))...)
		}
	}
	if p := a.PodAffinity; p != nil {
		errs = append(errs, checkPodTerms(p.RequiredDuringSchedulingIgnoredDuringExecution, p.PreferredDuringSchedulingIgnoredDuringExecution, path.Child("podAffinity"))...)
	}
	if p := a.PodAntiAffinity; p != nil {
		errs = append(errs, checkPodTerms(p.RequiredDuringSchedulingIgnoredDuringExecution, p.PreferredDuringSchedulingIgnoredDuringExecution, path.Child("podAntiAffinity"))...)
	}
	return errs
}

func checkNodeTerm(t corev1.NodeSelectorTerm, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i, e := range t.MatchExpressions {
		at := path.Child("matchExpressions").Index(i)
		if e.Key == "" {
			errs = append(errs, field.Required(at.Child("key"), "names a label"))
		}
		errs = append(errs, oneOf(at.Child("operator"), string(e.Operator), "In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt")...)
		errs = append(errs, checkValues(e, at.Child("values"))...)
	}
	return errs
}

func checkValues(e corev1.NodeSelectorRequirement, path *field.Path) field.ErrorList {
	switch e.Operator {
	case corev1.NodeSelectorOpIn, corev1.NodeSelectorOpNotIn:
		if len(e.Values) == 0 {
			return field.ErrorList{field.Required(path, fmt.Sprintf("%s needs at least one", e.Operator))}
		}
	case corev1.NodeSelectorOpExists, corev1.NodeSelectorOpDoesNotExist:
		if len(e.Values) > 0 {
			return field.ErrorList{field.Forbidden(path, fmt.Sprintf("%s takes none", e.Operator))}
		}
	case corev1.NodeSelectorOpGt, corev1.NodeSelectorOpLt:
		if len(e.Values) == 1 {
			if _, err := strconv.ParseInt(e.Values[0], 10, 64); err == nil {
				return nil
			}
		}
		return field.ErrorList{field.Invalid(path, e.Values, fmt.Sprintf("%s needs one whole number", e.Operator))}
	}
	return nil
}

func checkPodTerms(required []corev1.PodAffinityTerm, preferred []corev1.WeightedPodAffinityTerm, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	check := func(t corev1.PodAffinityTerm, at *field.Path) {
		if t.TopologyKey == "" {
			errs = append(errs, field.Required(at.Child("topologyKey"), "names the label of nodes that makes them one place"))
		}
		for name, selector := range map[string]*metav1.LabelSelector{"labelSelector": t.LabelSelector, "namespaceSelector": t.NamespaceSelector} {
			if selector != nil {
				_, bad := parseSelector(selector, at.Child(name))
				errs = append(errs, bad...)
			}
		}
	}
	for i, t := range required {
		check(t, path.Child("requiredDuringSchedulingIgnoredDuringExecution").Index(i))
	}
	for i, t := range preferred {
		check(t.PodAffinityTerm, path.Child("preferredDuringSchedulingIgnoredDuringExecution").Index(i).Child("podAffinityTerm"))
	}
	return sorted(errs)
}

func oneOf(path *field.Path, value string, values ...string) field.ErrorList {
	if slices.Contains(values, value) {
		return nil
	}
	return field.ErrorList{field.NotSupported(path, value, slices.DeleteFunc(values, func(v string) bool { return v == "" }))}
}
