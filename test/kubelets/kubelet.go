package kubelets

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/test/awssim/faults"
	"github.com/kerf-autoscaler/kerf/test/cluster"
)

// phase is how far a kubelet has come.
type phase int

const (
	phaseBoot    phase = iota // the image starts up
	phaseCreate               // the user data is understood; the Node is to be created
	phaseCloud                // the Node is there; the cloud controller has to look at it
	phaseReady                // the network plugin starts
	phaseDevices              // ready; the device plugins start
	phaseRunning              // nothing is left to do but live
	phaseFailed               // the machine will never join
	phaseEnded                // the machine is gone
	phaseCleaned              // and what it left behind is taken care of
)

// errLater says that a phase is not over yet.
var errLater = errors.New("not yet")

// kubelet is what runs on one instance.
type kubelet struct {
	bridge    *Bridge
	instance  Instance
	bootstrap Bootstrap
	phase     phase
	since     time.Time // when the phase began; zero before the first look
	// forgotten is true once the instance is not listed any more.
	forgotten  bool
	registered bool // it has a Node
	down       bool // its Node was made not ready on purpose
	reboots    int  // that it has been through
	// reported is the last error that was logged.
	reported string
}

// advance takes the kubelet through as many phases as are over at the time now.
func (k *kubelet) advance(ctx context.Context, now time.Time) error {
	if k.since.IsZero() {
		k.since = now
	}
	if err := k.restart(ctx, now); err != nil {
		return err
	}
	if k.instance.State != stateRunning && k.phase < phaseEnded {
		return k.end(ctx, now)
	}
	steps := map[phase]func(context.Context, time.Duration) error{
		phaseBoot:    k.boot,
		phaseCreate:  k.create,
		phaseCloud:   k.initialize,
		phaseReady:   k.ready,
		phaseDevices: k.announceDevices,
		phaseRunning: k.live,
		phaseEnded:   k.cleanUp,
	}
	for {
		step, ok := steps[k.phase]
		if !ok {
			return nil
		}
		if err := step(ctx, now.Sub(k.since)); err != nil {
			return err
		}
		k.enter(k.phase+1, now)
	}
}

func (k *kubelet) enter(p phase, now time.Time) { k.phase, k.since = p, now }

// gone reports whether nothing can happen to the kubelet any more.
func (k *kubelet) gone() bool { return k.forgotten && k.phase == phaseCleaned }

// report logs an error the first time that it occurs in a row.
func (k *kubelet) report(ctx context.Context, err error) {
	switch {
	case err == nil || errors.Is(err, errLater):
		k.reported = ""
	case ctx.Err() == nil && err.Error() != k.reported:
		k.reported = err.Error()
		k.logger().Error("the machine makes no progress", "error", err)
	}
}

func (k *kubelet) logger() *slog.Logger {
	return k.bridge.options.Logger.With("instance", k.instance.ID, "node", k.instance.PrivateDNSName)
}

// boot reads the user data, as the start-up program does before it starts the kubelet.
func (k *kubelet) boot(_ context.Context, elapsed time.Duration) error {
	if elapsed < k.joinDelay() {
		return errLater
	}
	if k.fault().Kind == faults.Never {
		k.hit()
		return k.fail(errors.New("it is planned not to"))
	}
	boot, err := DecodeUserData(k.instance.UserData)
	if err == nil {
		err = boot.Joins(k.bridge.options.Cluster)
	}
	if err != nil {
		return k.fail(err)
	}
	k.bootstrap = boot
	return nil
}

// fail ends the attempt for good: a machine reads its user data once.
func (k *kubelet) fail(err error) error {
	k.phase = phaseFailed
	return fmt.Errorf("the machine will never join: %w", err)
}

// create registers the Node. A Node of the same instance means that the bridge was restarted; one of another instance, whose
// address this one has inherited, has to go first.
func (k *kubelet) create(ctx context.Context, _ time.Duration) error {
	if k.bridge.isWithheld(k.instance, k.bootstrap) {
		return errLater
	}
	facts, ok := k.bridge.catalog.InstanceType(k.instance.Type)
	if !ok {
		return k.fail(fmt.Errorf("the instance type %s is unknown", k.instance.Type))
	}
	node, err := newNode(k.instance, facts, k.bootstrap.Kubelet, k.bridge.options.KubeletVersion)
	if err != nil {
		return k.fail(err)
	}
	k.distort(node)
	if err := k.bridge.client.Create(ctx, node); err != nil {
		if err := k.adopt(ctx, err); err != nil {
			return err
		}
		k.registered = true
		return nil
	}
	k.registered = true
	if err := k.joined(ctx, node); err != nil {
		return err
	}
	k.logger().Info("joined", "type", k.instance.Type, "zone", k.instance.Zone)
	return nil
}

func (k *kubelet) adopt(ctx context.Context, createErr error) error {
	if apierrors.IsInvalid(createErr) || apierrors.IsForbidden(createErr) {
		return k.fail(fmt.Errorf("creating the node: %w", createErr))
	}
	if !apierrors.IsAlreadyExists(createErr) {
		return fmt.Errorf("creating the node: %w", createErr)
	}
	node, err := k.node(ctx)
	if err != nil {
		return fmt.Errorf("creating the node: %w", errors.Join(createErr, err))
	}
	if node.Spec.ProviderID != k.instance.ProviderID() {
		return fmt.Errorf("creating the node: its name is taken by %s", node.Spec.ProviderID)
	}
	return nil
}

func (k *kubelet) node(ctx context.Context) (*corev1.Node, error) {
	node := &corev1.Node{}
	err := k.bridge.client.Get(ctx, client.ObjectKey{Name: k.instance.PrivateDNSName}, node)
	return node, err
}

// initialize does the work of the cloud controller. kerf may write the Node at the same moment, so it yields to others.
func (k *kubelet) initialize(ctx context.Context, _ time.Duration) error {
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		node, err := k.node(ctx)
		if err != nil {
			return err
		}
		initializeFromCloud(node, k.instance)
		return k.bridge.client.Update(ctx, node)
	})
	return k.unlessDeleted("labelling the node", err)
}

// ready hands the Node to kwok, which makes it ready and keeps it so.
func (k *kubelet) ready(ctx context.Context, elapsed time.Duration) error {
	if elapsed < k.bridge.options.ReadyDelay {
		return errLater
	}
	return k.patchLabel(ctx, `"`+cluster.ManagedValue+`"`)
}

// patchLabel sets or, with null, removes the label by which kwok knows its nodes.
func (k *kubelet) patchLabel(ctx context.Context, value string) error {
	patch := fmt.Sprintf(`{"metadata":{"labels":{%q:%s}}}`, cluster.ManagedLabel, value)
	return k.unlessDeleted("labelling the node for kwok", k.bridge.client.Patch(ctx, k.named(), mergePatch(patch)))
}

func (k *kubelet) announceDevices(ctx context.Context, elapsed time.Duration) error {
	facts, _ := k.bridge.catalog.InstanceType(k.instance.Type) // create has looked it up before
	devices := deviceResources(facts, k.bootstrap.Kubelet)
	if len(devices) == 0 {
		return nil
	}
	if elapsed < k.bridge.options.DeviceDelay {
		return errLater
	}
	patch, err := devicePatch(devices)
	if err != nil {
		return err
	}
	return k.unlessDeleted("announcing devices", k.bridge.client.Status().Patch(ctx, k.named(), patch))
}

// unlessDeleted wraps an error. A Node that somebody deleted is no error: a kubelet that runs does not create it again.
func (k *kubelet) unlessDeleted(doing string, err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

// end stops the heartbeat of a machine that has stopped.
func (k *kubelet) end(ctx context.Context, now time.Time) error {
	if k.phase > phaseCreate && k.phase <= phaseRunning {
		if err := k.patchLabel(ctx, "null"); err != nil {
			return err
		}
		k.logger().Info("heartbeat ended", "state", k.instance.State)
	}
	k.enter(phaseEnded, now)
	return k.advance(ctx, now)
}

// cleanUp waits for the end of the instance and, if that is wanted, deletes the Node that it left behind.
func (k *kubelet) cleanUp(ctx context.Context, _ time.Duration) error {
	if k.instance.State != stateTerminated {
		return errLater
	}
	if !k.bridge.options.RemoveDeadNodes {
		return nil
	}
	node, err := k.node(ctx)
	if err != nil {
		return k.unlessDeleted("looking for the node of a dead machine", err)
	}
	if node.Spec.ProviderID != k.instance.ProviderID() || !node.DeletionTimestamp.IsZero() {
		return nil
	}
	return k.unlessDeleted("deleting the node of a dead machine",
		k.bridge.client.Delete(ctx, node, client.Preconditions{UID: &node.UID}))
}
