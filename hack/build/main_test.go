package main

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestInterruptReachesWhatTheCommandStarted has a shell stand for the go command, and its child for a test that would
// go on for an hour. Both hold the pipe, so its end tells that both have ended.
func TestInterruptReachesWhatTheCommandStarted(t *testing.T) {
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	command := exec.CommandContext(ctx, "sh", "-c", "sh -c 'echo started; sleep 3600; true'; true")
	command.Stdout = writer
	interruptible(command)
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	output := bufio.NewReader(reader)
	if line, err := output.ReadString('\n'); err != nil || strings.TrimSpace(line) != "started" {
		t.Fatalf("read %q, %v", line, err)
	}
	begin := time.Now()
	cancel()
	if _, err := io.ReadAll(output); err != nil {
		t.Error(err)
	}
	if err := command.Wait(); err == nil {
		t.Error("the interrupted command ended as if nothing had happened")
	}
	if took := time.Since(begin); took > interruptGrace+5*time.Second {
		t.Errorf("it took %s", took)
	}
}
