package memo

import (
	"slices"
	"testing"
)

func TestTheOldestValueGoesFirst(t *testing.T) {
	table := NewTable[string, int](2)
	table.Put("a", 1)
	table.Put("b", 2)
	table.Put("a", 3) // a new value keeps its place
	table.Put("c", 4)
	if _, ok := table.Get("a"); ok {
		t.Error("a is still there")
	}
	for key, want := range map[string]int{"b": 2, "c": 4} {
		if got, ok := table.Get(key); !ok || got != want {
			t.Errorf("%s = %d, %t; want %d", key, got, ok, want)
		}
	}
	if got := table.Values(); !slices.Equal(got, []int{2, 4}) {
		t.Errorf("values %v, want those that are left, the oldest first", got)
	}
}
