package main

import (
	"math"
	"runtime/debug"
	"testing"
)

func TestGarbageIsCollectedBeforeTheContainerIsFull(t *testing.T) {
	for limit, want := range map[int64]int64{
		1 << 30: 966367641, // 90 % of 1Gi
		99:      89,
		1:       0,
		// Without a limit the collector is not told any, as -1 says.
		0:             -1,
		math.MaxInt64: 8301034833169298226,
	} {
		if got := softLimit(limit); got != want {
			t.Errorf("of %d bytes, Go gets %d, want %d", limit, got, want)
		}
	}
}

func TestWithoutALimitThatOfTheEnvironmentStays(t *testing.T) {
	before, growth := debug.SetMemoryLimit(-1), debug.SetGCPercent(100)
	t.Cleanup(func() {
		debug.SetMemoryLimit(before)
		debug.SetGCPercent(growth)
	})
	debug.SetMemoryLimit(1 << 40)
	limitMemory(0)
	if got := debug.SetMemoryLimit(-1); got != 1<<40 {
		t.Errorf("the limit is %d", got)
	}
	limitMemory(1 << 30)
	if got := debug.SetMemoryLimit(-1); got != 966367641 {
		t.Errorf("the limit is %d", got)
	}
}

func TestTheHeapGrowsLessUnlessTheEnvironmentSaysHow(t *testing.T) {
	before, growth := debug.SetMemoryLimit(-1), debug.SetGCPercent(100)
	t.Cleanup(func() {
		debug.SetMemoryLimit(before)
		debug.SetGCPercent(growth)
	})
	t.Setenv("GOGC", "100")
	limitMemory(0)
	if got := debug.SetGCPercent(100); got != 100 {
		t.Errorf("the heap grows by %d percent, where GOGC says 100", got)
	}
	t.Setenv("GOGC", "")
	limitMemory(0)
	if got := debug.SetGCPercent(100); got != heapGrowth {
		t.Errorf("the heap grows by %d percent, want %d", got, heapGrowth)
	}
}
