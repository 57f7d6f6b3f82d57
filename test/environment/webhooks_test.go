package environment

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWebhooksAreCalledAtAURLInPlaceOfAService(t *testing.T) {
	const manifests = `# what follows
---
kind: ValidatingWebhookConfiguration
webhooks:
  - name: a
    clientConfig: {service: {name: x, namespace: y, path: /validate/a, port: 443}}
  - name: b
    timeoutSeconds: 5
    clientConfig: {service: {path: /validate/b}}
---
kind: Secret
metadata: {name: s}
`
	got, err := redirect(manifests, "https://127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	var objects []map[string]any
	for document := range strings.SplitSeq(got, "\n---\n") {
		var object map[string]any
		if err := json.Unmarshal([]byte(document), &object); err != nil {
			t.Fatal(err)
		}
		objects = append(objects, object)
	}
	want := []map[string]any{
		{"kind": "ValidatingWebhookConfiguration", "webhooks": []any{
			map[string]any{"name": "a", "clientConfig": map[string]any{"url": "https://127.0.0.1:1/validate/a"}},
			map[string]any{"name": "b", "timeoutSeconds": 5.0, "clientConfig": map[string]any{"url": "https://127.0.0.1:1/validate/b"}},
		}},
		{"kind": "Secret", "metadata": map[string]any{"name": "s"}},
	}
	if diff := cmp.Diff(want, objects); diff != "" {
		t.Errorf("manifests (-want +got):\n%s", diff)
	}
}

func TestWebhooksWithoutAServiceAreNotRedirected(t *testing.T) {
	_, err := redirect("kind: X\nmetadata: {name: w}\nwebhooks: [{name: a, clientConfig: {url: 'https://elsewhere'}}]", "https://127.0.0.1:1")
	if err == nil || !strings.Contains(err.Error(), "X w: a webhook has no Service") {
		t.Errorf("got %v", err)
	}
}

func TestPortsAreNotGivenTwice(t *testing.T) {
	seen := map[string]bool{}
	ports, err := freePorts(20)
	if err != nil {
		t.Fatal(err)
	}
	for _, port := range ports {
		if seen[port] {
			t.Errorf("port %s is given twice", port)
		}
		seen[port] = true
	}
	if len(seen) != 20 {
		t.Errorf("there are %d ports", len(seen))
	}
}
