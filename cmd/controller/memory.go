package main

import (
	"os"
	"runtime/debug"
)

// heapGrowth is by how much the heap may grow until it is collected, in percent of what is in use. Most of what is in use are caches,
// which grow with the cluster: at Go's own 100 a process with a thousand machines takes more than 300 MB, at this a sixth less.
const heapGrowth = 70

// collectorShare is the part of the container's memory, in percent, that Go's heap and stacks are kept within. The rest is for
// what the collector does not see, and for a peak while it runs: at the limit itself the kernel kills.
const collectorShare = 90

// softLimit returns what to tell Go's collector about a container that may take limit bytes, for debug.SetMemoryLimit. A
// negative value leaves the limit as it is, at GOMEMLIMIT or none.
func softLimit(limit int64) int64 {
	if limit <= 0 {
		return -1
	}
	return limit/100*collectorShare + limit%100*collectorShare/100
}

// limitMemory makes garbage collection keep the process within a container that may take limit bytes.
func limitMemory(limit int64) {
	debug.SetMemoryLimit(softLimit(limit))
	if os.Getenv("GOGC") == "" { // whoever sets it knows better
		debug.SetGCPercent(heapGrowth)
	}
}
