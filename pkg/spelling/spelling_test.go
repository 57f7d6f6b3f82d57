package spelling_test

import (
	"testing"

	"github.com/kerf-autoscaler/kerf/pkg/spelling"
)

func TestEditsAreCounted(t *testing.T) {
	for words, want := range map[[2]string]int{
		{"", ""}: 0, {"cpu", "cpu"}: 0, {"", "cpu"}: 3, {"memroy", "memory"}: 2, {"famly", "family"}: 1, {"familiy", "family"}: 1, {"cat", "cut"}: 1,
	} {
		if got := spelling.Edits(words[0], words[1]); got != want {
			t.Errorf("%q to %q: %d edits, want %d", words[0], words[1], got, want)
		}
		if got := spelling.Edits(words[1], words[0]); got != want {
			t.Errorf("%q to %q: %d edits, want %d", words[1], words[0], got, want)
		}
	}
}
