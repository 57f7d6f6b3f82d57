package machines

import (
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

// namedWorkloads is how many workloads a machine tells that it was made for: those of a machine full of different pods.
const namedWorkloads = 110

// WorkloadOf returns what stands for the pods of one owner, or for a pod of its own.
func WorkloadOf(pod *corev1.Pod) string {
	uid := pod.UID
	if owner := metav1.GetControllerOfNoCopy(pod); owner != nil {
		uid = owner.UID
	}
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(uid)) // a hash takes everything
	return strconv.FormatUint(uint64(sum.Sum32()), 16)
}

// MadeFor returns the annotation of a machine that is made from basis for pods.
func MadeFor(basis string, list []*corev1.Pod) string {
	workloads := map[string]bool{}
	for _, pod := range list {
		workloads[WorkloadOf(pod)] = true
	}
	sorted := slices.Sorted(maps.Keys(workloads))
	return basis + "/" + strings.Join(sorted[:min(len(sorted), namedWorkloads)], ",")
}

// MadeFrom returns what that annotation of a machine says.
func MadeFrom(machine *v1alpha5.Machine) (basis string, workloads []string) {
	basis, list, _ := strings.Cut(machine.Annotations[v1alpha5.MadeForAnnotation], "/")
	if list == "" {
		return basis, nil
	}
	return basis, strings.Split(list, ",")
}

// NewName returns a name for a machine, which no other has. It is not left to the API server to choose: to make the machine a second
// time, where the first had no answer, must not make two.
func NewName(provisioner string) string {
	const random = 10 // characters of the suffix, which are hexadecimal: a million machines share one with a chance of less than a half
	id := strings.ReplaceAll(string(uuid.NewUUID()), "-", "")
	return provisioner + "-" + id[len(id)-random:]
}
