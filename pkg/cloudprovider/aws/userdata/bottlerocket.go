package userdata

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/pelletier/go-toml/v2"
)

// bottlerocket puts kerf's settings into the user's own. Bottlerocket runs no scripts: it is told all by these settings. What
// kerf decides wins; of what neither says the image decides.
func bottlerocket(s settings, own string) (string, error) {
	document, kubernetes, err := readTOML(own)
	if err != nil {
		return "", err
	}
	kubernetes["cluster-name"], kubernetes["api-server"], kubernetes["cluster-certificate"] = s.clusterName, s.endpoint, s.ca
	labels, err := tableIn(kubernetes, "node-labels")
	if err != nil {
		return "", err
	}
	for key, value := range s.labels {
		labels[key] = value
	}
	kubernetes["node-taints"] = taintTable(s)
	configure(kubernetes, s)
	if s.localDisks {
		if err := mountLocalDisks(document); err != nil {
			return "", err
		}
	}
	out, err := toml.Marshal(document)
	if err != nil {
		return "", fmt.Errorf("writing the settings: %w", err)
	}
	return string(out), nil
}

// localDisksCommand names the command that makes a volume of local disks. Commands run in order of name, so it is among the first.
const localDisksCommand = "000-kerf-local-disks"

// mountLocalDisks has Bottlerocket (1.22 and newer) make one volume of local disks at each start, and nothing where there are
// none. A node that cannot is not to join with less room than it was bought for.
func mountLocalDisks(document map[string]any) error {
	settings, err := tableIn(document, "settings")
	if err != nil {
		return err
	}
	commands, err := tableIn(settings, "bootstrap-commands")
	if err != nil {
		return err
	}
	commands[localDisksCommand] = map[string]any{
		"commands": [][]string{
			{"apiclient", "ephemeral-storage", "init"},
			{"apiclient", "ephemeral-storage", "bind", "--dirs", "/var/lib/containerd", "/var/lib/kubelet", "/var/log/pods"},
		},
		"mode": "always", "essential": true,
	}
	return nil
}

// configure states what is configured, and what is not where the user's own settings do not state it either.
func configure(kubernetes map[string]any, s settings) {
	_, stated := kubernetes["max-pods"]
	if s.maxPodsStated || !stated {
		kubernetes["max-pods"] = s.maxPods
	}
	if _, stated := kubernetes["cluster-dns-ip"]; s.dns != "" && (s.dnsStated || !stated) {
		kubernetes["cluster-dns-ip"] = s.dns
	}
	for key, values := range map[string]map[string]string{
		"kube-reserved": s.kubeReserved, "system-reserved": s.systemReserved, "eviction-hard": s.evictionHard,
		"eviction-soft": s.evictionSoft, "eviction-soft-grace-period": s.evictionSoftGrace,
	} {
		if len(values) > 0 {
			kubernetes[key] = values
		}
	}
	if s.evictionMaxPodGrace != nil {
		kubernetes["eviction-max-pod-grace-period"] = *s.evictionMaxPodGrace
	}
	for key, percent := range map[string]*int32{"image-gc-high-threshold-percent": s.imageGCHigh, "image-gc-low-threshold-percent": s.imageGCLow} {
		if percent != nil {
			kubernetes[key] = strconv.FormatInt(int64(*percent), 10) // older images take no number here
		}
	}
	if s.cpuCFSQuota != nil {
		kubernetes["cpu-cfs-quota-enforced"] = *s.cpuCFSQuota
	}
}

// taintTable maps the key of taints -> value and effect of each.
func taintTable(s settings) map[string][]string {
	out := map[string][]string{}
	for _, t := range s.taints {
		out[t.Key] = append(out[t.Key], t.Value+":"+string(t.Effect))
	}
	return out
}

func checkTOML(own string) error {
	_, _, err := readTOML(own)
	return err
}

// readTOML returns the user's own settings, and among them those for Kubernetes, to be changed in place.
func readTOML(own string) (document, kubernetes map[string]any, err error) {
	document = map[string]any{}
	if err := toml.Unmarshal([]byte(own), &document); err != nil {
		if at, ok := errors.AsType[*toml.DecodeError](err); ok {
			line, column := at.Position()
			return nil, nil, fmt.Errorf("reading the TOML of Bottlerocket's settings: line %d, column %d: %w", line, column, err)
		}
		return nil, nil, fmt.Errorf("reading the TOML of Bottlerocket's settings: %w", err)
	}
	settings, err := tableIn(document, "settings")
	if err != nil {
		return nil, nil, err
	}
	if kubernetes, err = tableIn(settings, "kubernetes"); err != nil {
		return nil, nil, err
	}
	_, err = tableIn(kubernetes, "node-labels")
	return document, kubernetes, err
}

// tableIn returns a table of a table, made where there is none.
func tableIn(parent map[string]any, key string) (map[string]any, error) {
	value, ok := parent[key]
	if !ok {
		made := map[string]any{}
		parent[key] = made
		return made, nil
	}
	table, ok := value.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("reading Bottlerocket's settings: %s is no table", key)
	}
	return table, nil
}
