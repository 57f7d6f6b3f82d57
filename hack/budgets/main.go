// Command budgets checks the rules of the house that no linter knows: how long files, reconcilers and test helpers may
// be, and what packages and receivers are called.
//
// It is called as "go run ./hack/budgets [DIRECTORY]"; findings make it exit with 1.
package main

import (
	"fmt"
	"os"
)

func main() {
	root := "."
	if len(os.Args) > 1 {
		root = os.Args[1]
	}
	findings, err := check(root)
	if err != nil {
		fmt.Fprintln(os.Stderr, "budgets:", err)
		os.Exit(2)
	}
	for _, f := range findings {
		fmt.Println(f)
	}
	if len(findings) > 0 {
		os.Exit(1)
	}
}
