package kubelets

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/pflag"
)

// bootstrapScript is the program by which an AL2 image joins a cluster.
const bootstrapScript = "/etc/eks/bootstrap.sh"

// decodeScripts finds the one call of bootstrap.sh in the scripts and reads its arguments.
func decodeScripts(scripts []string) (Bootstrap, error) {
	var calls [][]word
	for _, script := range scripts {
		if !strings.Contains(script, bootstrapScript) {
			continue // the user's own, of whatever shell
		}
		commands, err := shellCommands(script)
		if err != nil {
			return Bootstrap{}, err
		}
		for _, command := range commands {
			if command[0].text == bootstrapScript {
				calls = append(calls, command[1:])
			}
		}
	}
	if len(calls) != 1 {
		return Bootstrap{}, fmt.Errorf("the user data calls %s %d times, not once", bootstrapScript, len(calls))
	}
	var arguments []string
	for _, w := range calls[0] {
		if w.expands {
			return Bootstrap{}, fmt.Errorf("the argument %q of %s needs a shell to expand it", w.text, bootstrapScript)
		}
		arguments = append(arguments, w.text)
	}
	b, err := decodeBootstrapCall(arguments)
	if err != nil {
		return Bootstrap{}, fmt.Errorf("reading the arguments of %s: %w", bootstrapScript, err)
	}
	return b, nil
}

func decodeBootstrapCall(arguments []string) (Bootstrap, error) {
	flags := pflag.NewFlagSet(bootstrapScript, pflag.ContinueOnError)
	flags.Usage = func() {}
	endpoint := flags.String("apiserver-endpoint", "", "")
	authority := flags.String("b64-cluster-ca", "", "")
	extra := flags.String("kubelet-extra-args", "", "")
	useMaxPods := flags.String("use-max-pods", "true", "")
	dns := flags.String("dns-cluster-ip", "", "")
	runtime := flags.String("container-runtime", "containerd", "")
	disks := flags.String("local-disks", "", "")
	for _, ignored := range []string{ // they change nothing that a Node shows
		"ip-family", "service-ipv6-cidr", "pause-container-account",
		"pause-container-version", "aws-api-retry-attempts", "mount-bpf-fs", "containerd-config-file",
	} {
		flags.String(ignored, "", "")
	}
	if err := flags.Parse(arguments); err != nil {
		return Bootstrap{}, err
	}
	if flags.NArg() != 1 || flags.Arg(0) == "" {
		return Bootstrap{}, fmt.Errorf("there are %d names of clusters, not one", flags.NArg())
	}
	if *useMaxPods != "true" && *useMaxPods != "false" {
		return Bootstrap{}, errors.New("--use-max-pods is neither true nor false")
	}
	if *runtime != "containerd" {
		return Bootstrap{}, fmt.Errorf("the image has no container runtime %q", *runtime)
	}
	if *disks != "" && *disks != "raid0" && *disks != "mount" {
		return Bootstrap{}, fmt.Errorf("--local-disks is %q, neither raid0 nor mount", *disks)
	}
	ca, err := decodeAuthority(*authority)
	if err != nil {
		return Bootstrap{}, err
	}
	b := Bootstrap{ClusterName: flags.Arg(0), Endpoint: *endpoint, CertificateAuthority: ca}
	b.Kubelet.LocalDisks = *disks == "raid0"
	b.Kubelet.NoENIMaxPods = *useMaxPods == "false"
	if *dns != "" {
		b.Kubelet.Unseen.ClusterDNS = []string{*dns}
	}
	if err := b.Kubelet.applyFlags(strings.Fields(*extra)); err != nil {
		return Bootstrap{}, err
	}
	return b, nil
}
