package kubelets

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// nodeConfig is the configuration of nodeadm, the program by which an AL2023 image joins a cluster.
type nodeConfig struct {
	APIVersion string          `json:"apiVersion"`
	Kind       string          `json:"kind"`
	Metadata   json.RawMessage `json:"metadata,omitempty"`
	Spec       nodeConfigSpec  `json:"spec"`
}

type nodeConfigSpec struct {
	Cluster nodeConfigCluster `json:"cluster"`
	Kubelet nodeConfigKubelet `json:"kubelet"`
	// Instance is about what is beside the kubelet.
	Instance nodeConfigInstance `json:"instance,omitzero"`
	// What follows changes nothing that a Node shows.
	Containerd   json.RawMessage `json:"containerd,omitempty"`
	FeatureGates json.RawMessage `json:"featureGates,omitempty"`
}

type nodeConfigInstance struct {
	LocalStorage localStorage `json:"localStorage,omitzero"`
}

// localStorage is what becomes of local disks.
type localStorage struct {
	Strategy       string   `json:"strategy,omitempty"`
	MountPath      string   `json:"mountPath,omitempty"`
	DisabledMounts []string `json:"disabledMounts,omitempty"`
}

// apply lets a later document win; of the strategies only that of one array has pods keep their files there.
func (l localStorage) apply(s *KubeletSettings) error {
	switch l.Strategy {
	case "":
	case "RAID0", "RAID10", "Mount":
		s.LocalDisks = l.Strategy == "RAID0"
	default:
		return fmt.Errorf("decoding spec.instance of the NodeConfig: %q is no strategy for local disks", l.Strategy)
	}
	return nil
}

type nodeConfigCluster struct {
	Name                 string `json:"name"`
	APIServerEndpoint    string `json:"apiServerEndpoint"`
	CertificateAuthority string `json:"certificateAuthority"`
	CIDR                 string `json:"cidr"`
	ID                   string `json:"id,omitempty"`
	EnableOutpost        bool   `json:"enableOutpost,omitempty"`
}

type nodeConfigKubelet struct {
	Config json.RawMessage `json:"config,omitempty"`
	Flags  []string        `json:"flags,omitempty"`
}

// kubeletConfig is the part of the kubelet's configuration file that kerf may write.
type kubeletConfig struct {
	APIVersion                  string            `json:"apiVersion,omitempty"`
	Kind                        string            `json:"kind,omitempty"`
	MaxPods                     *int32            `json:"maxPods,omitempty"`
	PodsPerCore                 int32             `json:"podsPerCore,omitempty"`
	ClusterDNS                  []string          `json:"clusterDNS,omitempty"`
	KubeReserved                map[string]string `json:"kubeReserved,omitempty"`
	SystemReserved              map[string]string `json:"systemReserved,omitempty"`
	EvictionHard                map[string]string `json:"evictionHard,omitempty"`
	EvictionSoft                map[string]string `json:"evictionSoft,omitempty"`
	EvictionSoftGracePeriod     map[string]string `json:"evictionSoftGracePeriod,omitempty"`
	EvictionMaxPodGracePeriod   *int32            `json:"evictionMaxPodGracePeriod,omitempty"`
	ImageGCHighThresholdPercent *int32            `json:"imageGCHighThresholdPercent,omitempty"`
	ImageGCLowThresholdPercent  *int32            `json:"imageGCLowThresholdPercent,omitempty"`
	CPUCFSQuota                 *bool             `json:"cpuCFSQuota,omitempty"`
	RegisterWithTaints          []corev1.Taint    `json:"registerWithTaints,omitempty"`
}

// decodeNodeConfigs reads the documents in their order: a later one wins where both say something, flags add up.
func decodeNodeConfigs(documents []string) (Bootstrap, error) {
	var cluster nodeConfigCluster
	var kubelet KubeletSettings
	var flags []string
	for _, document := range documents {
		var config nodeConfig
		if err := yaml.UnmarshalStrict([]byte(document), &config); err != nil {
			return Bootstrap{}, fmt.Errorf("decoding the NodeConfig: %w", err)
		}
		if config.APIVersion != "node.eks.aws/v1alpha1" || config.Kind != "NodeConfig" {
			return Bootstrap{}, fmt.Errorf("a NodeConfig is %s %s", config.APIVersion, config.Kind)
		}
		cluster = cluster.overriddenBy(config.Spec.Cluster)
		if err := kubelet.applyConfig(config.Spec.Kubelet.Config); err != nil {
			return Bootstrap{}, err
		}
		if err := config.Spec.Instance.LocalStorage.apply(&kubelet); err != nil {
			return Bootstrap{}, err
		}
		flags = append(flags, config.Spec.Kubelet.Flags...)
	}
	if cluster.Name == "" {
		return Bootstrap{}, errors.New("the NodeConfig names no cluster")
	}
	if cluster.CIDR == "" {
		return Bootstrap{}, errors.New("the NodeConfig has no spec.cluster.cidr, without which nodeadm stops")
	}
	ca, err := decodeAuthority(cluster.CertificateAuthority)
	if err != nil {
		return Bootstrap{}, err
	}
	if err := kubelet.applyFlags(flags); err != nil {
		return Bootstrap{}, err
	}
	return Bootstrap{
		ClusterName: cluster.Name, Endpoint: cluster.APIServerEndpoint, CertificateAuthority: ca, Kubelet: kubelet,
	}, nil
}

func (c nodeConfigCluster) overriddenBy(other nodeConfigCluster) nodeConfigCluster {
	for _, f := range []struct{ into, from *string }{
		{&c.Name, &other.Name},
		{&c.APIServerEndpoint, &other.APIServerEndpoint},
		{&c.CertificateAuthority, &other.CertificateAuthority},
		{&c.CIDR, &other.CIDR},
	} {
		if *f.from != "" {
			*f.into = *f.from
		}
	}
	return c
}

// applyConfig reads a kubelet configuration file, which like a kubelet it refuses if a field is unknown.
func (s *KubeletSettings) applyConfig(raw json.RawMessage) error {
	if len(raw) == 0 {
		return nil
	}
	var config kubeletConfig
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&config); err != nil {
		return fmt.Errorf("decoding spec.kubelet.config of the NodeConfig: %w", err)
	}
	for _, taint := range config.RegisterWithTaints {
		if taint.Key == "" || !knownEffect(taint.Effect) {
			return fmt.Errorf("decoding spec.kubelet.config of the NodeConfig: %q is not a taint", taint.ToString())
		}
	}
	s.Taints = append(s.Taints, config.RegisterWithTaints...)
	if config.MaxPods != nil {
		s.MaxPods = config.MaxPods
	}
	if config.PodsPerCore != 0 {
		s.PodsPerCore = config.PodsPerCore
	}
	s.KubeReserved = Overlay{Values: Overlay{Values: config.KubeReserved}.Over(s.KubeReserved.Values)}
	s.SystemReserved = Overlay{Values: Overlay{Values: config.SystemReserved}.Over(s.SystemReserved.Values)}
	s.EvictionHard = Overlay{Values: Overlay{Values: config.EvictionHard}.Over(s.EvictionHard.Values)}
	config.applyUnseen(&s.Unseen)
	return nil
}

// applyUnseen puts what the file says over what an earlier one said.
func (c kubeletConfig) applyUnseen(into *UnseenSettings) {
	if len(c.ClusterDNS) > 0 {
		into.ClusterDNS = c.ClusterDNS
	}
	for _, m := range []struct {
		said map[string]string
		into *map[string]string
	}{{c.EvictionSoft, &into.EvictionSoft}, {c.EvictionSoftGracePeriod, &into.EvictionSoftGracePeriod}} {
		if len(m.said) > 0 {
			*m.into = Overlay{Values: m.said}.Over(*m.into)
		}
	}
	for _, n := range []struct{ said, into **int32 }{
		{&c.EvictionMaxPodGracePeriod, &into.EvictionMaxPodGracePeriod},
		{&c.ImageGCHighThresholdPercent, &into.ImageGCHighThresholdPercent},
		{&c.ImageGCLowThresholdPercent, &into.ImageGCLowThresholdPercent},
	} {
		if *n.said != nil {
			*n.into = *n.said
		}
	}
	if c.CPUCFSQuota != nil {
		into.CPUCFSQuota = c.CPUCFSQuota
	}
}
