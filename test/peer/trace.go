package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/test/builders"
	"github.com/kerf-autoscaler/kerf/test/region"
)

// tracePod is a row of a trace.
type tracePod struct {
	name              string
	cpu, memory, gpus int // thousandths of a core, MiB, whole devices
}

// ofTrace returns those pods of a trace that are kept.
//
// The trace has pods that use a part of one GPU (gpu_milli below 1000). Kubernetes counts devices, so they ask for the one whole
// GPU that num_gpu says, as both sides would see them in a cluster without a sharing scheduler.
func ofTrace(path string, keep keeper, wanted func(tracePod) bool) (workload, error) {
	file, err := os.Open(path)
	if err != nil {
		return workload{}, err
	}
	defer file.Close()
	list, err := readTrace(file)
	if err != nil {
		return workload{}, fmt.Errorf("reading %s: %w", path, err)
	}
	var pods []*corev1.Pod
	for _, p := range list {
		if !wanted(p) {
			continue
		}
		pod := builders.Pod(builders.Name(p.name), size(p.cpu, p.memory))
		if p.gpus > 0 {
			builders.Request(region.NVIDIA, strconv.Itoa(p.gpus))(pod)
		}
		pods = append(pods, pod)
	}
	if len(pods) == 0 {
		return workload{}, fmt.Errorf("reading %s: no pod of this kind in it", path)
	}
	return onDemand(pods, keep)
}

// readTrace reads rows under a header that has at least the columns of a tracePod.
func readTrace(in io.Reader) ([]tracePod, error) {
	r := csv.NewReader(in)
	header, err := r.Read()
	if err != nil {
		return nil, fmt.Errorf("reading the header: %w", err)
	}
	var out []tracePod
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		line, _ := r.FieldPos(0)
		p := tracePod{}
		for _, column := range []struct {
			name string
			set  func(string) error
		}{
			{"name", func(v string) error { p.name = v; return nil }},
			{"cpu_milli", integer(&p.cpu)}, {"memory_mib", integer(&p.memory)}, {"num_gpu", integer(&p.gpus)},
		} {
			i := slices.Index(header, column.name)
			if i < 0 {
				return nil, fmt.Errorf("there is no column %s", column.name)
			}
			if err := column.set(record[i]); err != nil {
				return nil, fmt.Errorf("line %d: %s: %w", line, column.name, err)
			}
		}
		out = append(out, p)
	}
}

func integer(into *int) func(string) error {
	return func(v string) (err error) {
		*into, err = strconv.Atoi(v)
		if err == nil && *into < 0 {
			err = fmt.Errorf("%d is negative", *into)
		}
		return err
	}
}
