package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/kerf-autoscaler/kerf/test/awssim/iam"
)

// judgeIAM reads what AWS has asked kerf's IAM policy about in all worlds and prints the numbers. Nothing may have been denied.
func judgeIAM(out io.Writer, records string) error {
	worlds, err := os.ReadDir(records)
	if err != nil {
		return err
	}
	var reports []iam.Report
	for _, world := range worlds {
		text, err := os.ReadFile(filepath.Join(records, world.Name(), iamFile))
		if err != nil {
			return err
		}
		var report iam.Report
		if err := json.Unmarshal(text, &report); err != nil {
			return fmt.Errorf("reading %s: %w", iamFile, err)
		}
		reports = append(reports, report)
	}
	report := iam.Merge(reports...)
	unused := report.Unused()
	_, _ = fmt.Fprintf(out, "kerf's IAM policy in %d worlds: %d requests judged, %d kinds denied, %d permissions unused: %q\n",
		len(worlds), report.Requests, len(report.Denied), len(unused), unused)
	return problems(report)
}

// problems returns what is wrong with how a policy was used.
func problems(report iam.Report) error {
	var all []string
	for _, denied := range report.Denied {
		all = append(all, "IAM has denied "+denied.String())
	}
	if len(all) > 0 {
		return errors.New(strings.Join(all, "\n\t"))
	}
	return nil
}
