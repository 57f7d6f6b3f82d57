// Command environment leaves a whole world for kerf running in the background, and ends it.
//
// Call it as "go run ./test/environment/cmd/environment up", or down.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command().ExecuteContext(ctx)
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, "environment:", err)
		os.Exit(1)
	}
}

func command() *cobra.Command {
	root := &cobra.Command{
		Use:   "environment",
		Short: "A Kubernetes cluster with kerf and simulated AWS, on this machine and in the background",
		Long: `environment runs a real Kubernetes control plane, simulated AWS and kerf in the background, to try kerf by hand.

It needs no AWS account and no network. "make up" and "make down" call it.`,
		SilenceUsage: true, SilenceErrors: true,
		RunE: func(c *cobra.Command, _ []string) error {
			return errors.Join(c.Help(), errors.New(`say "up" or "down"`))
		},
	}
	var s site
	var region string
	root.PersistentFlags().StringVar(&s.root, "root", ".", "directory of the kerf module")
	up := &cobra.Command{
		Use: "up", Short: "Start the world and return once kerf is ready in it", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return s.up(c.Context(), region) },
	}
	serve := &cobra.Command{
		Use: "serve", Short: "Be the world, in the foreground", Args: cobra.NoArgs, Hidden: true,
		RunE: func(c *cobra.Command, _ []string) error { return s.serve(c.Context(), region) },
	}
	for _, c := range []*cobra.Command{up, serve} {
		c.Flags().StringVar(&region, "region", "us-east-1", "AWS region that is simulated")
	}
	down := &cobra.Command{
		Use: "down", Short: "End the world", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return s.down(c.Context()) },
	}
	root.AddCommand(up, down, serve)
	return root
}
