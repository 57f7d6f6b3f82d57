package kubelets

import (
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/catalog"
)

// The labels of the kubelet that have no constant elsewhere.
const (
	labelArchBeta = "beta.kubernetes.io/arch"
	labelOSBeta   = "beta.kubernetes.io/os"
)

// cloudTaint is on a node from its birth until the cloud controller has looked at it.
func cloudTaint() corev1.Taint {
	return corev1.Taint{Key: "node.cloudprovider.kubernetes.io/uninitialized", Value: "true", Effect: corev1.TaintEffectNoSchedule}
}

// notReadyTaint is on a node until the control plane sees it ready.
func notReadyTaint() corev1.Taint {
	return corev1.Taint{Key: corev1.TaintNodeNotReady, Effect: corev1.TaintEffectNoSchedule}
}

// newNode returns the Node as the kubelet of the instance creates it: not ready, and not yet seen by the cloud controller.
func newNode(i Instance, t catalog.InstanceType, s KubeletSettings, kubeletVersion string) (*corev1.Node, error) {
	machine, err := resourcesOf(t, i.RootVolumeGiB, s)
	if err != nil {
		return nil, err
	}
	os, image := corev1.Linux, "Amazon Linux (simulated)"
	if s.Windows { // whose build, which is a label too, only its image knows
		os, image = corev1.Windows, "Windows Server (simulated)"
	}
	labels := map[string]string{
		corev1.LabelHostname:   i.PrivateDNSName,
		corev1.LabelArchStable: t.Architecture,
		corev1.LabelOSStable:   string(os),
		labelArchBeta:          t.Architecture,
		labelOSBeta:            string(os),
	}
	maps.Copy(labels, s.Labels)
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: i.PrivateDNSName, Labels: labels},
		Spec: corev1.NodeSpec{
			ProviderID: i.ProviderID(),
			Taints:     append(slices.Clone(s.Taints), cloudTaint(), notReadyTaint()),
		},
		Status: corev1.NodeStatus{
			Capacity:    machine.capacity,
			Allocatable: machine.allocatable,
			Addresses: []corev1.NodeAddress{
				{Type: corev1.NodeInternalIP, Address: i.PrivateIP},
				{Type: corev1.NodeInternalDNS, Address: i.PrivateDNSName},
				{Type: corev1.NodeHostName, Address: i.PrivateDNSName},
			},
			Conditions: []corev1.NodeCondition{notReady(metav1.Now())},
			NodeInfo: corev1.NodeSystemInfo{
				Architecture: t.Architecture, OperatingSystem: string(os), KubeletVersion: kubeletVersion,
				OSImage: image, ContainerRuntimeVersion: "containerd://simulated",
			},
		},
	}, nil
}

func notReady(now metav1.Time) corev1.NodeCondition {
	return corev1.NodeCondition{
		Type: corev1.NodeReady, Status: corev1.ConditionFalse, Reason: "KubeletNotReady",
		Message:           "the container network is not up yet",
		LastHeartbeatTime: now, LastTransitionTime: metav1.NewTime(now.Truncate(time.Second)),
	}
}

// initializeFromCloud makes of the Node what the cloud controller makes of it: it adds what only the cloud knows and
// takes its taint away.
func initializeFromCloud(node *corev1.Node, i Instance) {
	maps.Copy(node.Labels, map[string]string{
		corev1.LabelInstanceTypeStable:      i.Type,
		corev1.LabelInstanceType:            i.Type,
		corev1.LabelTopologyZone:            i.Zone,
		corev1.LabelFailureDomainBetaZone:   i.Zone,
		corev1.LabelTopologyRegion:          i.Region,
		corev1.LabelFailureDomainBetaRegion: i.Region,
	})
	taint := cloudTaint()
	node.Spec.Taints = slices.DeleteFunc(node.Spec.Taints, func(t corev1.Taint) bool { return t.MatchTaint(&taint) })
}
