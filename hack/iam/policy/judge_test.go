package policy_test

import (
	"slices"
	"testing"

	"github.com/kerf-autoscaler/kerf/hack/iam/policy"
	"github.com/kerf-autoscaler/kerf/test/awssim/iam"
)

// arn returns the ARN of something that EC2 has in the account, or of something that is nobody's.
func arn(account, kind, id string) string {
	return "arn:aws:ec2:" + region + ":" + account + ":" + kind + "/" + id
}

// rendered returns a document, whose variables are spelled out already, as AWS reads it.
func rendered(t *testing.T, d policy.Document) iam.Document {
	t.Helper()
	text, err := d.Render(nil)
	if err != nil {
		t.Fatal(err)
	}
	read, err := iam.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return read
}

// refused returns the requests that a policy does not allow.
func refused(t *testing.T, d policy.Document, requests []iam.Request) []iam.Request {
	t.Helper()
	judged := []iam.Document{rendered(t, d)}
	return slices.DeleteFunc(slices.Clone(requests), func(r iam.Request) bool { return iam.Evaluate(judged, r).Allowed })
}

// asked is all that AWS has asked policies about, each once.
type asked struct {
	requests map[string]iam.Request // as text -> it
	report   iam.Report
}

func (a asked) list() []iam.Request {
	var out []iam.Request
	for _, r := range a.requests {
		out = append(out, r)
	}
	return out
}

// actions returns the names of all that was asked, in order.
func (a asked) actions() []string {
	var out []string
	for _, r := range a.requests {
		out = append(out, r.Action)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func requestTags(tags map[string]string) map[string][]string {
	return prefixed("aws:RequestTag/", tags)
}

func resourceTags(tags map[string]string) map[string][]string {
	return prefixed("aws:ResourceTag/", tags)
}

func prefixed(prefix string, tags map[string]string) map[string][]string {
	out := make(map[string][]string, len(tags))
	for key, value := range tags {
		out[prefix+key] = []string{value}
	}
	return out
}
