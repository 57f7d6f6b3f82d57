package fake

import (
	"maps"
	"path"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

// EditionAnnotation holds which edition of what instances are made from an instance is of.
const EditionAnnotation = "cloud.fake/edition"

// Instance is what the cloud knows of one instance.
type Instance struct {
	ProviderID   string
	InstanceType string
	Zone         string
	CapacityType string
	// Price in US dollars per hour.
	Price float64
	// Group and Attempt of the request that made it.
	Group   string
	Attempt int32
	// Launched is when it was made.
	Launched time.Time
	// ShuttingDown is true from its deletion until it is gone.
	ShuttingDown bool
	// Foreign instances belong to another cluster.
	Foreign bool

	labels                map[string]string
	capacity, allocatable corev1.ResourceList
	deletedAt, goneAt     time.Time
	edition               int // of what instances are made from
	stopped               bool
	// failed says that it ended by itself.
	failed bool
	// vanished says that the cloud no longer knows it.
	vanished bool
}

func (i *Instance) gone(now time.Time) bool { return !i.deletedAt.IsZero() && !now.Before(i.goneAt) }

// machine returns what the port tells of the instance.
func (i *Instance) machine(now time.Time) *v1alpha5.Machine {
	m := &v1alpha5.Machine{
		ObjectMeta: metav1.ObjectMeta{
			Name:   path.Base(i.ProviderID),
			Labels: maps.Clone(i.labels),
			Annotations: map[string]string{
				v1alpha5.PriceAnnotation: strconv.FormatFloat(i.Price, 'f', -1, 64), EditionAnnotation: strconv.Itoa(i.edition),
			},
			CreationTimestamp: metav1.NewTime(i.Launched),
		},
		Status: v1alpha5.MachineStatus{
			ProviderID:  i.ProviderID,
			Capacity:    i.capacity.DeepCopy(),
			Allocatable: i.allocatable.DeepCopy(),
			Launch:      &v1alpha5.Launch{Group: i.Group, Attempt: i.Attempt},
		},
	}
	if !i.deletedAt.IsZero() && !i.gone(now) {
		reason := v1alpha5.ReasonTakenAway
		if i.failed {
			reason = v1alpha5.ReasonTerminating
		}
		m.Status.Conditions = []metav1.Condition{{
			Type: v1alpha5.ConditionTerminated, Status: metav1.ConditionFalse,
			Reason: reason, Message: "the instance is shutting-down",
			LastTransitionTime: metav1.NewTime(i.deletedAt),
		}}
	}
	if i.stopped && i.deletedAt.IsZero() {
		m.Status.Conditions = []metav1.Condition{{
			Type: v1alpha5.ConditionTerminated, Status: metav1.ConditionFalse,
			Reason: v1alpha5.ReasonStopped, Message: "the instance is stopped", LastTransitionTime: metav1.NewTime(now),
		}}
	}
	return m
}
