package kubelets

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	corev1 "k8s.io/api/core/v1"
)

// kubernetesSettings is the part of the table settings.kubernetes of Bottlerocket that shows.
type kubernetesSettings struct {
	APIServer                   string              `toml:"api-server"`
	ClusterCertificate          string              `toml:"cluster-certificate"`
	ClusterDNSIP                any                 `toml:"cluster-dns-ip"` // one or several
	ClusterName                 string              `toml:"cluster-name"`
	CPUCFSQuotaEnforced         *bool               `toml:"cpu-cfs-quota-enforced"`
	EvictionHard                map[string]string   `toml:"eviction-hard"`
	EvictionMaxPodGracePeriod   *int32              `toml:"eviction-max-pod-grace-period"`
	EvictionSoft                map[string]string   `toml:"eviction-soft"`
	EvictionSoftGracePeriod     map[string]string   `toml:"eviction-soft-grace-period"`
	ImageGCHighThresholdPercent any                 `toml:"image-gc-high-threshold-percent"` // number or text
	ImageGCLowThresholdPercent  any                 `toml:"image-gc-low-threshold-percent"`
	KubeReserved                map[string]string   `toml:"kube-reserved"`
	MaxPods                     *int32              `toml:"max-pods"`
	NodeLabels                  map[string]string   `toml:"node-labels"`
	NodeTaints                  map[string][]string `toml:"node-taints"`
	StandaloneMode              bool                `toml:"standalone-mode"`
	SystemReserved              map[string]string   `toml:"system-reserved"`
}

// ignoredSettings are the others of the table, whose effect nothing here goes by.
func ignoredSettings() []string {
	return []string{
		"allowed-unsafe-sysctls", "authentication-mode", "bootstrap-token", "cloud-provider", "cluster-domain", "container-log-max-files",
		"container-log-max-size", "cpu-manager-policy", "cpu-manager-policy-options", "cpu-manager-reconcile-period", "credential-providers",
		"device-ownership-from-security-context", "event-burst", "event-qps", "hostname-override", "hostname-override-source", "ids-per-pod",
		"kube-api-burst", "kube-api-qps", "log-level", "memory-manager-policy", "memory-manager-reserved-memory", "node-ip",
		"pod-infra-container-image", "pod-pids-limit", "provider-id", "registry-burst", "registry-qps", "reserved-cpus", "seccomp-default",
		"server-certificate", "server-key", "server-tls-bootstrap", "shutdown-grace-period", "shutdown-grace-period-for-critical-pods",
		"single-process-oom-kill", "static-pods", "topology-manager-policy", "topology-manager-scope", "verbosity",
	}
}

// bottlerocketSettings returns the table settings.kubernetes, if the user data is the kind of document that has one.
func bottlerocketSettings(userData string) (map[string]any, bool) {
	var document struct {
		Settings struct {
			Kubernetes map[string]any `toml:"kubernetes"`
		} `toml:"settings"`
	}
	err := toml.Unmarshal([]byte(userData), &document)
	return document.Settings.Kubernetes, err == nil && document.Settings.Kubernetes != nil
}

// bootstrapCommand is an entry of the table settings.bootstrap-commands.
type bootstrapCommand struct {
	Commands  [][]string `toml:"commands"`
	Mode      string     `toml:"mode"`
	Essential bool       `toml:"essential"`
}

// localDisks reports whether commands that run at the start make a volume of local disks and put the kubelet's files there. Like
// Bottlerocket it refuses what is no call of apiclient.
func localDisks(userData string) (bool, error) {
	var document struct {
		Settings struct {
			Commands map[string]bootstrapCommand `toml:"bootstrap-commands"`
		} `toml:"settings"`
	}
	if err := toml.Unmarshal([]byte(userData), &document); err != nil {
		return false, fmt.Errorf("reading settings.bootstrap-commands: %w", err)
	}
	var made, bound bool
	commands := document.Settings.Commands
	for _, name := range slices.Sorted(maps.Keys(commands)) { // the order in which they run
		command := commands[name]
		if !slices.Contains([]string{"always", "once", "off"}, command.Mode) {
			return false, fmt.Errorf("reading settings.bootstrap-commands: %s has the mode %q", name, command.Mode)
		}
		for _, words := range command.Commands {
			if len(words) < 2 || words[0] != "apiclient" {
				return false, fmt.Errorf("reading settings.bootstrap-commands: %s runs %q, which is no call of apiclient", name, words)
			}
			if words[1] != "ephemeral-storage" || len(words) < 3 || command.Mode != "always" {
				continue
			}
			made = made || words[2] == "init"
			bound = bound || made && words[2] == "bind" && slices.Contains(words, "/var/lib/kubelet")
		}
	}
	return bound, nil
}

// decodeBottlerocket reads the settings. Like Bottlerocket it refuses what it does not know.
func decodeBottlerocket(table map[string]any) (Bootstrap, error) {
	maps.DeleteFunc(table, func(key string, _ any) bool { return slices.Contains(ignoredSettings(), key) })
	text, err := toml.Marshal(table)
	if err != nil {
		return Bootstrap{}, fmt.Errorf("reading settings.kubernetes: %w", err)
	}
	var settings kubernetesSettings
	decoder := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields()
	if err := decoder.Decode(&settings); err != nil {
		if unknown, ok := errors.AsType[*toml.StrictMissingError](err); ok {
			return Bootstrap{}, fmt.Errorf("reading settings.kubernetes: %s", unknown.String())
		}
		return Bootstrap{}, fmt.Errorf("reading settings.kubernetes: %w", err)
	}
	if settings.ClusterName == "" {
		return Bootstrap{}, errors.New("settings.kubernetes names no cluster")
	}
	ca, err := decodeAuthority(settings.ClusterCertificate)
	if err != nil {
		return Bootstrap{}, err
	}
	b := Bootstrap{ClusterName: settings.ClusterName, Endpoint: settings.APIServer, CertificateAuthority: ca}
	b.Kubelet, err = settings.kubelet()
	return b, err
}

func (k kubernetesSettings) kubelet() (KubeletSettings, error) {
	s := KubeletSettings{
		MaxPods: k.MaxPods, CountsPods: true,
		KubeReserved: Overlay{Values: k.KubeReserved}, SystemReserved: Overlay{Values: k.SystemReserved},
		EvictionHard: Overlay{Values: k.EvictionHard, Replaces: len(k.EvictionHard) > 0},
		Unseen: UnseenSettings{
			EvictionSoft: k.EvictionSoft, EvictionSoftGracePeriod: k.EvictionSoftGracePeriod,
			EvictionMaxPodGracePeriod: k.EvictionMaxPodGracePeriod, CPUCFSQuota: k.CPUCFSQuotaEnforced,
		},
	}
	if err := s.addLabels(k.NodeLabels); err != nil {
		return s, err
	}
	for key, list := range k.NodeTaints {
		for _, text := range list {
			value, effect, found := strings.Cut(text, ":")
			taint := corev1.Taint{Key: key, Value: value, Effect: corev1.TaintEffect(effect)}
			if !found || !knownEffect(taint.Effect) {
				return s, fmt.Errorf("reading settings.kubernetes: %q is no taint of %s", text, key)
			}
			s.Taints = append(s.Taints, taint)
		}
	}
	switch address := k.ClusterDNSIP.(type) {
	case string:
		s.Unseen.ClusterDNS = []string{address}
	case []any:
		for _, a := range address {
			s.Unseen.ClusterDNS = append(s.Unseen.ClusterDNS, fmt.Sprint(a))
		}
	}
	var err error
	if s.Unseen.ImageGCHighThresholdPercent, err = percent(k.ImageGCHighThresholdPercent); err != nil {
		return s, err
	}
	s.Unseen.ImageGCLowThresholdPercent, err = percent(k.ImageGCLowThresholdPercent)
	return s, err
}

// percent reads a number that may be written as text.
func percent(value any) (*int32, error) {
	if value == nil {
		return nil, nil
	}
	n, err := strconv.ParseInt(fmt.Sprint(value), 10, 32)
	if err != nil || n < 0 || n > 100 {
		return nil, fmt.Errorf("reading settings.kubernetes: %v is no percentage", value)
	}
	return new(int32(n)), nil
}
