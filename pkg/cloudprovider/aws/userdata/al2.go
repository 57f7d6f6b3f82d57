package userdata

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// al2 is a script that calls the image's bootstrap.sh. Every argument is quoted, so the shell sees only words.
func al2(s settings) part {
	words := bootstrapArguments(s)
	quoted := make([]string, 0, len(words))
	for _, w := range words {
		quoted = append(quoted, quote(w))
	}
	return part{
		mediaType: `text/x-shellscript; charset="us-ascii"`,
		body:      "#!/bin/bash -e\n/etc/eks/bootstrap.sh " + strings.Join(quoted, " ") + "\n",
	}
}

func bootstrapArguments(s settings) []string {
	words := []string{s.clusterName, "--apiserver-endpoint", s.endpoint, "--b64-cluster-ca", s.ca}
	if s.dns != "" {
		words = append(words, "--dns-cluster-ip", s.dns)
	}
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
		{"kube-reserved", "=", s.kubeReserved}, {"system-reserved", "=", s.systemReserved}, {"eviction-hard", "<", s.evictionHard},
	} {
		if len(f.values) > 0 {
			flags = append(flags, "--"+f.name+"="+joined(f.values, f.relation))
		}
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
