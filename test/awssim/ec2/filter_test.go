package ec2

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPatternsMatchAsInEC2(t *testing.T) {
	for name, tc := range map[string]struct {
		pattern, value string
		want           bool
	}{
		"equal":                      {"m5.large", "m5.large", true},
		"longer value":               {"m5", "m5.large", false},
		"longer pattern":             {"m5.large", "m5", false},
		"star at the end":            {"m5.*", "m5.large", true},
		"star for nothing":           {"m5.large*", "m5.large", true},
		"star in the middle":         {"m*.large", "m5dn.large", true},
		"two stars":                  {"*5*.large", "m5dn.large", true},
		"star that has to back out":  {"*ab", "aab", true},
		"star alone matches nothing": {"*", "", true},
		"question mark":              {"m?.large", "m5.large", true},
		"question mark needs one":    {"m5?", "m5", false},
		"escaped star":               {`a\*b`, "a*b", true},
		"escaped star is no star":    {`a\*b`, "axb", false},
		"escaped question mark":      {`a\?`, "ab", false},
		"escaped backslash":          {`a\\b`, `a\b`, true},
		"backslash at the end":       {`a\`, `a\`, true},
		"empty pattern":              {"", "a", false},
		"empty pattern, empty value": {"", "", true},
		"case":                       {"M5", "m5", false},
	} {
		if got := matches(tc.pattern, tc.value); got != tc.want {
			t.Errorf("%s: matches(%q, %q) = %v", name, tc.pattern, tc.value, got)
		}
	}
}

func TestPagesMeetWithoutGapOrOverlap(t *testing.T) {
	list := []string{"a", "b", "c", "d", "e", "f", "g"}
	size := 3
	self := func(s string) string { return s }
	var got [][]string
	for p := (paged{MaxResults: &size}); ; {
		items, next, err := page(list, self, p, pageBounds{1, 5, 5})
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, items)
		if p.NextToken = next; next == "" {
			break
		}
		// What was given before goes away, and something comes before it: the next page is not moved by either.
		list = append([]string{"0"}, list[1:]...)
	}
	if diff := cmp.Diff([][]string{{"a", "b", "c"}, {"d", "e", "f"}, {"g"}}, got); diff != "" {
		t.Errorf("pages (-want +got):\n%s", diff)
	}
}
