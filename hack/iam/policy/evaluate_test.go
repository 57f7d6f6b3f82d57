package policy_test

import (
	"testing"

	"github.com/kerf-autoscaler/kerf/hack/iam/policy"
)

func TestARequestIsAllowedByOneStatementAndByNoneDenied(t *testing.T) {
	const text = `{"Version": "2012-10-17", "Statement": [
		{"Effect": "Allow", "Action": ["s3:Get*", "s3:Put?bject"], "Resource": "arn:aws:s3:::b/*/end",
		 "Condition": {"StringEquals": {"aws:RequestTag/a": ["1", "2"]}, "StringLike": {"aws:ResourceTag/b": "x*z"}}},
		{"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*", "Condition": {"ArnEquals": {"aws:SourceArn": "arn:*:rule/r"}}},
		{"Effect": "Deny", "Action": "sqs:*", "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}]}`
	document, err := policy.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	tags := map[string]string{"aws:requesttag/A": "2", "aws:ResourceTag/b": "x-y-z"}
	for name, tc := range map[string]struct {
		action, resource string
		context          map[string]string
		want             bool
	}{
		"all matches":                        {"s3:GetObject", "arn:aws:s3:::b/x/end", tags, true},
		"an action in other capitals":        {"s3:getobject", "arn:aws:s3:::b/x/end", tags, true},
		"a question mark is one character":   {"s3:PutObject", "arn:aws:s3:::b/x/end", tags, true},
		"a question mark is not none":        {"s3:Putbject", "arn:aws:s3:::b/x/end", tags, false},
		"a star goes over several parts":     {"s3:GetObject", "arn:aws:s3:::b/x/end/y/end", tags, true},
		"what follows a star has to be last": {"s3:GetObject", "arn:aws:s3:::b/x/end/y", tags, false},
		"another resource":                   {"s3:GetObject", "arn:aws:s3:::c/x/end", tags, false},
		"another action":                     {"s3:DeleteObject", "arn:aws:s3:::b/x/end", tags, false},
		"a key is missing":                   {"s3:GetObject", "arn:aws:s3:::b/x/end", map[string]string{"aws:RequestTag/a": "1"}, false},
		"a value is none of those wanted": {
			"s3:GetObject", "arn:aws:s3:::b/x/end", map[string]string{"aws:RequestTag/a": "3", "aws:ResourceTag/b": "xz"}, false,
		},
		"StringEquals knows no stars": {
			"s3:GetObject", "arn:aws:s3:::b/x/end", map[string]string{"aws:RequestTag/a": "*", "aws:ResourceTag/b": "xz"}, false,
		},
		"an ARN that matches":  {"sqs:SendMessage", "q", map[string]string{"aws:SourceArn": "arn:aws:rule/r"}, true},
		"an ARN that does not": {"sqs:SendMessage", "q", map[string]string{"aws:SourceArn": "arn:aws:rule/s"}, false},
		"a denial beats what is allowed": {
			"sqs:SendMessage", "q", map[string]string{"aws:SourceArn": "arn:aws:rule/r", "aws:SecureTransport": "false"}, false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := policy.Allowed([]policy.Document{document}, policy.Request{Action: tc.action, Resource: tc.resource, Context: tc.context})
			if err != nil || got != tc.want {
				t.Errorf("allowed: %t, %v, want %t", got, err, tc.want)
			}
		})
	}
}

func TestWhatIsNotUnderstoodIsAnErrorAndNoAnswer(t *testing.T) {
	if _, err := policy.Parse(`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"}]}`); err == nil {
		t.Error("NotAction was read over")
	}
	document, err := policy.Parse(`{"Version": "2012-10-17", "Statement": [
		{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*", "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}]}`)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := policy.Allowed([]policy.Document{document}, policy.Request{Action: "s3:GetObject", Resource: "r"}); err == nil {
		t.Error("an operator that is not known was judged")
	}
}
