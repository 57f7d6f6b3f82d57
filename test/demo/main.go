// Command demo shows kerf's main job on a real control plane and simulated AWS, and checks that it was done well.
//
// Call it as "go run ./test/demo", with --help to learn about its flags.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/pflag"
)

// errFailed says that the demo ran but that not every expectation was met; it has been printed already.
var errFailed = errors.New("an expectation was not met")

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	cancel()
	switch {
	case err == nil || errors.Is(err, pflag.ErrHelp):
	case errors.Is(err, errFailed):
		os.Exit(1)
	default:
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(2)
	}
}

func run(ctx context.Context, arguments []string) error {
	var s settings
	flags := pflag.NewFlagSet("demo", pflag.ContinueOnError)
	flags.StringVar(&s.report, "report", "bin/demo/report.json", "file that receives everything the demo found, as JSON")
	flags.StringVar(&s.directory, "directory", "", "directory that keeps logs and data of the demo's world; a temporary one when empty")
	flags.StringVar(&s.region, "region", "us-east-1", "AWS region that is simulated; prices are real on-demand ones only in us-east-1")
	flags.Usage = func() {
		fmt.Fprintf(os.Stderr, `demo shows what kerf does, start to end, in about five minutes. It needs no cluster, no AWS account and no network.

It starts a real Kubernetes control plane, simulated AWS and kerf, applies the manifests in examples/ with kubectl,
scales them up and down, prints what happens as it happens, and checks the outcome. Its last line is
"demo: N passed, 0 failed", and it exits with 0 only then.

Run it by "make demo" in the root of the repository, which builds what it needs; "make up" leaves the same world running
for you to try things in.

%s`, flags.FlagUsages())
	}
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q; --help explains", flags.Arg(0))
	}
	return play(ctx, s)
}

// settings are what the flags say.
type settings struct {
	report    string
	directory string
	region    string
}
