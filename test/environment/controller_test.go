package environment

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// process returns a Controller whose program is a shell script.
func process(t *testing.T, script string) *Controller {
	t.Helper()
	directory := t.TempDir()
	c := &Controller{
		program: "/bin/sh", arguments: []string{"-c", script}, directory: directory,
		environment: []string{"PATH=/usr/bin:/bin"}, log: filepath.Join(directory, "log"),
	}
	t.Cleanup(c.Kill)
	return c
}

// awaitLog waits until a line is the last one that the process has written.
func awaitLog(t *testing.T, c *Controller, line string) {
	t.Helper()
	for !strings.HasSuffix(c.LogTail(1), line) {
		if err := c.Exited(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAControllerStopsWhenAskedAndStartsAgain(t *testing.T) {
	c := process(t, `trap 'echo down; exit 0' TERM; echo up; while :; do sleep 0.05; done`)
	for range 2 {
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		pid := c.PID()
		if err := c.Start(); err != nil || c.PID() != pid || pid == 0 {
			t.Fatalf("started twice: process %d, then %d, %v", pid, c.PID(), err)
		}
		awaitLog(t, c, "up")
		if m, err := c.Memory(); err != nil || m.Now == 0 || m.Peak < m.Now {
			t.Errorf("memory %+v, %v", m, err)
		}
		if _, err := c.CPUTime(); err != nil {
			t.Error(err)
		}
		if err := c.Stop(); err != nil {
			t.Fatal(err)
		}
		if c.PID() != 0 || c.Exited() == nil {
			t.Error("it still runs")
		}
	}
	if got := c.LogTail(4); got != "up\ndown\nup\ndown" {
		t.Errorf("the log ends with %q", got)
	}
}

func TestTheTimeThatAControllerComputesIsCounted(t *testing.T) {
	c := process(t, `i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo up; while :; do sleep 0.05; done`)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	awaitLog(t, c, "up")
	if used, err := c.CPUTime(); err != nil || used == 0 {
		t.Errorf("got %s, %v", used, err)
	}
}

func TestAControllerThatEndsByItselfIsReportedWithItsLog(t *testing.T) {
	c := process(t, "echo no region is set; exit 3")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	err := c.AwaitReady(t.Context())
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "no region is set") {
		t.Errorf("got %v", err)
	}
}

func TestKillLeavesTheControllerNoTime(t *testing.T) {
	c := process(t, `trap 'echo ignored' TERM; echo up; while :; do sleep 0.05; done`)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	awaitLog(t, c, "up")
	c.Kill()
	if c.PID() != 0 || !strings.Contains(c.Exited().Error(), "killed") {
		t.Errorf("got %v", c.Exited())
	}
}

func TestReadinessIsToldInTheControllersWords(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/readyz" {
			http.Error(w, "[-]aws failed: access denied", http.StatusInternalServerError)
		}
	}))
	defer server.Close()
	c := &Controller{probes: server.URL}
	if err := c.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "access denied") {
		t.Errorf("got %v", err)
	}
	if err := c.Alive(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestMetricsAreReadWithTheirLabels(t *testing.T) {
	const text = "# HELP a b\n# TYPE a counter\na{x=\"1 2\"} 3\nb 4.5e+06\n"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) }))
	defer server.Close()
	series, err := (&Controller{metrics: server.URL}).Metrics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]float64{`a{x="1 2"}`: 3, "b": 4.5e6}, series); diff != "" {
		t.Errorf("series (-want +got):\n%s", diff)
	}
}

func TestManifestsOfADirectoryAreJoinedWithTheClustersName(t *testing.T) {
	root := t.TempDir()
	for name, content := range map[string]string{
		"b.yaml": "name: ${CLUSTER_NAME}", "a.yaml": "price: $5", "kustomization.yaml": "resources: []", "notes.txt": "no",
	} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	e := &Environment{root: root, clusterName: "quay"}
	got, err := e.Manifests(".")
	if err != nil {
		t.Fatal(err)
	}
	if want := "price: $5\n---\nname: quay"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if _, err := e.Manifests("missing.yaml"); err == nil {
		t.Error("a file that does not exist was read")
	}
}

func TestAMissingControllerIsSaidBeforeAnythingStarts(t *testing.T) {
	_, err := Start(t.Context(), Options{Root: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "bin/controller") || !strings.Contains(err.Error(), "make") {
		t.Errorf("got %v", err)
	}
}

func TestVariablesOfOneRunAreGoneInTheNext(t *testing.T) {
	c := process(t, `echo "HABIT is ${HABIT-unset}"`)
	for _, start := range []func() error{func() error { return c.StartWith("HABIT=new") }, c.Start} {
		if err := start(); err != nil {
			t.Fatal(err)
		}
		<-c.done
	}
	if got := c.LogTail(2); got != "HABIT is new\nHABIT is unset" {
		t.Errorf("the log ends with %q", got)
	}
}
