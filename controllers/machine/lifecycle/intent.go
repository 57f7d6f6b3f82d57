package lifecycle

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

// groupPatience is how long a Machine waits for the next of the other machines of its launch group to appear before it launches
// alone. Each is created within moments of the one before; one that is missing for longer was never created.
// With each member it grows by groupPatienceOfEach: an API server that is asked for hundreds at once, and the watch that shows
// them, fall behind.
const (
	groupPatience       = 10 * time.Second
	groupPatienceOfEach = 200 * time.Millisecond
)

// tokenLength is how much of the hash a launch token keeps; EC2 takes 64 ASCII characters.
const tokenLength = 64

// formation says how far the machines of a request agree on it.
type formation int

const (
	// forming: a member's intent is still to be written or seen.
	forming formation = iota
	// formed: every member holds the same intent. That never changes any more, so the request may be sent.
	formed
	// broken: a member holds another intent, so that this one can never be formed, and was never sent.
	broken
)

// newIntent returns the intent of a Machine, given all machines of its launch group, itself included. nil means that it should
// wait: members are missing and its patience lasts, for it has waited for only so long since the last of them appeared.
func newIntent(machine *v1alpha5.Machine, members []v1alpha5.Machine, clusterUID string, now time.Time, waited time.Duration) (*v1alpha5.Launch, error) {
	hash, err := requestHash(machine)
	if err != nil {
		return nil, err
	}
	group := machine.Spec.LaunchGroup
	switch {
	case group == nil || group.Size <= 1:
		return alone(machine, 1, hash, clusterUID, now), nil
	case len(members) == int(group.Size):
		uids := make([]string, 0, len(members))
		for i := range members {
			uids = append(uids, string(members[i].UID))
		}
		slices.Sort(uids)
		index, _ := slices.BinarySearch(uids, string(machine.UID))
		intent := &v1alpha5.Launch{
			Group: group.Name, Attempt: 1, Size: group.Size, Index: int32(index), RequestHash: hash, Time: metav1.NewTime(now),
		}
		intent.Token = token(clusterUID, intent)
		return intent, nil
	case waited > patience(group.Size):
		return alone(machine, 1, hash, clusterUID, now), nil
	default:
		return nil, nil
	}
}

// patience returns how long a Machine waits for the next member of a group of that size.
func patience(size int32) time.Duration {
	return groupPatience + time.Duration(size)*groupPatienceOfEach
}

// latest returns when the last of the machines was created that are there.
func latest(machine *v1alpha5.Machine, members []v1alpha5.Machine) time.Time {
	last := machine.CreationTimestamp.Time
	for i := range members {
		if created := members[i].CreationTimestamp.Time; created.After(last) {
			last = created
		}
	}
	return last
}

// alone returns the intent of a Machine that launches by itself; its group is its own UID.
func alone(machine *v1alpha5.Machine, attempt int32, hash, clusterUID string, now time.Time) *v1alpha5.Launch {
	intent := &v1alpha5.Launch{
		Group: string(machine.UID), Attempt: attempt, Size: 1, RequestHash: hash, Time: metav1.NewTime(now),
	}
	intent.Token = token(clusterUID, intent)
	return intent
}

// formationOf says how far the members of the machine's intent agree.
//
// A member's first intent either is the group's or never will be, and intents of a formed request are not rewritten. So when
// all members are seen with the same intent, none can be seen with another one later, however old the view is; and when one
// is seen with another intent, no request of this one was ever sent.
func formationOf(machine *v1alpha5.Machine, members []v1alpha5.Machine) formation {
	intent := machine.Status.Launch
	if intent.Size <= 1 {
		return formed
	}
	agreeing := 0
	for i := range members {
		other := members[i].Status.Launch
		switch {
		case other == nil:
		case other.Token == intent.Token && other.RequestHash == intent.RequestHash:
			agreeing++
		default:
			return broken
		}
	}
	if agreeing == int(intent.Size) {
		return formed
	}
	return forming
}

// token is a function of the cluster, the group and the attempt, so that whoever repeats the request after a crash, or from
// another replica, repeats the token.
func token(clusterUID string, intent *v1alpha5.Launch) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s|%s|%d|%d", clusterUID, intent.Group, intent.Attempt, intent.Size))
	return hex.EncodeToString(sum[:])[:tokenLength]
}

// requestHash is a hash over what a launch request is made from.
func requestHash(machine *v1alpha5.Machine) (string, error) {
	spec := machine.Spec.DeepCopy()
	spec.LaunchGroup, spec.Resources = nil, v1alpha5.ResourceRequirements{}
	encoded, err := json.Marshal(spec)
	if err != nil {
		return "", fmt.Errorf("encoding spec of machine %s: %w", machine.Name, err)
	}
	sum := sha256.Sum256(encoded)
	return hex.EncodeToString(sum[:8]), nil
}
