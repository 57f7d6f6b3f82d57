package cluster_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/kerf-autoscaler/kerf/test/cluster"
)

// ownerVariable makes the test binary run as a program that owns a cluster and does nothing to end it.
const ownerVariable = "KERF_TEST_CLUSTER_OWNER"

func TestMain(m *testing.M) {
	if os.Getenv(ownerVariable) != "" {
		if err := own(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// own starts a cluster, prints its directory and process ids, and waits for a signal that it does not handle.
func own() error {
	c, err := cluster.Start(context.Background(), cluster.Options{})
	if err != nil {
		return err
	}
	fmt.Println(c.Directory(), strings.Trim(fmt.Sprint(processIDs(c)), "[]"))
	select {}
}

func TestClusterEndsWithItsOwner(t *testing.T) {
	for name, signal := range map[string]syscall.Signal{
		"killed":                syscall.SIGKILL,
		"terminated":            syscall.SIGTERM,
		"interrupted by Ctrl-C": syscall.SIGINT,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			owner := exec.Command(os.Args[0])
			owner.Env = append(os.Environ(), ownerVariable+"=1")
			owner.Stderr = os.Stderr
			output, err := owner.StdoutPipe()
			must(t, err)
			must(t, owner.Start())
			line, err := bufio.NewReader(output).ReadString('\n')
			if err != nil {
				t.Fatalf("reading what the owner started: %v", err)
			}
			directory, ids := parseOwner(t, line)

			must(t, owner.Process.Signal(signal))
			if err := owner.Wait(); err == nil {
				t.Error("the owner ended by itself")
			}
			requireGone(t, ids)

			// The directory has no owner any more; the next cluster clears it away.
			must(t, start(t, cluster.Options{}).Stop())
			if _, err := os.Stat(directory); !os.IsNotExist(err) {
				t.Errorf("the abandoned directory %s is still there: %v", directory, err)
			}
		})
	}
}

func parseOwner(t *testing.T, line string) (directory string, ids []int) {
	t.Helper()
	fields := strings.Fields(line)
	if len(fields) != 6 {
		t.Fatalf("the owner printed %q", line)
	}
	for _, field := range fields[1:] {
		id, err := strconv.Atoi(field)
		must(t, err)
		ids = append(ids, id)
	}
	return fields[0], ids
}
