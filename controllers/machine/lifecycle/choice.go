package lifecycle

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/admission"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
)

// choose sees to it that what a machine may become is as manifold as it asks for, now that it is to be launched: some of it may
// have sold out since it was planned. It reports whether the machine was dropped for that.
//
// This is settled before an intent is written. Later, a request may have been carried out that nobody knows the answer to, and a
// machine that was given up would leave its instance behind.
func (l *launch) choose(ctx context.Context, machine *v1alpha5.Machine) (dropped bool, err error) {
	if len(machine.Spec.MinValues) == 0 {
		return false, nil
	}
	lack, lacks, err := l.lack(ctx, machine)
	if err != nil {
		if cloudprovider.IsNotReady(err) {
			machines.Conditions(machine).Unknown(v1alpha5.ConditionLaunched, v1alpha5.ReasonTemplateNotReady, err.Error())
		}
		return false, fmt.Errorf("looking at what machine %s may become: %w", machine.Name, err)
	}
	if !lacks {
		return false, nil
	}
	if machine.Spec.MinValuesPolicy == v1alpha5.MinValuesBestEffort {
		if machine.Annotations == nil {
			machine.Annotations = map[string]string{}
		}
		machine.Annotations[v1alpha5.MinValuesRelaxedAnnotation] = "true"
		ctrl.LoggerFrom(ctx).Info("launching machine with less to choose from than asked for", "machine", klog.KObj(machine),
			"label", lack.Label, "have", lack.Have, "want", lack.Want)
		return false, nil
	}
	reason := v1alpha5.ReasonInsufficientCapacity
	l.journal.Metrics.LaunchFailures.WithLabelValues(machine.ProvisionerName(), reason).Inc()
	return true, l.drop(ctx, machine, reason, lack.String())
}

// lack returns what is missing of what the machine may become. A machine whose provisioner is gone is not judged: it is about to
// go, too.
func (l *launch) lack(ctx context.Context, machine *v1alpha5.Machine) (cloudprovider.Lack, bool, error) {
	provisioner := &v1alpha5.Provisioner{}
	if err := l.client.Get(ctx, client.ObjectKey{Name: machine.ProvisionerName()}, provisioner); err != nil {
		if apierrors.IsNotFound(err) {
			return cloudprovider.Lack{}, false, nil
		}
		return cloudprovider.Lack{}, false, fmt.Errorf("getting provisioner %s: %w", machine.ProvisionerName(), err)
	}
	admission.Default(provisioner)
	instanceTypes, err := l.provider.InstanceTypes(ctx, provisioner)
	if err != nil {
		return cloudprovider.Lack{}, false, err
	}
	lack, lacks := instanceTypes.Lack(machine)
	return lack, lacks, nil
}
