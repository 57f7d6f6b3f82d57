package main

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// asCommand holds arguments where the test binary is to be the command.
const asCommand = "CONFORMANCE_ARGUMENTS"

func TestMain(m *testing.M) {
	if arguments := os.Getenv(asCommand); arguments != "" {
		os.Args = append(os.Args[:1], strings.Fields(arguments)...)
		main()
		return
	}
	os.Exit(m.Run())
}

func TestAnInterruptedRunReportsOnWhatItHas(t *testing.T) {
	for name, signal := range map[string]os.Signal{"from the keyboard": os.Interrupt, "from whoever started it": syscall.SIGTERM} {
		t.Run(name, func(t *testing.T) {
			command := exec.CommandContext(t.Context(), os.Args[0])
			command.Env = append(os.Environ(), asCommand+"=--clusters=1000000 --pods=5 --workers=1 --interval=10ms")
			out, err := command.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := command.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewReader(out)
			if _, err := lines.ReadString('\n'); err != nil { // it is at work
				t.Fatal(err)
			}
			if err := command.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			rest, err := io.ReadAll(lines)
			if err != nil {
				t.Fatal(err)
			}
			var exit *exec.ExitError
			if err := command.Wait(); !errors.As(err, &exit) || exit.ExitCode() != interrupted {
				t.Errorf("it ended with %v, want exit status %d", err, interrupted)
			}
			last := lastLine(string(rest))
			if !strings.HasPrefix(last, "interrupted after ") || !strings.Contains(string(rest), "\nbeside the pods") {
				t.Errorf("there is no report:\n%s", rest)
			}
		})
	}
}
