package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kerf-autoscaler/kerf/test/awssim/faults"
	"github.com/kerf-autoscaler/kerf/test/awssim/world"
)

func TestTheCommandServesUntilItIsInterrupted(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	read, write := io.Pipe()
	c := command()
	c.SetArgs([]string{"--region", "us-west-2", "--address", "127.0.0.1:0", "--admin-address", "127.0.0.1:0", "--cluster-version", "1.34"})
	c.SetOut(write)
	ended := make(chan error, 1)
	go func() { ended <- c.ExecuteContext(ctx) }()
	urls := map[string]string{}
	lines := bufio.NewScanner(read)
	for len(urls) < 2 && lines.Scan() {
		name, url, _ := strings.Cut(lines.Text(), " ")
		urls[name] = strings.TrimSpace(url)
	}
	go io.Copy(io.Discard, read) //nolint:errcheck // what else is printed does not matter
	response, err := http.Get(urls["admin"] + "/instances")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // it is read in full
	if body, err := io.ReadAll(response.Body); err != nil || strings.TrimSpace(string(body)) != "[]" {
		t.Errorf("instances of a new simulator: %s (%v)", body, err)
	}
	interrupt()
	if err := <-ended; err != nil {
		t.Errorf("the command ended with %v", err)
	}
	if _, err := http.Get(urls["AWS"]); err == nil { //nolint:bodyclose // there is no answer
		t.Error("the port is still open")
	}
}

func TestTheHelpShowsHowToConnect(t *testing.T) {
	var help strings.Builder
	c := command()
	c.SetArgs([]string{"--help"})
	c.SetOut(&help)
	if err := c.Execute(); err != nil {
		t.Fatal(err)
	}
	for _, says := range []string{"AWS_ENDPOINT_URL=http://127.0.0.1:4566", world.DefaultAccessKeyID, "aws ec2 describe-subnets", "--boot-delay", "/capacity", "--faults", "/faults", "--policy", "/iam", `"ambiguous"`} {
		if !strings.Contains(help.String(), says) {
			t.Errorf("the help does not say %q", says)
		}
	}
}

func TestUnknownRegionsAreRefused(t *testing.T) {
	c := command()
	c.SetArgs([]string{"--region", "eu-north-9"})
	c.SetErr(io.Discard)
	if err := c.Execute(); err == nil || !strings.Contains(err.Error(), "us-east-1") {
		t.Errorf("%v, want an error that lists the known regions", err)
	}
}

func TestPoliciesAreReadFromFiles(t *testing.T) {
	file := filepath.Join(t.TempDir(), "policy.json")
	c := command()
	c.SetArgs([]string{"--policy", file})
	c.SetErr(io.Discard)
	if err := c.Execute(); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("%v, want an error about the file that is not there", err)
	}
	if err := os.WriteFile(file, []byte(`{"Version": "2012-10-17", "Statement": [{"Effect": "Alow"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	c = command()
	c.SetArgs([]string{"--policy", file})
	c.SetErr(io.Discard)
	if err := c.Execute(); err == nil || !strings.Contains(err.Error(), "Alow") {
		t.Errorf("%v, want an error about the policy", err)
	}
}

func TestThePlanOfTheHelpIsOne(t *testing.T) {
	text := long[strings.Index(long, `{"seed"`):]
	if _, err := faults.Parse([]byte(text)); err != nil {
		t.Errorf("%v:\n%s", err, text)
	}
}

func TestAPlanOfFaultsIsReadFromAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "faults.json")
	for text, says := range map[string]string{
		`{"seed": 1, "flap": [{"share": 0.05}]}`: "",
		`{"seed": 1, "flip": []}`:                "flip",
		`{"flap": [{"share": 2}]}`:               "share 2",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		ctx, interrupt := context.WithCancel(t.Context())
		interrupt()
		c := command()
		c.SetArgs([]string{"--faults", file, "--address", "127.0.0.1:0", "--admin-address", "127.0.0.1:0"})
		c.SetOut(io.Discard)
		c.SetErr(io.Discard)
		err := c.ExecuteContext(ctx)
		if (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", text, err, says)
		}
	}
}
