package kubelets

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/kerf-autoscaler/kerf/test/kubelets/powershell"
)

// powershellBegins is the tag before the script that the launch agent of a Windows image runs.
const powershellBegins = "<powershell>"

// endOfScript matches the tag after it.
func endOfScript() *regexp.Regexp { return regexp.MustCompile(`(?i)</powershell>`) }

// windowsScript is the program by which a Windows image joins a cluster, as PowerShell names it.
const windowsScript = `$env:ProgramFiles\Amazon\EKS\Start-EKSBootstrap.ps1`

// powershellScript returns the script of the user data, if that is the kind of document that has one. Like the launch agent it
// ends it at the first tag that ends one, wherever that stands.
func powershellScript(userData string) (string, bool) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(userData), powershellBegins)
	if !ok {
		return "", false
	}
	end := endOfScript().FindStringIndex(rest)
	if end == nil {
		return "", false
	}
	return rest[:end[0]], true
}

// decodePowerShell finds the one call of the image's program and reads its arguments.
func decodePowerShell(script string) (Bootstrap, error) {
	commands, err := powershell.Commands(script)
	if err != nil {
		return Bootstrap{}, fmt.Errorf("reading the PowerShell script: %w", err)
	}
	program := []powershell.Word{{Kind: powershell.Bare, Text: "&"}, {Kind: powershell.Expandable, Text: windowsScript}}
	var calls [][]powershell.Word
	for _, command := range commands {
		if len(command) >= len(program) && slices.Equal(command[:len(program)], program) {
			calls = append(calls, command[len(program):])
		}
	}
	if len(calls) != 1 {
		return Bootstrap{}, fmt.Errorf("the user data calls %s %d times, not once", windowsScript, len(calls))
	}
	arguments, err := powershellArguments(calls[0])
	if err != nil {
		return Bootstrap{}, fmt.Errorf("reading the arguments of %s: %w", windowsScript, err)
	}
	return decodeWindowsCall(arguments)
}

// powershellArguments reads parameters with their values, parameter -> value.
func powershellArguments(words []powershell.Word) (map[string]string, error) {
	known := []string{"-EKSClusterName", "-APIServerEndpoint", "-Base64ClusterCA", "-DNSClusterIP", "-KubeletExtraArgs", "-KubeProxyExtraArgs", "-ServiceCIDR"}
	out := map[string]string{}
	for pair := range slices.Chunk(words, 2) {
		name := pair[0].Text
		if _, twice := out[name]; twice || pair[0].Kind != powershell.Bare || !slices.Contains(known, name) {
			return nil, fmt.Errorf("there is no parameter for %q, or it is stated before", name)
		}
		if len(pair) != 2 || pair[1].Kind != powershell.Literal {
			return nil, fmt.Errorf("%s has no value that stands for itself", name)
		}
		out[name] = pair[1].Text
	}
	return out, nil
}

func decodeWindowsCall(arguments map[string]string) (Bootstrap, error) {
	ca, err := decodeAuthority(arguments["-Base64ClusterCA"])
	if err != nil {
		return Bootstrap{}, err
	}
	b := Bootstrap{ClusterName: arguments["-EKSClusterName"], Endpoint: arguments["-APIServerEndpoint"], CertificateAuthority: ca}
	if b.ClusterName == "" {
		return Bootstrap{}, errors.New("-EKSClusterName is missing")
	}
	b.Kubelet.Windows, b.Kubelet.NoENIMaxPods, b.Kubelet.CountsPods = true, true, true
	if dns := arguments["-DNSClusterIP"]; dns != "" {
		b.Kubelet.Unseen.ClusterDNS = []string{dns}
	}
	return b, b.Kubelet.applyFlags(strings.Fields(arguments["-KubeletExtraArgs"]))
}
