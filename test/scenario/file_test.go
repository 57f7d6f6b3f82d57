package scenario_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write what scenarios print into their files") //nolint:gochecknoglobals // flags have to be there before the test binary parses them

// separator stands between a command that prints and what it prints; a blank line ends that.
const separator = "----"

// command is one line of a scenario: a verb, a name, and key=value arguments in order.
type command struct {
	verb, name string
	arguments  []argument
}

type argument struct{ key, value string }

// executor runs commands; what they print is compared with the file.
type executor interface {
	run(command) (string, error)
}

// runFiles runs each scenario file against an executor of its own. A file is a list of commands; lines that begin with # are
// remarks; a command that prints is followed by the separator and what it prints.
func runFiles(t *testing.T, pattern string, fresh func() executor) {
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenario matches %s (%v)", pattern, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got, err := replay(string(content), fresh())
			if err != nil {
				t.Fatalf("%s:%v", file, err)
			}
			if *rewrite {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(content) {
				t.Errorf("%s prints something else; look at it and, if it is right, run with -rewrite:\n%s", file, got)
			}
		})
	}
}

// replay returns the file with what its commands print now.
func replay(content string, e executor) (string, error) {
	var out strings.Builder
	lines := strings.Split(strings.TrimRight(content, "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		out.WriteString(lines[i] + "\n")
		if line := strings.TrimSpace(lines[i]); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		c, err := parse(lines[i])
		if err != nil {
			return "", fmt.Errorf("%d: %w", i+1, err)
		}
		printed, err := e.run(c)
		if err != nil {
			return "", fmt.Errorf("%d: %w", i+1, err)
		}
		if i+1 < len(lines) && lines[i+1] == separator {
			for i++; i+1 < len(lines) && lines[i+1] != ""; i++ {
			}
		}
		if printed != "" {
			out.WriteString(separator + "\n" + printed)
		}
	}
	return out.String(), nil
}

func parse(line string) (command, error) {
	fields := strings.Fields(line)
	c := command{verb: fields[0]}
	for _, f := range fields[1:] {
		key, value, ok := strings.Cut(f, "=")
		switch {
		case ok:
			c.arguments = append(c.arguments, argument{key, value})
		case c.name == "":
			c.name = f
		default:
			return c, fmt.Errorf("%q is no key=value", f)
		}
	}
	return c, nil
}
