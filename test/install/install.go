// Package install reads what people install kerf from and what its documents show, for its tests to try on a real API server.
package install

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// Block is a fenced block of a Markdown file.
type Block struct {
	// Line on which it begins.
	Line int
	// Language that it says it is in.
	Language string
	// Text without the indentation of the fence.
	Text string
}

// Blocks returns the fenced blocks of a Markdown text. One that does not end is an error.
func Blocks(markdown string) ([]Block, error) {
	fence := regexp.MustCompile("^( *)```(.*)$")
	var blocks []Block
	var open *Block
	margin := ""
	for i, line := range strings.Split(markdown, "\n") {
		m := fence.FindStringSubmatch(line)
		switch {
		case m != nil && open == nil:
			open, margin = &Block{Line: i + 1, Language: strings.TrimSpace(m[2])}, m[1]
		case m != nil:
			blocks = append(blocks, *open)
			open = nil
		case open != nil:
			open.Text += strings.TrimPrefix(line, margin) + "\n"
		}
	}
	if open != nil {
		return nil, fmt.Errorf("the block of line %d does not end", open.Line)
	}
	return blocks, nil
}

// Objects reads the objects of a text of YAML documents. What has no kind is an error.
func Objects(text string) ([]*unstructured.Unstructured, error) {
	var out []*unstructured.Unstructured
	for decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(text), 1<<10); ; {
		var object unstructured.Unstructured
		err := decoder.Decode(&object.Object)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading an object: %w", err)
		}
		if len(object.Object) == 0 {
			continue // comments only
		}
		if object.GetKind() == "" || object.GetAPIVersion() == "" {
			return nil, fmt.Errorf("%v has no kind or no apiVersion", object.Object)
		}
		out = append(out, &object)
	}
}

// Kubectl is a kubectl with a cluster.
type Kubectl struct {
	Program string
	// Kubeconfig of the cluster; commands that ask no cluster do without.
	Kubeconfig string
	// Home is where kubectl keeps its cache.
	Home string
}

// Run runs kubectl and returns what it prints and what it warns of. The error quotes the latter.
func (k Kubectl) Run(ctx context.Context, input string, arguments ...string) (output, warnings string, err error) {
	command := exec.CommandContext(ctx, k.Program, arguments...)
	// Nothing of the caller's environment may change what is done.
	command.Env = []string{"KUBECONFIG=" + k.Kubeconfig, "HOME=" + k.Home, "PATH=/usr/bin:/bin"}
	command.Stdin = strings.NewReader(input)
	var out, errorOutput bytes.Buffer
	command.Stdout, command.Stderr = &out, &errorOutput
	if err := command.Run(); err != nil {
		return out.String(), errorOutput.String(), fmt.Errorf("kubectl %s: %w: %s", strings.Join(arguments, " "), err, strings.TrimSpace(errorOutput.String()))
	}
	return out.String(), errorOutput.String(), nil
}
