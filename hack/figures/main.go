// Command figures prints what the solver's benchmarks measured as tables: a row for each world, what a pod costs in time and
// allocations, and what the plan costs beside its lower bound.
//
// It is called as "go run ./hack/figures FILE", with what "go test -bench" printed.
package main

import (
	"bytes"
	"fmt"
	"os"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go run ./hack/figures FILE")
		os.Exit(2)
	}
	printed, err := os.ReadFile(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "figures:", err)
		os.Exit(2)
	}
	rows, err := parse(bytes.NewReader(printed))
	if err == nil {
		err = tabulate(os.Stdout, rows)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "figures:", err)
		os.Exit(1)
	}
}
