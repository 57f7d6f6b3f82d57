package chaos_test

import (
	"os"
	"runtime"
	"runtime/debug"
	"testing"
)

// heap is how many percent the heap may grow before it is collected, where nobody says otherwise: worlds are many, and each is thrown
// away whole.
const heap = 400

func TestMain(m *testing.M) {
	runtime.MemProfileRate = 0 // nobody asks where the memory went
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(heap)
	}
	os.Exit(m.Run())
}
