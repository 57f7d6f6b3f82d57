package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kerf-autoscaler/kerf/test/awssim/iam"
)

// judgeIAM reads what AWS has asked kerf's IAM policy about in all worlds and prints the numbers. Nothing may have been denied, and where everything
// has run, nothing may be allowed in vain.
func judgeIAM(out io.Writer, records string, complete bool) error {
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
	return problems(report, complete)
}

// problems returns what is wrong with how a policy was used.
func problems(report iam.Report, complete bool) error {
	var all []string
	for _, denied := range report.Denied {
		all = append(all, "IAM has denied "+denied.String())
	}
	if complete {
		for _, unused := range report.Unused() {
			all = append(all, "kerf has not used what its IAM policy allows: "+unused)
		}
	}
	if len(all) > 0 {
		return errors.New(strings.Join(all, "\n\t"))
	}
	return nil
}

func TestWhatIsDeniedOrAllowedInVainIsAProblem(t *testing.T) {
	denied := iam.Denial{Request: iam.Request{Action: "ec2:StopInstances", Resource: "*"}, Count: 3}
	use := iam.Use{Sid: "Reads", Effect: "Allow", Actions: map[string]int{"ec2:DescribeInstances": 1, "ec2:DescribeHosts": 0}}
	for name, tc := range map[string]struct {
		report   iam.Report
		complete bool
		want     string
	}{
		"a denial":                    {iam.Report{Denied: []iam.Denial{denied}}, false, "IAM has denied 3 x ec2:StopInstances"},
		"an unused action":            {iam.Report{Statements: []iam.Use{use}}, true, "Reads ec2:DescribeHosts"},
		"an unused one of some tests": {iam.Report{Statements: []iam.Use{use}}, false, ""},
	} {
		err := problems(tc.report, tc.complete)
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
}
