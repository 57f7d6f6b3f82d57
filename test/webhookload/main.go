// Command webhookload changes Provisioners and AWSNodeTemplates through a real API server and kerf's real webhook, while its
// certificates and their authority are replaced again and again, and counts what fails.
//
// Call it as "go run ./test/webhookload", with --help to learn about its flags.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/pflag"
)

// errFailed says that the load has run but not all was as it should be; it has been printed already.
var errFailed = errors.New("a request failed or took too long")

// settings are what the flags say.
type settings struct {
	// root is the directory of kerf's module.
	root string
	// directory keeps logs and data of the world; a temporary one when empty.
	directory string
	// requests is how many changes are made, by how many clients, and how many of them in a second at the most.
	requests, clients int
	rate              float32
	// certificateLifetime and authorityLifetime are flags of the controller: half of each is when it is replaced.
	certificateLifetime, authorityLifetime time.Duration
	// progress is told how many were made, now and then.
	progress io.Writer
}

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	cancel()
	switch {
	case err == nil || errors.Is(err, pflag.ErrHelp):
	case errors.Is(err, errFailed):
		os.Exit(1)
	default:
		fmt.Fprintln(os.Stderr, "webhookload:", err)
		os.Exit(2)
	}
}

func run(ctx context.Context, arguments []string) error {
	s := settings{root: "."}
	flags := pflag.NewFlagSet("webhookload", pflag.ContinueOnError)
	flags.StringVar(&s.directory, "directory", "", "directory that keeps logs and data of the world; a temporary one when empty")
	flags.IntVar(&s.requests, "requests", 10_000, "changes to make")
	flags.IntVar(&s.clients, "clients", 8, "clients that make them side by side")
	flags.Float32Var(&s.rate, "rate", 50, "changes a second, of all clients together")
	flags.DurationVar(&s.certificateLifetime, "certificate-lifetime", 10*time.Second, "life of a serving certificate; a new one comes after half of it")
	flags.DurationVar(&s.authorityLifetime, "authority-lifetime", 30*time.Second, "life of the authority of these; a new one comes after half of it")
	flags.Usage = func() {
		fmt.Fprintf(os.Stderr, `webhookload starts a real Kubernetes control plane and kerf, changes kerf's objects through kerf's webhook while its
certificates rotate, and prints what failed and how long the webhook took. It exits with 0 if nothing failed and kerf has
answered %g %% of the calls of each webhook within %s, as its own histogram says.

%s`, 100*goalPart, goal, flags.FlagUsages())
	}
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q; --help explains", flags.Arg(0))
	}
	if s.requests < 1 || s.clients < 1 || !(s.rate > 0) {
		return errors.New("--requests, --clients and --rate have to be positive")
	}
	s.progress = os.Stdout
	r, err := play(ctx, s)
	if err != nil {
		return err
	}
	r.print(os.Stdout)
	r.printVerdict(os.Stdout)
	if !r.good() {
		return errFailed
	}
	return nil
}
