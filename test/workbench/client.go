package workbench

import (
	"context"
	"fmt"
	"os"
	"slices"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/pkg/operator"
)

// Config returns the connection to the server that Run started.
func Config() (*rest.Config, error) {
	path := os.Getenv(kubeconfigVariable)
	if path == "" {
		return nil, fmt.Errorf("no API server: the package needs func TestMain(m *testing.M) { os.Exit(workbench.Run(m)) }")
	}
	config, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		return nil, fmt.Errorf("loading the kubeconfig: %w", err)
	}
	config.QPS = -1 // the server is this test's own
	return config, nil
}

// connect returns a client that reads what was written last. Like the cache of a manager it knows kerf's indexes.
func connect() (client.WithWatch, error) {
	config, err := Config()
	if err != nil {
		return nil, err
	}
	scheme, err := operator.NewScheme()
	if err != nil {
		return nil, err
	}
	direct, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("connecting to the API server: %w", err)
	}
	return interceptor.NewClient(direct, interceptor.Funcs{List: listByIndex}), nil
}

// indexed returns what an index of package machines says of an object; false for names that are no index.
func indexed(index string, object runtime.Object) (string, bool) {
	switch index {
	case machines.IndexNodeProviderID:
		node, ok := object.(*corev1.Node)
		return node.Spec.ProviderID, ok
	case machines.IndexPodNodeName:
		pod, ok := object.(*corev1.Pod)
		return pod.Spec.NodeName, ok
	case machines.IndexAttachmentNodeName:
		attachment, ok := object.(*storagev1.VolumeAttachment)
		if !ok {
			return "", false
		}
		return attachment.Spec.NodeName, true
	case machines.IndexMachineProviderID:
		machine, ok := object.(*v1alpha5.Machine)
		return machine.Status.ProviderID, ok
	case machines.IndexMachineInstance:
		machine, ok := object.(*v1alpha5.Machine)
		return machines.InstanceID(machine.Status.ProviderID), ok
	case machines.IndexMachineAwaiting:
		machine, ok := object.(*v1alpha5.Machine)
		return machines.Awaiting, ok && machines.AwaitsInstance(machine)
	case machines.IndexMachineLaunchGroup:
		machine, ok := object.(*v1alpha5.Machine)
		if !ok || machine.Spec.LaunchGroup == nil {
			return "", ok
		}
		return machine.Spec.LaunchGroup.Name, true
	default:
		return "", false
	}
}

// listByIndex lists everything where the API server could not select, and selects itself.
func listByIndex(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
	var o client.ListOptions
	o.ApplyOptions(options)
	if o.FieldSelector == nil || len(o.FieldSelector.Requirements()) != 1 {
		return c.List(ctx, list, options...)
	}
	wanted := o.FieldSelector.Requirements()[0]
	names := []string{
		machines.IndexNodeProviderID, machines.IndexPodNodeName, machines.IndexMachineProviderID, machines.IndexMachineLaunchGroup,
		machines.IndexMachineInstance, machines.IndexMachineAwaiting, machines.IndexAttachmentNodeName,
	}
	if !slices.Contains(names, wanted.Field) {
		return c.List(ctx, list, options...)
	}
	o.FieldSelector = nil
	if err := c.List(ctx, list, &o); err != nil {
		return err
	}
	items, err := meta.ExtractList(list)
	if err != nil {
		return fmt.Errorf("reading a list: %w", err)
	}
	items = slices.DeleteFunc(items, func(item runtime.Object) bool {
		value, ok := indexed(wanted.Field, item)
		return !ok || value != wanted.Value
	})
	return meta.SetList(list, items)
}
