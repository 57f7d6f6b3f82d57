package userdata

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// al2 has kerf's script follow the user's documents.
func al2(s settings, own string) (string, error) {
	if err := s.checkRuntime(); err != nil {
		return "", err
	}
	more := []string{"--container-runtime", s.containerRuntime}
	if s.localDisks {
		more = append(more, "--local-disks", "raid0")
	}
	return scripted(own, bootstrapArguments(s, more...))
}

// ubuntu images are started in the same way; they have one container runtime.
func ubuntu(s settings, own string) (string, error) { return scripted(own, bootstrapArguments(s)) }

// scripted appends a script that calls the image's bootstrap.sh. Every argument is quoted, so the shell sees only words.
func scripted(own string, words []string) (string, error) {
	parts, err := partsOf(own)
	if err != nil {
		return "", err
	}
	quoted := make([]string, 0, len(words))
	for _, w := range words {
		quoted = append(quoted, quote(w))
	}
	return message(append(parts, newPart(typeScript, "#!/bin/bash -e\n/etc/eks/bootstrap.sh "+strings.Join(quoted, " ")+"\n"))...), nil
}

// bootstrapArguments returns the words that bootstrap.sh is called with; more are those of one family.
func bootstrapArguments(s settings, more ...string) []string {
	words := []string{s.clusterName, "--apiserver-endpoint", s.endpoint, "--b64-cluster-ca", s.ca}
	if s.ipv6 {
		words = append(words, "--ip-family", "ipv6")
	}
	if s.dns != "" {
		words = append(words, "--dns-cluster-ip", s.dns)
	}
	words = append(words, more...)
	return append(words, "--use-max-pods", "false", "--kubelet-extra-args", strings.Join(kubeletFlags(s), " "))
}

// kubeletFlags are split at blanks again by the image; none of the values can hold one, as they have been checked.
func kubeletFlags(s settings) []string {
	flags := []string{"--max-pods=" + strconv.FormatInt(s.maxPods, 10)}
	if s.podsPerCore > 0 {
		flags = append(flags, "--pods-per-core="+strconv.FormatInt(s.podsPerCore, 10))
	}
	if len(s.labels) > 0 {
		flags = append(flags, labelsFlag(s))
	}
	if len(s.taints) > 0 {
		var taints []string
		for _, t := range s.taints {
			taints = append(taints, t.Key+"="+t.Value+":"+string(t.Effect))
		}
		flags = append(flags, "--register-with-taints="+strings.Join(taints, ","))
	}
	for _, f := range []struct {
		name, relation string
		values         map[string]string
	}{
		{"kube-reserved", "=", s.kubeReserved}, {"system-reserved", "=", s.systemReserved},
		{"eviction-hard", "<", s.evictionHard}, {"eviction-soft", "<", s.evictionSoft}, {"eviction-soft-grace-period", "=", s.evictionSoftGrace},
	} {
		if len(f.values) > 0 {
			flags = append(flags, "--"+f.name+"="+joined(f.values, f.relation))
		}
	}
	for _, f := range []struct {
		name  string
		value *int32
	}{
		{"eviction-max-pod-grace-period", s.evictionMaxPodGrace}, {"image-gc-high-threshold", s.imageGCHigh}, {"image-gc-low-threshold", s.imageGCLow},
	} {
		if f.value != nil {
			flags = append(flags, "--"+f.name+"="+strconv.FormatInt(int64(*f.value), 10))
		}
	}
	if s.cpuCFSQuota != nil {
		flags = append(flags, "--cpu-cfs-quota="+strconv.FormatBool(*s.cpuCFSQuota))
	}
	return flags
}

func labelsFlag(s settings) string { return "--node-labels=" + joined(s.labels, "=") }

// joined returns key, relation and value of each entry, in order of key, separated by commas.
func joined(values map[string]string, relation string) string {
	var out []string
	for _, key := range slices.Sorted(maps.Keys(values)) {
		out = append(out, key+relation+values[key])
	}
	return strings.Join(out, ",")
}

// quote returns a word of the shell that stands for exactly the text.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
