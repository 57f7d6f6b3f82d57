// Package manifests reads Kubernetes objects from files as strictly as an API server would, and knows the line of each mistake.
package manifests

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

// Objects are what files describe, of each kind in order of namespace and name, namespaces filled in.
type Objects struct {
	Pods                   []*corev1.Pod
	Deployments            []*appsv1.Deployment
	ReplicaSets            []*appsv1.ReplicaSet
	StatefulSets           []*appsv1.StatefulSet
	DaemonSets             []*appsv1.DaemonSet
	ReplicationControllers []*corev1.ReplicationController
	Jobs                   []*batchv1.Job
	CronJobs               []*batchv1.CronJob
	Nodes                  []*corev1.Node
	Machines               []*v1alpha5.Machine
	Provisioners           []*v1alpha5.Provisioner
	Templates              []*awsv1alpha1.AWSNodeTemplate
	PersistentVolumes      []*corev1.PersistentVolume
	PersistentVolumeClaims []*corev1.PersistentVolumeClaim
	StorageClasses         []*storagev1.StorageClass
	CSINodes               []*storagev1.CSINode
	VolumeAttachments      []*storagev1.VolumeAttachment
	Namespaces             []*corev1.Namespace
	LimitRanges            []*corev1.LimitRange
	RuntimeClasses         []*nodev1.RuntimeClass
	PriorityClasses        []*schedulingv1.PriorityClass
	// Ignored maps a kind that is not read, with its API version -> how many objects of it there are.
	Ignored map[string]int
	// Warnings are what may not be meant, although it is accepted.
	Warnings []Mistake
}

// reader reads the documents of sources.
type reader struct {
	decoder  *decoder
	kinds    []kind
	objects  Objects
	mistakes []Mistake
	// places maps kind, namespace and name of an object -> where it was read.
	places map[string]string
	// depth is how many lists the document at hand is in, and pods how many pods the objects so far stand for.
	depth, pods int
}

// maxPods is how many pods all files together may stand for: more than three times what Kubernetes supports in one cluster.
const maxPods = 500_000

// Read reads the objects of the sources. Mistakes are in order of file and line; with any, the objects are incomplete.
func Read(sources []Source) (Objects, []Mistake) {
	r := &reader{decoder: newDecoder(), kinds: kinds(), objects: Objects{Ignored: map[string]int{}}, places: map[string]string{}}
	for _, source := range sources {
		documents, mistakes := parse(source)
		r.mistakes = append(r.mistakes, mistakes...)
		for _, document := range documents {
			r.document(source.Name, document, "", "")
		}
	}
	for _, k := range r.kinds {
		k.sort(&r.objects)
	}
	sortMistakes(r.mistakes)
	sortMistakes(r.objects.Warnings)
	return r.objects, slices.Compact(r.mistakes)
}

func sortMistakes(list []Mistake) {
	slices.SortStableFunc(list, func(a, b Mistake) int { return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line)) })
}

func (r *reader) fail(file string, line int, format string, arguments ...any) {
	r.mistakes = append(r.mistakes, Mistake{File: file, Line: line, Text: fmt.Sprintf(format, arguments...)})
}

// document reads an object or a list of objects. Items of a list may leave out what they are.
func (r *reader) document(file string, n *yaml.Node, apiVersion, kindName string) {
	before := r.decoder.inAlias
	defer func() { r.decoder.inAlias = before }()
	r.decoder.inAlias = before || n.Kind == yaml.AliasNode
	if !r.bounded(file, n) {
		return
	}
	n = resolved(n)
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return
	}
	if n.Kind != yaml.MappingNode {
		r.fail(file, n.Line, "must be an object with apiVersion and kind, is %s", called(n))
		return
	}
	apiVersion, kindName = cmp.Or(text(n, "apiVersion"), apiVersion), cmp.Or(text(n, "kind"), kindName)
	if apiVersion == "" || kindName == "" {
		r.fail(file, n.Line, "apiVersion and kind have to say what the object is")
		return
	}
	if items := get(n, "items"); strings.HasSuffix(kindName, "List") && (items == nil || items.Kind == yaml.SequenceNode) {
		r.list(file, items, apiVersion, strings.TrimSuffix(kindName, "List"))
		return
	}
	i := slices.IndexFunc(r.kinds, func(k kind) bool { return k.apiVersion == apiVersion && k.name == kindName })
	if i >= 0 {
		r.object(file, n, r.kinds[i])
		return
	}
	if right := r.rightVersion(apiVersion, kindName); right != "" {
		r.fail(file, n.Line, "%s is no version of %s; write %s", apiVersion, kindName, right)
		return
	}
	r.objects.Ignored[apiVersion+" "+kindName]++
}

// list reads the items of a list; there may be none.
func (r *reader) list(file string, items *yaml.Node, apiVersion, itemKind string) {
	if items == nil {
		return
	}
	if itemKind == "" {
		apiVersion = "" // a plain List says nothing of its items
	}
	r.depth++
	for _, item := range items.Content {
		r.document(file, item, apiVersion, itemKind)
	}
	r.depth--
}

// weight is how many values an object behind an alias counts as, beside those that it has.
const weight = 10

// bounded reports whether a document may be read. Few lines can stand for more objects than there is memory for.
func (r *reader) bounded(file string, n *yaml.Node) bool {
	before := r.decoder.unfolded
	if r.decoder.inAlias {
		r.decoder.unfolded += weight
	}
	switch {
	case r.depth > maxDepth:
		r.fail(file, n.Line, tooDeep)
	case before <= maxUnfolded && r.decoder.unfolded > maxUnfolded:
		r.fail(file, n.Line, "aliases stand for more than %d values", maxUnfolded)
	}
	return r.depth <= maxDepth && r.decoder.unfolded <= maxUnfolded && r.pods <= maxPods
}

// rightVersion returns the API version in which a kind is read that was stated in another of its group, or in a group that only
// Kubernetes uses; "" for a kind of somebody else that has the name by chance.
func (r *reader) rightVersion(apiVersion, kindName string) string {
	i := slices.IndexFunc(r.kinds, func(k kind) bool { return k.name == kindName })
	if i < 0 {
		return ""
	}
	if group := groupOf(apiVersion); group != groupOf(r.kinds[i].apiVersion) && strings.Contains(group, ".") {
		return ""
	}
	return r.kinds[i].apiVersion
}

// groupOf returns the group of an API version; "" for the core.
func groupOf(apiVersion string) string {
	group, _, ok := strings.Cut(apiVersion, "/")
	if !ok {
		return ""
	}
	return group
}

func (r *reader) object(file string, n *yaml.Node, k kind) {
	made := k.read(r.decoder, n)
	meta := made.meta
	if k.namespaced && meta.GetNamespace() == "" {
		meta.SetNamespace(metav1.NamespaceDefault)
	}
	title := k.name
	if meta.GetName() != "" || meta.GetGenerateName() != "" {
		title += " " + Key(meta)
	}
	r.count(file, n, title, made.pods)
	for _, f := range made.faults {
		if f.unknown && meta.GetUID() != "" { // an API server has taken it: one that knows more
			r.objects.Warnings = append(r.objects.Warnings, Mistake{File: file, Line: f.line, Text: title + ": " + join(f.path, f.text)})
			continue
		}
		r.fail(file, f.line, "%s: %s", title, join(f.path, f.text))
	}
	if r.decoder.unfolded > maxUnfolded {
		return // what was cut off looks wrong in other ways, too
	}
	errs, warnings := made.judge()
	for _, err := range append(checkName(meta), errs...) {
		if !slices.ContainsFunc(made.faults, func(f fault) bool { return f.hides(err.Field) }) {
			r.fail(file, lineOf(n, err.Field), "%s: %s", title, join(err.Field, err.ErrorBody()))
		}
	}
	for _, warning := range warnings {
		path, rest, _ := strings.Cut(warning, ": ")
		r.objects.Warnings = append(r.objects.Warnings, Mistake{File: file, Line: lineOf(n, path), Text: title + ": " + join(path, rest)})
	}
	place := fmt.Sprintf("%s:%d", file, n.Line)
	if first, twice := r.places[title]; twice && meta.GetName() != "" {
		r.fail(file, n.Line, "%s is there already, at %s", title, first)
		return
	}
	r.places[title] = place
	made.add(&r.objects)
}

// count adds the pods that an object stands for.
func (r *reader) count(file string, n *yaml.Node, title string, replicas replicas) {
	pods, field := replicas()
	if pods <= 0 || r.pods > maxPods {
		return
	}
	if r.pods += pods; r.pods > maxPods {
		r.fail(file, lineOf(n, field), "%s: %s", title, join(field, fmt.Sprintf("with this there are more than %d pods, which is more than can be planned for", maxPods)))
	}
}

// hides reports whether what could not be read makes a field look as if it were absent.
func (f fault) hides(path string) bool {
	if f.unknown {
		return f.meant != "" && path == strings.TrimPrefix(f.path+"."+f.meant, ".")
	}
	return f.path == "" || touches(path, f.path)
}

// touches reports whether one of two paths leads to the other.
func touches(a, b string) bool {
	leads := func(a, b string) bool {
		rest, ok := strings.CutPrefix(b, a)
		return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
	}
	return leads(a, b) || leads(b, a)
}

func join(path, text string) string {
	if path == "" {
		return text
	}
	return path + ": " + text
}

// Key returns namespace/name of an object, or its name where it is in no namespace.
func Key(meta metav1.Object) string {
	name := meta.GetName()
	if name == "" && meta.GetGenerateName() != "" {
		name = meta.GetGenerateName() + "*"
	}
	if meta.GetNamespace() == "" {
		return name
	}
	return meta.GetNamespace() + "/" + name
}

// verdict is what is to be said of an object that could be read.
type verdict func() (field.ErrorList, []string)
