package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kerf-autoscaler/kerf/test/region"
)

const trace = `name,num_gpu,cpu_milli,memory_mib,gpu_milli
a,0,12000,16384,0
b,1,6000,12288,460
c,8,64000,262144,1000
`

func TestPodsOfATraceAskForWholeGPUs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "trace.csv")
	if err := os.WriteFile(path, []byte(trace), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		wanted func(tracePod) bool
		want   string
	}{
		"all":              {func(tracePod) bool { return true }, "a 12 16Gi 0, b 6 12Gi 1, c 64 256Gi 8"},
		"those with cpu":   {func(p tracePod) bool { return p.gpus == 0 }, "a 12 16Gi 0"},
		"those with a GPU": {func(p tracePod) bool { return p.gpus > 0 }, "b 6 12Gi 1, c 64 256Gi 8"},
	} {
		t.Run(name, func(t *testing.T) {
			w, err := ofTrace(path, region.WithNVIDIA, tc.wanted)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, pod := range w.pods {
				requests := pod.Spec.Containers[0].Resources.Requests
				gpus := requests[region.NVIDIA]
				got = append(got, strings.Join([]string{pod.Name, requests.Cpu().String(), requests.Memory().String(), gpus.String()}, " "))
			}
			if got := strings.Join(got, ", "); got != tc.want {
				t.Errorf("pods %s, want %s", got, tc.want)
			}
		})
	}
}

func TestATraceThatCannotBeReadSaysWhere(t *testing.T) {
	for text, want := range map[string]string{
		"":                                   "header",
		"name,cpu_milli,memory_mib\na,1,1\n": "no column num_gpu",
		trace + "d,x,1,1,0\n":                "line 5: num_gpu",
		trace + "d,0,-1,1,0\n":               "line 5: cpu_milli: -1 is negative",
		trace + "d,0\n":                      "line 5",
	} {
		if _, err := readTrace(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("reading %q says %v, want %q", text, err, want)
		}
	}
}
