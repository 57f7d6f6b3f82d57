package admission_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/kerf-autoscaler/kerf/test/cluster"
	"github.com/kerf-autoscaler/kerf/test/workbench"
)

// expectInTerminal checks that kubectl shows what the table says of the row of which it says most, among those that the schema
// refuses and among those that it accepts.
func expectInTerminal(t *testing.T, decoder runtime.Decoder, rows []row) {
	t.Helper()
	worst := map[string]row{}
	for _, r := range rows {
		if legible(decoder, r) && !r.update() && len(r.Errors) > len(worst[r.CRD].Errors) {
			worst[r.CRD] = r
		}
	}
	for _, crd := range []string{crdRefuses, crdAccepts} {
		if len(worst[crd].Errors) < 2 {
			t.Fatalf("no row that the schema %s has several errors", crd)
		}
		expectShown(t, worst[crd])
	}
}

func expectShown(t *testing.T, worst row) {
	t.Helper()
	output, err := apply(t, worst)
	if err == nil {
		t.Errorf("kubectl applies %q", worst.Name)
	}
	for _, e := range worst.Errors {
		if !strings.Contains(output, "* "+e+"\n") {
			t.Errorf("kubectl does not show %q, but:\n%s", e, output)
		}
	}
	for _, w := range worst.Warnings {
		if !strings.Contains(output, "Warning: "+w+"\n") {
			t.Errorf("kubectl does not show the warning %q, but:\n%s", w, output)
		}
	}
	if head := "The " + worst.kind() + ` "example" is invalid:`; !strings.Contains(output, head) {
		t.Errorf("kubectl does not start with %q, but:\n%s", head, output)
	}
}

// apply applies the object of a row as users try out a file, and returns what they see.
func apply(t *testing.T, r row) (string, error) {
	t.Helper()
	assets, err := cluster.EnvtestAssets()
	if err != nil {
		t.Fatal(err)
	}
	config, err := workbench.Config()
	if err != nil {
		t.Fatal(err)
	}
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	if err := cluster.WriteKubeconfig(kubeconfig, config); err != nil {
		t.Fatal(err)
	}
	encoded, err := r.given.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), filepath.Join(assets, "kubectl"), "--kubeconfig", kubeconfig, "apply", "--dry-run=server", "-f", "-")
	command.Stdin = strings.NewReader(string(encoded))
	output, err := command.CombinedOutput()
	return string(output), err
}
