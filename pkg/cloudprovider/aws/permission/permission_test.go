package permission_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/smithy-go"
	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/permission"
)

// answers maps an action -> the code and the message of AWS's answer, or no code for none.
type answers map[string][2]string

func (a answers) probes() []permission.Probe {
	var out []permission.Probe
	for action, answer := range a {
		out = append(out, permission.Probe{Action: action, Try: func(context.Context) error {
			switch answer[0] {
			case "":
				return nil
			case "reset":
				return errors.New("connection reset")
			default:
				return &smithy.GenericAPIError{Code: answer[0], Message: answer[1]}
			}
		}})
	}
	slices.SortFunc(out, func(x, y permission.Probe) int { return -strings.Compare(x.Action, y.Action) })
	return out
}

func TestOnlyAClearRefusalIsAMissingPermission(t *testing.T) {
	const passRole = "You are not authorized to perform this operation. User: u is not authorized to perform: iam:PassRole on resource: r"
	for name, tc := range map[string]struct {
		code, message string
		want          string
	}{
		"it would be done":              {"DryRunOperation", "", ""},
		"it was answered":               {"", "", ""},
		"it may not be done":            {"UnauthorizedOperation", "no", "ec2:RunInstances"},
		"other services say it so":      {"AccessDeniedException", "no", "ec2:RunInstances"},
		"what belongs to it may not be": {"UnauthorizedOperation", passRole, "iam:PassRole (for ec2:RunInstances)"},
		"something else is wrong":       {"InvalidSubnetID.NotFound", "no", ""},
		"too many calls":                {"RequestLimitExceeded", "slow", ""},
		"AWS is out of order":           {"InternalError", "oh", ""},
		"no answer":                     {"reset", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			l := permission.NewLedger(clock.RealClock{})
			if err := l.Check(t.Context(), "", answers{"ec2:RunInstances": {tc.code, tc.message}}.probes()); err != nil {
				t.Fatal(err)
			}
			got, known := l.Missing("")
			if got.String() != tc.want || !known {
				t.Errorf("missing %q, known %t; want %q", got, known, tc.want)
			}
		})
	}
}

func TestWhatAWSHasGrantedForGoodIsAskedAgainAfterAnHour(t *testing.T) {
	clock := clocktesting.NewFakeClock(time.Now())
	l, tries, answer := permission.NewLedger(clock), map[string]int{}, "DryRunOperation"
	probes := []permission.Probe{{Action: "ec2:A", Dry: true, Lasting: true}, {Action: "ec2:B", Dry: true}}
	for i := range probes {
		probes[i].Try = func(context.Context) error {
			tries[probes[i].Action]++
			return &smithy.GenericAPIError{Code: answer}
		}
	}
	for _, step := range []struct {
		later   time.Duration
		answer  string
		tries   map[string]int
		missing string
	}{
		{0, "DryRunOperation", map[string]int{"ec2:A": 1, "ec2:B": 1}, ""},
		{59 * time.Minute, "UnauthorizedOperation", map[string]int{"ec2:A": 1, "ec2:B": 2}, "ec2:B"},
		{time.Minute, "UnauthorizedOperation", map[string]int{"ec2:A": 2, "ec2:B": 3}, "ec2:A, ec2:B"},
		{time.Minute, "DryRunOperation", map[string]int{"ec2:A": 3, "ec2:B": 4}, ""},
	} {
		clock.Step(step.later)
		answer = step.answer
		if err := l.Check(t.Context(), "", probes); err != nil {
			t.Fatal(err)
		}
		missing, _ := l.Missing("")
		if diff := cmp.Diff(step.tries, tries); diff != "" || missing.String() != step.missing {
			t.Errorf("missing %q, want %q; tries (-want +got):\n%s", missing, step.missing, diff)
		}
	}
}

func TestCredentialsThatAWSDoesNotTakeSayNothingOfPermissions(t *testing.T) {
	l := permission.NewLedger(clock.RealClock{})
	if err := l.Check(t.Context(), "", answers{"a:B": {"ExpiredToken", "old"}}.probes()); err == nil {
		t.Error("there is no error")
	}
	if _, known := l.Missing(""); known {
		t.Error("permissions are taken for checked")
	}
}

func TestEachChangeIsToldInALineOfItsOwn(t *testing.T) {
	var lines []string
	ctx := log.IntoContext(t.Context(), funcr.New(func(_, text string) { lines = append(lines, text) }, funcr.Options{}))
	l := permission.NewLedger(clock.RealClock{})
	denied, granted, lost := [2]string{"UnauthorizedOperation", "no"}, [2]string{"DryRunOperation", ""}, [2]string{"reset", ""}
	for _, step := range []struct {
		what    string
		answers answers
		missing string
		lines   int
	}{
		{"two are missing", answers{"ec2:A": denied, "ec2:B": denied, "ec2:C": granted}, "ec2:A, ec2:B", 2},
		{"nothing has changed", answers{"ec2:A": denied, "ec2:B": denied, "ec2:C": granted}, "ec2:A, ec2:B", 0},
		{"no answer about one", answers{"ec2:A": lost, "ec2:B": denied, "ec2:C": lost}, "ec2:A, ec2:B", 0},
		{"one is granted", answers{"ec2:A": granted, "ec2:B": denied, "ec2:C": granted}, "ec2:B", 1},
		{"one goes, one comes", answers{"ec2:A": granted, "ec2:B": granted, "ec2:C": denied}, "ec2:C", 2},
	} {
		lines = nil
		if err := l.Check(ctx, "template", step.answers.probes()); err != nil {
			t.Fatal(err)
		}
		if got, _ := l.Missing("template"); got.String() != step.missing || len(lines) != step.lines {
			t.Errorf("%s: missing %q in %d lines %q; want %q in %d", step.what, got, len(lines), lines, step.missing, step.lines)
		}
	}
	if _, known := l.Missing(""); known {
		t.Error("what was found of a template counts for all")
	}
	l.Forget("template")
	if _, known := l.Missing("template"); known {
		t.Error("a template that is gone is not forgotten")
	}
}

func TestAnActionIsOpenUntilAWSHasToldOnceWhetherItIsAllowed(t *testing.T) {
	granted, denied := [2]string{"DryRunOperation", ""}, [2]string{"UnauthorizedOperation", "no"}
	lost, throttled, unwell := [2]string{"reset", ""}, [2]string{"RequestLimitExceeded", "slow"}, [2]string{"InternalError", "oh"}
	wrong := [2]string{"InvalidSubnetID.NotFound", "no"}
	l := permission.NewLedger(clock.RealClock{})
	for _, step := range []struct {
		what    string
		answers answers
		want    []string
	}{
		{"nothing is told", answers{"ec2:A": lost, "ec2:B": throttled, "ec2:C": unwell}, []string{"ec2:A", "ec2:B", "ec2:C"}},
		{"two are told", answers{"ec2:A": granted, "ec2:B": denied, "ec2:C": lost}, []string{"ec2:C"}},
		{"what is told stays so", answers{"ec2:A": lost, "ec2:B": throttled, "ec2:C": unwell}, []string{"ec2:C"}},
		{"something else is wrong", answers{"ec2:A": lost, "ec2:B": lost, "ec2:C": wrong}, nil},
	} {
		if err := l.Check(t.Context(), "", step.answers.probes()); err != nil {
			t.Fatal(err)
		}
		if got := l.Open(""); !slices.Equal(got, step.want) {
			t.Errorf("%s: open are %v, want %v", step.what, got, step.want)
		}
	}
}
