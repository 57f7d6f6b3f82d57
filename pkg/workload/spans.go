package workload

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// spans are numbers, each of a span from its first to its last, in order. A Job may have a billion of them: they are not listed.
type spans [][2]int

// spansOf reads what the status of a Job says, like 0,3-5; what cannot be read is left out.
func spansOf(text string) spans {
	var out spans
	for part := range strings.SplitSeq(text, ",") {
		from, to, several := strings.Cut(strings.TrimSpace(part), "-")
		first, err := strconv.Atoi(from)
		if err != nil {
			continue
		}
		last := first
		if several {
			if last, err = strconv.Atoi(to); err != nil || last < first {
				continue
			}
		}
		out = append(out, [2]int{first, last})
	}
	slices.SortFunc(out, func(a, b [2]int) int { return cmp.Compare(a[0], b[0]) })
	return out
}

// end returns the last number of the span that a number is in; false for none.
func (s spans) end(n int) (int, bool) {
	after, _ := slices.BinarySearchFunc(s, n+1, func(span [2]int, n int) int { return cmp.Compare(span[0], n) })
	if after == 0 || s[after-1][1] < n {
		return 0, false
	}
	return s[after-1][1], true
}

// size returns how many numbers there are.
func (s spans) size() int {
	n := 0
	for _, span := range s {
		n += span[1] - span[0] + 1
	}
	return n
}
