package userdata

import (
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// The kind of document that nodeadm reads, and the group that its version belongs to.
const (
	nodeConfigGroup = "node.eks.aws"
	nodeConfigKind  = "NodeConfig"
)

// nodeConfig is what nodeadm, the program by which AL2023 images join, reads.
type nodeConfig struct {
	APIVersion string         `json:"apiVersion"`
	Kind       string         `json:"kind"`
	Spec       nodeConfigSpec `json:"spec"`
}

type nodeConfigSpec struct {
	Cluster nodeConfigCluster `json:"cluster"`
	Kubelet nodeConfigKubelet `json:"kubelet"`
	// Instance is nil where nothing is to be set up but the kubelet.
	Instance *nodeConfigInstance `json:"instance,omitempty"`
}

type nodeConfigInstance struct {
	LocalStorage nodeConfigLocalStorage `json:"localStorage"`
}

type nodeConfigLocalStorage struct {
	Strategy string `json:"strategy"`
}

type nodeConfigCluster struct {
	Name                 string `json:"name"`
	APIServerEndpoint    string `json:"apiServerEndpoint"`
	CertificateAuthority string `json:"certificateAuthority"`
	CIDR                 string `json:"cidr"`
}

type nodeConfigKubelet struct {
	Config kubeletConfig `json:"config"`
	Flags  []string      `json:"flags,omitempty"`
}

// kubeletConfig is the part of a kubelet's configuration file that kerf decides; the image merges it into its own, key by key.
type kubeletConfig struct {
	ClusterDNS                  []string          `json:"clusterDNS,omitempty"`
	CPUCFSQuota                 *bool             `json:"cpuCFSQuota,omitempty"`
	EvictionHard                map[string]string `json:"evictionHard,omitempty"`
	EvictionMaxPodGracePeriod   *int32            `json:"evictionMaxPodGracePeriod,omitempty"`
	EvictionSoft                map[string]string `json:"evictionSoft,omitempty"`
	EvictionSoftGracePeriod     map[string]string `json:"evictionSoftGracePeriod,omitempty"`
	ImageGCHighThresholdPercent *int32            `json:"imageGCHighThresholdPercent,omitempty"`
	ImageGCLowThresholdPercent  *int32            `json:"imageGCLowThresholdPercent,omitempty"`
	KubeReserved                map[string]string `json:"kubeReserved,omitempty"`
	MaxPods                     int64             `json:"maxPods"`
	PodsPerCore                 int64             `json:"podsPerCore,omitempty"`
	RegisterWithTaints          []corev1.Taint    `json:"registerWithTaints,omitempty"`
	SystemReserved              map[string]string `json:"systemReserved,omitempty"`
}

// al2023 has a configuration for nodeadm follow the user's documents: of several, nodeadm lets the later one win. The YAML
// writer quotes what needs quotes.
func al2023(s settings, own string) (string, error) {
	if s.serviceCIDR == "" {
		return "", errors.New("the cluster's range of service addresses is not known and AL2023 nodes need it: allow eks:DescribeCluster or set --cluster-service-cidr")
	}
	parts, err := partsOf(own)
	if err != nil {
		return "", err
	}
	config := nodeConfig{
		APIVersion: nodeConfigGroup + "/v1alpha1", Kind: nodeConfigKind,
		Spec: nodeConfigSpec{
			Cluster: nodeConfigCluster{Name: s.clusterName, APIServerEndpoint: s.endpoint, CertificateAuthority: s.ca, CIDR: s.serviceCIDR},
			Kubelet: nodeConfigKubelet{Config: kubeletConfig{
				CPUCFSQuota: s.cpuCFSQuota, EvictionHard: s.evictionHard, EvictionMaxPodGracePeriod: s.evictionMaxPodGrace,
				EvictionSoft: s.evictionSoft, EvictionSoftGracePeriod: s.evictionSoftGrace,
				ImageGCHighThresholdPercent: s.imageGCHigh, ImageGCLowThresholdPercent: s.imageGCLow,
				KubeReserved: s.kubeReserved, MaxPods: s.maxPods, PodsPerCore: s.podsPerCore,
				RegisterWithTaints: s.taints, SystemReserved: s.systemReserved,
			}},
		},
	}
	if s.dns != "" {
		config.Spec.Kubelet.Config.ClusterDNS = []string{s.dns}
	}
	if s.localDisks {
		config.Spec.Instance = &nodeConfigInstance{LocalStorage: nodeConfigLocalStorage{Strategy: "RAID0"}}
	}
	if len(s.labels) > 0 {
		config.Spec.Kubelet.Flags = []string{labelsFlag(s)}
	}
	body, err := yaml.Marshal(config)
	if err != nil {
		return "", fmt.Errorf("writing the NodeConfig: %w", err)
	}
	return message(append(parts, newPart(typeNodeConfig, string(body)))...), nil
}
