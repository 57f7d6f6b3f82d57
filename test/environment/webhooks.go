package environment

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// installWebhooks applies the webhook configurations as they are in config/, but for where they send requests to: the
// controller is a process of this machine, and no Service leads there.
func (e *Environment) installWebhooks(ctx context.Context) error {
	manifests, err := e.Manifests("config/webhook")
	if err != nil {
		return err
	}
	redirected, err := redirect(manifests, "https://"+net.JoinHostPort(loopback, e.ports.webhook))
	if err != nil {
		return fmt.Errorf("reading config/webhook: %w", err)
	}
	return e.ApplyText(ctx, redirected)
}

// redirect returns manifests whose webhooks are called at a URL in place of a Service, at the same path.
func redirect(manifests, url string) (string, error) {
	decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(manifests), len(manifests))
	var documents []string
	for {
		object := &unstructured.Unstructured{}
		if err := decoder.Decode(object); errors.Is(err, io.EOF) {
			return strings.Join(documents, "\n---\n"), nil
		} else if err != nil {
			return "", fmt.Errorf("decoding: %w", err)
		}
		if len(object.Object) == 0 {
			continue // nothing but comments
		}
		if err := redirectWebhooks(object, url); err != nil {
			return "", fmt.Errorf("%s %s: %w", object.GetKind(), object.GetName(), err)
		}
		encoded, err := json.Marshal(object)
		if err != nil {
			return "", fmt.Errorf("encoding: %w", err)
		}
		documents = append(documents, string(encoded))
	}
}

func redirectWebhooks(object *unstructured.Unstructured, url string) error {
	webhooks, _, err := unstructured.NestedSlice(object.Object, "webhooks")
	if err != nil || webhooks == nil {
		return err
	}
	for _, w := range webhooks {
		webhook, ok := w.(map[string]any)
		if !ok {
			return fmt.Errorf("a webhook is %T, not an object", w)
		}
		path, found, err := unstructured.NestedString(webhook, "clientConfig", "service", "path")
		if err != nil || !found {
			return errors.Join(errors.New("a webhook has no Service with a path"), err)
		}
		webhook["clientConfig"] = map[string]any{"url": url + path}
	}
	return unstructured.SetNestedSlice(object.Object, webhooks, "webhooks")
}
