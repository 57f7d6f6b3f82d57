package admission_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kerf-autoscaler/kerf/test/cluster"
	"github.com/kerf-autoscaler/kerf/test/workbench"
)

// expectInTerminal checks that kubectl shows what the table says of the row of which it says most.
func expectInTerminal(t *testing.T, rows []row) {
	t.Helper()
	var worst row
	for _, r := range rows {
		if r.CRD == crdAccepts && !r.update() && len(r.Errors) > len(worst.Errors) {
			worst = r
		}
	}
	if len(worst.Errors) < 2 {
		t.Fatal("no row has several errors that only the webhooks find")
	}
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
