package userdata

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// The tags between which the launch agent of Windows images finds a script.
const (
	scriptBegins = "<powershell>"
	scriptEnds   = "</powershell>"
)

// scriptTag matches either of them as the launch agent may read it.
var scriptTag = regexp.MustCompile(`(?i)<\s*/?\s*powershell\s*>`)

// windows has a call of the image's bootstrap script follow the user's own script within one element: the launch agent runs
// but one.
func windows(s settings, own string) (string, error) {
	if err := s.checkWindows(); err != nil {
		return "", err
	}
	script, rest, err := scriptOf(own)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	out.WriteString(scriptBegins + "\n")
	if script != "" {
		out.WriteString(script + "\n\n") // the blank line ends a statement that a backtick has continued
	}
	out.WriteString(bootstrapCall(s) + "\n" + scriptEnds + "\n")
	if rest != "" {
		out.WriteString(rest + "\n")
	}
	return out.String(), nil
}

// bootstrapCall returns the statement that starts the image's script. Which container runtime to use it is not told: since
// Kubernetes 1.24 there is one, and no parameter for it.
func bootstrapCall(s settings) string {
	var out strings.Builder
	out.WriteString(`& "$env:ProgramFiles\Amazon\EKS\Start-EKSBootstrap.ps1"`)
	for _, p := range []struct{ name, value string }{
		{"EKSClusterName", s.clusterName}, {"APIServerEndpoint", s.endpoint}, {"Base64ClusterCA", s.ca},
		{"KubeletExtraArgs", strings.Join(kubeletFlags(s), " ")},
	} {
		out.WriteString(" -" + p.name + " " + quotePowerShell(p.value))
	}
	if s.dns != "" {
		out.WriteString(" -DNSClusterIP " + quotePowerShell(s.dns))
	}
	return out.String()
}

// checkWindows returns why no Windows node would come of the settings.
func (s settings) checkWindows() error {
	errs := []error{s.checkRuntime()}
	if s.ipv6 {
		errs = append(errs, fmt.Errorf("pods on Windows have addresses of IPv4 only, and their DNS server would be %s", s.dns))
	}
	for _, f := range []struct{ name, value string }{{"cluster name", s.clusterName}, {"cluster endpoint", s.endpoint}} {
		if scriptTag.MatchString(f.value) {
			errs = append(errs, fmt.Errorf("the %s %q has a tag at which the launch agent of Windows would end the script", f.name, f.value))
		}
	}
	return errors.Join(errs...)
}

func checkPowerShell(own string) error {
	_, _, err := scriptOf(own)
	return err
}

// scriptOf returns the user's own script without the tags around it, if there are any, and what follows these: settings of the
// launch agent such as <persist>.
func scriptOf(own string) (script, rest string, err error) {
	text := strings.TrimSpace(own)
	tags := scriptTag.FindAllStringIndex(text, -1)
	if len(tags) == 0 {
		return text, "", checkUntagged(text)
	}
	if len(tags) != 2 || !strings.EqualFold(text[tags[0][0]:tags[0][1]], scriptBegins) || !strings.EqualFold(text[tags[1][0]:tags[1][1]], scriptEnds) {
		return "", "", fmt.Errorf("reading the PowerShell script: %s and %s are not once around it: leave them out, kerf puts them in", scriptBegins, scriptEnds)
	}
	before, after := strings.TrimSpace(text[:tags[0][0]]), strings.TrimSpace(text[tags[1][1]:])
	return strings.TrimSpace(text[tags[0][1]:tags[1][0]]), strings.TrimSpace(before + "\n" + after), nil
}

// checkUntagged returns why a text without the tags cannot be a script: the launch agent takes other things too, but none of
// them beside kerf's part.
func checkUntagged(text string) error {
	switch {
	case strings.HasPrefix(text, "<") && !strings.HasPrefix(text, "<#"):
		return fmt.Errorf("reading the PowerShell script: it starts with a tag; what is to stand beside the script comes after %s script %s", scriptBegins, scriptEnds)
	case strings.HasPrefix(text, "version:"):
		return errors.New("reading the PowerShell script: it is a list of tasks in YAML, beside which the launch agent runs no script")
	default:
		return nil
	}
}

// quotePowerShell returns a word of PowerShell that stands for exactly the text. Between single quotes only these mean
// anything, and the typographic ones count as such.
func quotePowerShell(text string) string {
	for _, mark := range []string{"'", "\u2018", "\u2019", "\u201a", "\u201b"} {
		text = strings.ReplaceAll(text, mark, mark+mark)
	}
	return "'" + text + "'"
}
