package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"
)

// row is a contest as it is written to the file. Its fields are what others read: they stay as they are.
type row struct {
	Workload       string  `json:"workload"`
	Pods           int     `json:"pods"`
	Types          int     `json:"types"`
	KerfSeconds    float64 `json:"kerf_seconds"`
	PeerSeconds    float64 `json:"peer_seconds"`
	KerfUSD        float64 `json:"kerf_usd"`
	PeerUSD        float64 `json:"peer_usd"`
	LowerBoundUSD  float64 `json:"lower_bound_usd"`
	KerfNodes      int     `json:"kerf_nodes"`
	PeerNodes      int     `json:"peer_nodes"`
	KerfAllocBytes uint64  `json:"kerf_alloc_bytes"`
	PeerAllocBytes uint64  `json:"peer_alloc_bytes"`
}

// rowsOf leaves out contests with a plan that cannot be carried out: judge says which and why.
func rowsOf(contests []contest) []row {
	out := make([]row, 0, len(contests))
	for _, c := range contests {
		if c.void() {
			continue
		}
		out = append(out, row{
			Workload: c.name, Pods: c.pods, Types: c.types,
			KerfSeconds: c.kerf.seconds, PeerSeconds: c.karpenter.seconds,
			KerfUSD: c.kerf.usd, PeerUSD: c.karpenter.usd, LowerBoundUSD: c.bound,
			KerfNodes: len(c.kerf.nodes), PeerNodes: len(c.karpenter.nodes),
			KerfAllocBytes: c.kerf.allocated, PeerAllocBytes: c.karpenter.allocated,
		})
	}
	return out
}

// writeRows writes the file at once: who reads it sees the old rows or the new ones.
func writeRows(path string, rows []row) error {
	text, err := json.MarshalIndent(rows, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", append(text, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func printTable(out io.Writer, rows []row) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\t\t\tseconds\t\t\t$/h\t\t\tof the bound\t\tnodes\t\tMB\t\t")
	fmt.Fprintln(w, "workload\tpods\ttypes\tkerf\tKarpenter\ttimes\tkerf\tKarpenter\tbound\tkerf\tKarpenter\tkerf\tKarpenter\tkerf\tKarpenter\t")
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%d\t%d\t%.3f\t%.2f\t%.0f\t%.2f\t%.2f\t%.2f\t%.3f\t%.3f\t%d\t%d\t%.1f\t%.0f\t\n",
			r.Workload, r.Pods, r.Types, r.KerfSeconds, r.PeerSeconds, r.PeerSeconds/r.KerfSeconds,
			r.KerfUSD, r.PeerUSD, r.LowerBoundUSD, r.KerfUSD/r.LowerBoundUSD, r.PeerUSD/r.LowerBoundUSD,
			r.KerfNodes, r.PeerNodes, float64(r.KerfAllocBytes)/1e6, float64(r.PeerAllocBytes)/1e6)
	}
	_ = w.Flush() // as fmt.Fprintln to the same place: there is nobody to tell
}
