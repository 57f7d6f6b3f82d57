//go:build lint

package floors

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	module = "github.com/kerf-autoscaler/kerf"
	root   = "../.."
)

// stubs maps a module from outside -> the packages of it that cases import. The linters look at the import, not at
// what is behind it.
func stubs() map[string][]string {
	return map[string][]string{
		"github.com/aws/aws-sdk-go-v2":   {"aws"},
		"github.com/go-logr/logr":        {""},
		"github.com/onsi/gomega":         {""},
		"github.com/prometheus/client":   {"prometheus"},
		"k8s.io/api":                     {"core/v1"},
		"k8s.io/client-go":               {"kubernetes"},
		"k8s.io/csi-translation-lib":     {""},
		"k8s.io/utils":                   {"clock", "ptr"},
		"sigs.k8s.io/controller-runtime": {"", "pkg/client"},
		"github.com/google/go-cmp":       {"cmp"},
		"github.com/samber/lo":           {""},
	}
}

// violation is code that must not pass: each is in a file of its own below the directory.
type violation struct {
	directory string
	imports   []string // each must be reported
	calls     []string // statements, each must be reported
}

func violations() []violation {
	engines := []string{
		"k8s.io/client-go/kubernetes", "sigs.k8s.io/controller-runtime/pkg/client", "k8s.io/utils/clock",
		"github.com/go-logr/logr", "log", "log/slog", "net/http", "github.com/aws/aws-sdk-go-v2/aws",
		module + "/pkg/metrics", module + "/pkg/events", module + "/pkg/options", module + "/pkg/machines",
		module + "/controllers/state", module + "/pkg/cloudprovider/aws/subnet", module + "/test/builders",
	}
	clock := []string{"_ = time.Now()", "_ = time.Since(time.Time{})", "_ = time.After(1)"}
	return []violation{
		{directory: "apis/v1alpha1", calls: clock, imports: with(engines, module+"/apis/v1alpha5", module+"/pkg/resources", "github.com/samber/lo")},
		{directory: "apis/v1alpha5", calls: clock, imports: with(engines, module+"/apis/v1alpha1")},
		{directory: "pkg/resources", calls: clock, imports: with(engines, module+"/pkg/scheduling", module+"/pkg/cloudprovider")},
		{directory: "pkg/spelling", calls: clock, imports: with(engines, module+"/pkg/scheduling", module+"/pkg/cloudprovider")},
		{directory: "pkg/pods", calls: clock, imports: with(engines, module+"/pkg/scheduling", module+"/pkg/state")},
		{directory: "pkg/conditions", calls: clock, imports: with(engines, module+"/pkg/scheduling")},
		{directory: "pkg/scheduling", calls: clock, imports: with(engines, module+"/pkg/cloudprovider", module+"/pkg/state")},
		{directory: "pkg/volumes", calls: clock, imports: with(engines, module+"/pkg/cloudprovider", module+"/pkg/state")},
		{directory: "pkg/drift", calls: clock, imports: with(engines, module+"/pkg/cloudprovider", module+"/pkg/state")},
		{directory: "pkg/admission", calls: clock, imports: with(engines, module+"/pkg/cloudprovider", module+"/pkg/state")},
		{directory: "pkg/inline", calls: clock, imports: with(engines, module+"/pkg/cloudprovider", module+"/pkg/state")},
		{directory: "pkg/workload", calls: clock, imports: with(engines, module+"/pkg/cloudprovider", module+"/pkg/state")},
		{directory: "pkg/cloudprovider", calls: clock, imports: with(engines, module+"/pkg/state", module+"/pkg/solver")},
		{directory: "pkg/state", calls: clock, imports: with(engines, module+"/pkg/solver", module+"/pkg/disruption")},
		{directory: "pkg/solver", calls: clock, imports: with(engines, module+"/pkg/disruption", module+"/pkg/problem")},
		{directory: "pkg/problem", calls: clock, imports: with(engines, module+"/pkg/disruption", module+"/pkg/drain")},
		{directory: "pkg/disruption", calls: clock, imports: with(engines, module+"/pkg/drain")},
		{directory: "pkg/drain", calls: clock, imports: with(engines, module+"/pkg/solver", module+"/pkg/disruption", module+"/pkg/state")},
		{directory: "pkg/cloudprovider/aws/subnet", imports: []string{
			module + "/pkg/state", module + "/pkg/solver", module + "/pkg/disruption", module + "/controllers/state",
			module + "/test/builders", "testing",
		}},
		{directory: "pkg/operator", imports: []string{
			module + "/pkg/state", module + "/controllers/provisioning", module + "/pkg/cloudprovider/aws/subnet",
			"github.com/aws/aws-sdk-go-v2/aws",
		}},
		{directory: "pkg/manifests", imports: []string{module + "/pkg/state", module + "/pkg/solver", module + "/pkg/cloudprovider/aws/subnet"}},
		{directory: "pkg/webhooks", imports: []string{module + "/pkg/drain", module + "/pkg/cloudprovider/aws/subnet"}},
		{directory: "controllers/provisioning", imports: []string{
			module + "/controllers/state", module + "/controllers/machine/lifecycle", module + "/pkg/cloudprovider/aws/subnet",
			"github.com/aws/aws-sdk-go-v2/aws", module + "/test/builders", "github.com/onsi/gomega",
		}},
		{directory: "controllers/aws/refresh", imports: []string{module + "/controllers/state"}},
		{directory: "test/builders", imports: []string{module + "/pkg/state", module + "/controllers/state", "k8s.io/client-go/kubernetes"}},
		{directory: "test/chaos/invariant", imports: []string{
			module + "/controllers/provisioning", module + "/test/chaos/world", module + "/test/awssim",
		}},
		{directory: "test/region", imports: []string{
			module + "/pkg/state", module + "/pkg/solver", module + "/pkg/cloudprovider/aws/subnet", "github.com/aws/aws-sdk-go-v2/aws",
		}},
		{directory: "test/integration", imports: []string{module + "/pkg/cloudprovider/aws/subnet"}},
		{directory: "cmd/controller", imports: []string{module + "/test/builders"}, calls: []string{
			"time.Sleep(1)", "panic(1)", "_ = context.TODO()", "os.Exit(1)",
		}},
		{directory: "pkg/machines", calls: []string{"time.Sleep(1)", "panic(1)", `fmt.Println("x")`, "println(1)", "os.Exit(1)", "_ = context.TODO()"}},
		{directory: "test/e2e", calls: []string{"time.Sleep(1)", "panic(1)", "(&testing.T{}).Skip()", "(&testing.B{}).SkipNow()"}},
	}
}

// with returns the names of both.
func with(names []string, more ...string) []string { return slices.Concat(names, more) }

// permissions are what the same rules must let pass.
func permissions() []violation {
	return []violation{
		{directory: "apis/v1alpha5", imports: []string{"k8s.io/api/core/v1", "time", "fmt"}},
		{directory: "pkg/pods", imports: []string{"k8s.io/api/core/v1", module + "/apis/v1alpha5", module + "/pkg/resources", "github.com/samber/lo"}},
		{directory: "pkg/scheduling", imports: []string{module + "/pkg/pods", module + "/pkg/resources", "k8s.io/utils/ptr"}},
		{directory: "pkg/volumes", imports: []string{module + "/pkg/scheduling", "k8s.io/csi-translation-lib"}},
		{directory: "pkg/drift", imports: []string{module + "/pkg/scheduling", module + "/apis/v1alpha1"}},
		{directory: "pkg/admission", imports: []string{module + "/pkg/scheduling", module + "/apis/v1alpha1"}},
		{directory: "pkg/inline", imports: []string{module + "/apis/v1alpha1", module + "/apis/v1alpha5"}},
		{directory: "pkg/workload", imports: []string{module + "/pkg/pods", "k8s.io/api/core/v1"}},
		{directory: "pkg/manifests", imports: []string{module + "/pkg/admission", module + "/apis/v1alpha1"}},
		{directory: "pkg/cloudprovider", imports: []string{module + "/pkg/scheduling", module + "/pkg/drift", module + "/apis/v1alpha1"}},
		{directory: "pkg/state", imports: []string{module + "/pkg/cloudprovider", module + "/pkg/volumes", "sync"}},
		{directory: "pkg/solver", imports: []string{module + "/pkg/state", "context", "sync"}},
		{directory: "pkg/problem", imports: []string{module + "/pkg/solver", module + "/pkg/state", module + "/pkg/volumes"}},
		{directory: "pkg/disruption", imports: []string{module + "/pkg/solver", module + "/pkg/state"}},
		{directory: "pkg/drain", imports: []string{module + "/pkg/pods"}},
		{directory: "pkg/cloudprovider/aws/subnet", imports: []string{"github.com/aws/aws-sdk-go-v2/aws", module + "/pkg/cloudprovider", module + "/pkg/cloudprovider/aws/catalog"}, calls: []string{"_ = time.Now()"}},
		{directory: "controllers/machine/termination", imports: []string{module + "/controllers/eviction", module + "/pkg/drain", "sigs.k8s.io/controller-runtime"}, calls: []string{"_ = time.Now()"}},
		{directory: "controllers/aws/refresh", imports: []string{module + "/pkg/cloudprovider/aws/subnet"}},
		{directory: "controllers", imports: []string{module + "/controllers/state", module + "/controllers/provisioning"}},
		{directory: "cmd/controller", imports: []string{module + "/controllers/state", module + "/pkg/cloudprovider/aws/subnet"}},
		{directory: "test/builders", imports: []string{module + "/pkg/scheduling", module + "/apis/v1alpha5"}},
		{directory: "test/region", imports: []string{module + "/pkg/cloudprovider/aws/catalog", module + "/pkg/scheduling", module + "/apis/v1alpha5"}},
		{directory: "test/environment", imports: []string{module + "/pkg/cloudprovider/aws/catalog", "github.com/aws/aws-sdk-go-v2/aws"}, calls: []string{`fmt.Println("x")`}},
	}
}

func TestForbiddenImportsAndCallsAreReported(t *testing.T) {
	directory := newModule(t)
	var want []string
	for i, v := range violations() {
		want = append(want, writeCase(t, directory, fmt.Sprintf("bad%d", i), v)...)
	}
	reported := lint(t, directory)
	for _, line := range want {
		if !strings.Contains(reported, line) {
			t.Errorf("not reported: %s", line)
		}
	}
}

func TestAllowedImportsAndCallsAreNotReported(t *testing.T) {
	directory := newModule(t)
	for i, v := range permissions() {
		writeCase(t, directory, fmt.Sprintf("good%d", i), v)
	}
	if reported := lint(t, directory); !strings.Contains(reported, "0 issues") {
		t.Errorf("reported:\n%s", reported)
	}
}

// writeCase writes one file for each import and call, and returns the positions at which they have to be reported.
func writeCase(t *testing.T, directory, name string, v violation) []string {
	t.Helper()
	var positions []string
	add := func(kind string, number int, source string, line int) {
		// A package of its own, so that no case closes an import cycle; the port's files are those beside each other.
		path := filepath.Join(v.directory, name, fmt.Sprintf("%s%d.go", kind, number))
		if v.directory == "pkg/cloudprovider" || v.directory == "controllers" {
			path = filepath.Join(v.directory, fmt.Sprintf("%s%s%d.go", name, kind, number))
		}
		write(t, filepath.Join(directory, path), "package "+filepath.Base(filepath.Dir(path))+"\n"+source)
		positions = append(positions, fmt.Sprintf("%s:%d:", path, line))
	}
	for i, imported := range v.imports {
		add("import", i, fmt.Sprintf("import _ %q\n", imported), 2)
	}
	for i, call := range v.calls {
		source := "import (\n" + importsOf(call) + ")\nfunc " + name + fmt.Sprint(i) + "() {\n" + call + "\n}\n"
		add("call", i, source, strings.Count("\n"+source, "\n")-1)
	}
	return positions
}

// importsOf are the import lines that a statement needs.
func importsOf(statement string) string {
	lines := ""
	for _, name := range []string{"context", "fmt", "os", "testing", "time"} {
		if strings.Contains(statement, name+".") {
			lines += fmt.Sprintf("%q\n", name)
		}
	}
	return lines
}

// newModule makes an empty copy of the house: every package that a case imports, with nothing in it, and the rules.
func newModule(t *testing.T) string {
	t.Helper()
	directory := t.TempDir()
	config, err := os.ReadFile(filepath.Join(root, ".golangci.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(directory, ".golangci.yaml"), string(config))
	goMod := "module " + module + "\n\ngo 1.26.0\n"
	for path, packages := range stubs() {
		goMod += fmt.Sprintf("require %s v0.0.0\nreplace %s => ./stubs/%s\n", path, path, path)
		write(t, filepath.Join(directory, "stubs", path, "go.mod"), "module "+path+"\n\ngo 1.26.0\n")
		for _, pkg := range packages {
			write(t, filepath.Join(directory, "stubs", path, pkg, "stub.go"), "package stub\n")
		}
	}
	write(t, filepath.Join(directory, "go.mod"), goMod)
	for _, v := range slices.Concat(violations(), permissions()) {
		for _, imported := range v.imports {
			if pkg, ours := strings.CutPrefix(imported, module+"/"); ours {
				write(t, filepath.Join(directory, pkg, "stub.go"), "package "+filepath.Base(pkg)+"\n")
			}
		}
	}
	return directory
}

// lint returns what the linters report; finding something is not a failure of theirs.
func lint(t *testing.T, directory string) string {
	t.Helper()
	linter, err := filepath.Abs(filepath.Join(root, "bin", "golangci-lint"))
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(linter, "run", "--enable-only=depguard,forbidigo", "--issues-exit-code=0",
		"--output.text.print-issued-lines=false", "--allow-parallel-runners")
	command.Dir = directory
	output, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("linting: %v\n%s", err, output)
	}
	if strings.Contains(string(output), "typecheck") {
		t.Fatalf("the cases do not compile:\n%s", output)
	}
	return string(output)
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}
