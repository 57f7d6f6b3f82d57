package main

import (
	"strings"
	"testing"
)

const printed = `goos: linux
BenchmarkSolve/identical/pods=500/types=40/nodes=0-2   	 3	 2000000 ns/op	 7.5 $/h	 9 machines	 4000 ns/pod	 1.25 x-bound	 3000000 B/op	 1000 allocs/op
BenchmarkSolve/identical/pods=500/types=40/nodes=0-2   	 3	 1000000 ns/op	 7.5 $/h	 9 machines	 2000 ns/pod	 1.25 x-bound	 3000000 B/op	 1000 allocs/op
BenchmarkAdmission/others=0-2   	 3	 1000000 ns/op	 10 B/op	 1 allocs/op
BenchmarkGrowth/of=pods/pods=50000/types=40/nodes=7-2   	 1	 1234567890 ns/op	 8.5 $/h	 9 machines	 24691 ns/pod	 1.5 x-bound	 3000000 B/op	 100000 allocs/op
BenchmarkPass/half-empty/nodes=2000/pods=30000-2   	 1	 900000000 ns/op	 25.5 $/h-saved	 40 machines	 30000 ns/pod	 3000000 B/op	 60000 allocs/op
PASS
`

func TestTheFastestRunOfEachWorldIsPrinted(t *testing.T) {
	rows, err := parse(strings.NewReader(printed))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := tabulate(&out, rows); err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(out.String()) {
		if fields := strings.Fields(line); len(fields) > 0 {
			got = append(got, strings.Join(fields, " "))
		}
	}
	want := []string{
		"world pods types nodes time per pod allocated allocs/pod machines $/h x bound",
		"identical 500 40 0 1ms 2µs 3.0 MB 2.0 9 7.50 1.250",
		"growth with pods pods types nodes time per pod allocated allocs/pod machines $/h x bound",
		"50000 40 7 1.23s 24.7µs 3.0 MB 2.0 9 8.50 1.500",
		"what costs less elsewhere pods nodes time per pod allocated allocs/pod machines that go $/h saved",
		"half-empty 30000 2000 900ms 30µs 3.0 MB 2.0 40 25.50",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("printed\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestWhatIsNoFigureIsAnError(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":            "PASS\n",
		"no benchmark of it": "BenchmarkAdmission/others=0-2 3 1000000 ns/op 10 B/op\n",
		"not a number":       "BenchmarkSolve/x/pods=5-2 3 many ns/op 10 B/op\n",
	} {
		t.Run(name, func(t *testing.T) {
			if rows, err := parse(strings.NewReader(text)); err == nil {
				t.Errorf("read %v", rows)
			}
		})
	}
}
