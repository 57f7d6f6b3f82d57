package iam_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kerf-autoscaler/kerf/test/awssim/iam"
)

func parse(t *testing.T, text string) iam.Document {
	t.Helper()
	d, err := iam.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// allowing is a policy that allows all under a condition.
func allowing(condition string) string {
	return fmt.Sprintf(`{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {%s}}}`, condition)
}

func TestARequestIsAllowedByOneStatementAndByNoneDenied(t *testing.T) {
	document := parse(t, `{"Version": "2012-10-17", "Id": "all kinds", "Statement": [
		{"Effect": "Allow", "Action": ["s3:Get*", "s3:Put?bject"], "Resource": "arn:aws:s3:::b/*/end",
		 "Condition": {"StringEquals": {"aws:RequestTag/a": ["1", "2"]}, "StringLike": {"aws:ResourceTag/b": "x*z"}}},
		{"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*", "Condition": {"ArnEquals": {"aws:SourceArn": "arn:aws:events:*:1:rule/r"}}},
		{"Effect": "Deny", "Action": "sqs:*", "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": false}}},
		{"Effect": "Allow", "NotAction": "iam:*", "NotResource": "arn:aws:ec2:*:*:instance/*", "Condition": {"StringEquals": {"admin": "yes"}}}]}`)
	tags := map[string]string{"aws:requesttag/A": "2", "aws:ResourceTag/b": "x-y-z"}
	rule := func(arn, secure string) map[string]string {
		return map[string]string{"aws:SourceArn": arn, "aws:SecureTransport": secure}
	}
	admin := map[string]string{"admin": "yes"}
	for name, tc := range map[string]struct {
		action, resource string
		context          map[string]string
		want             bool
	}{
		"all matches":                        {"s3:GetObject", "arn:aws:s3:::b/x/end", tags, true},
		"an action in other capitals":        {"S3:getobject", "arn:aws:s3:::b/x/end", tags, true},
		"a question mark is one character":   {"s3:PutObject", "arn:aws:s3:::b/x/end", tags, true},
		"a question mark is not none":        {"s3:Putbject", "arn:aws:s3:::b/x/end", tags, false},
		"a star goes over slashes":           {"s3:GetObject", "arn:aws:s3:::b/x/end/y/end", tags, true},
		"what follows a star has to be last": {"s3:GetObject", "arn:aws:s3:::b/x/end/y", tags, false},
		"a resource in other capitals":       {"s3:GetObject", "arn:aws:s3:::B/x/end", tags, false},
		"another action":                     {"s3:DeleteObject", "arn:aws:s3:::b/x/end", tags, false},
		"a key is missing":                   {"s3:GetObject", "arn:aws:s3:::b/x/end", map[string]string{"aws:RequestTag/a": "1"}, false},
		"a value is none of those wanted":    {"s3:GetObject", "arn:aws:s3:::b/x/end", map[string]string{"aws:RequestTag/a": "3", "aws:ResourceTag/b": "xz"}, false},
		"StringEquals knows no stars":        {"s3:GetObject", "arn:aws:s3:::b/x/end", map[string]string{"aws:RequestTag/a": "*", "aws:ResourceTag/b": "xz"}, false},
		"an ARN that matches":                {"sqs:SendMessage", "q", rule("arn:aws:events:eu-west-1:1:rule/r", "true"), true},
		"an ARN that does not":               {"sqs:SendMessage", "q", rule("arn:aws:events:eu-west-1:1:rule/s", "true"), false},
		"a star ends with its part of an ARN": {
			"sqs:SendMessage", "q", rule("arn:aws:events:eu-west-1:2:x:1:rule/r", "true"), false,
		},
		"a denial beats what is allowed":      {"sqs:SendMessage", "q", rule("arn:aws:events:eu-west-1:1:rule/r", "false"), false},
		"all actions but some":                {"ec2:StopInstances", "*", admin, true},
		"one of those some":                   {"iam:PassRole", "*", admin, false},
		"one of the resources that are not":   {"ec2:StopInstances", "arn:aws:ec2:eu-west-1:1:instance/i-1", admin, false},
		"nothing is allowed that is not said": {"ec2:StopInstances", "*", nil, false},
	} {
		r := iam.Request{Action: tc.action, Resource: tc.resource, Context: single(tc.context)}
		if got := iam.Evaluate([]iam.Document{document}, r); got.Allowed != tc.want {
			t.Errorf("%s: %+v, want allowed %t", name, got, tc.want)
		}
	}
}

func single(context map[string]string) map[string][]string {
	out := map[string][]string{}
	for key, value := range context {
		out[key] = []string{value}
	}
	return out
}

func TestConditionsCompareAsIAMsDo(t *testing.T) {
	for condition, tc := range map[string]struct{ holds, fails []string }{ // values of the key k; "-" is none
		`"StringEquals": {"k": ["a", "b"]}`:              {[]string{"a", "b"}, []string{"c", "A", "-"}},
		`"StringNotEquals": {"k": ["a", "b"]}`:           {[]string{"c", "A", "-"}, []string{"a", "b"}},
		`"StringEqualsIgnoreCase": {"k": "a"}`:           {[]string{"a", "A"}, []string{"b", "-"}},
		`"StringNotEqualsIgnoreCase": {"k": "a"}`:        {[]string{"b", "-"}, []string{"a", "A"}},
		`"StringLike": {"k": "a*"}`:                      {[]string{"a", "ab"}, []string{"ba", "-"}},
		`"StringNotLike": {"k": "a*"}`:                   {[]string{"ba", "-"}, []string{"ab"}},
		`"StringEqualsIfExists": {"k": "a"}`:             {[]string{"a", "-"}, []string{"b"}},
		`"ArnLike": {"k": "arn:aws:ec2:*:1:instance/*"}`: {[]string{"arn:aws:ec2:r:1:instance/i-1"}, []string{"arn:aws:ec2:r:2:instance/i-1", "arn:aws:ec2:r", "-"}},
		`"ArnNotLike": {"k": "arn:aws:ec2:*:1:x/*"}`:     {[]string{"arn:aws:ec2:r:1:y/1", "-"}, []string{"arn:aws:ec2:r:1:x/1"}},
		`"Bool": {"k": true}`:                            {[]string{"true", "True"}, []string{"false", "-"}},
		`"Null": {"k": "true"}`:                          {[]string{"-"}, []string{"a"}},
		`"Null": {"k": "false"}`:                         {[]string{"a"}, []string{"-"}},
		`"ForAllValues:StringEquals": {"k": ["a", "b"]}`: {[]string{"a", "a,b", "-"}, []string{"c", "a,c"}},
		`"ForAnyValue:StringEquals": {"k": ["a", "b"]}`:  {[]string{"a", "a,c"}, []string{"c", "-"}},
		`"ForAllValues:StringNotLike": {"k": "a*"}`:      {[]string{"b", "b,c", "-"}, []string{"ab", "b,ab"}},
		`"StringEquals": {"k": "a", "l": "b"}`:           {nil, []string{"a"}},
	} {
		document := parse(t, allowing(condition))
		for want, values := range map[bool][]string{true: tc.holds, false: tc.fails} {
			for _, value := range values {
				r := iam.Request{Action: "x:Y", Resource: "*", Context: map[string][]string{}}
				if value != "-" {
					r.Context["K"] = strings.Split(value, ",")
				}
				if got := iam.Evaluate([]iam.Document{document}, r).Allowed; got != want {
					t.Errorf("%s with %q: %t, want %t", condition, value, got, want)
				}
			}
		}
	}
}

func TestWhatIsNotUnderstoodIsRefused(t *testing.T) {
	statement := func(rest string) string {
		return `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "a:B", "Resource": "*"}, {` + rest + `}]}`
	}
	for text, says := range map[string]string{
		`{"Version": "2008-10-17", "Statement": []}`:                                                "2008",
		`{"Version": "2012-10-17", "Statements": []}`:                                               "Statements",
		`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Acton": "a:B"}]}`:             "Acton",
		statement(`"Effect": "Maybe", "Action": "a:B", "Resource": "*"`):                            "Maybe",
		statement(`"Effect": "Allow", "Resource": "*"`):                                             "NotAction",
		statement(`"Effect": "Allow", "Action": "a:B", "NotAction": "a:C", "Resource": "*"`):        "NotAction",
		statement(`"Effect": "Allow", "Action": "a:B"`):                                             "NotResource",
		statement(`"Effect": "Allow", "Action": "a:B", "Resource": "*", "NotResource": "r"`):        "NotResource",
		statement(`"Effect": "Allow", "Action": "everything", "Resource": "*"`):                     "everything",
		statement(`"Effect": "Allow", "Action": [{}], "Resource": "*"`):                             "neither text",
		statement(`"Effect": "Allow", "Action": "a:B", "Resource": "arn:aws:s3:::${aws:userid}"`):   "variable",
		allowing(`"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}`):                                     "IpAddress",
		allowing(`"StringSimilar": {"a": "b"}`):                                                     "StringSimilar",
		allowing(`"NullIfExists": {"a": "true"}`):                                                   "NullIfExists",
		allowing(`"Null": {"a": "b"}`):                                                              "Null",
		allowing(`"StringEquals": {"a": []}`):                                                       "no values",
		allowing(`"StringEquals": {"a": "${aws:username}"}`):                                        "variable",
		`{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "a:B", "Resource":`:   "EOF",
		statement(`"Effect": "Deny", "Principal": {"AWS": "111122223333"}, "Action": "a:B"`):        "principal",
		statement(`"Effect": "Deny", "Principal": ["*"], "Action": "a:B"`):                          "reading",
		`{"Version": "2012-10-17", "Statement": [{"Effect": 1, "Action": "a:B", "Resource": "*"}]}`: "Effect",
	} {
		if _, err := iam.Parse(text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want an error about %s", text, err, says)
		}
	}
	trust := `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}`
	if !iam.Evaluate([]iam.Document{parse(t, trust)}, iam.Request{Action: "sts:AssumeRole", Resource: "role"}).Allowed {
		t.Error("a policy about who may take a role needs no resource")
	}
	if _, err := iam.NewAuditor([]string{trust}, nil); err == nil {
		t.Error("it is no policy of an identity")
	}
}

func TestAnAuditorCountsWhatStatementsAreUsedFor(t *testing.T) {
	a, err := iam.NewAuditor([]string{`{"Version": "2012-10-17", "Statement": [
		{"Sid": "Read", "Effect": "Allow", "Action": ["ec2:DescribeInstances", "ec2:DescribeSubnets"], "Resource": "*"},
		{"Effect": "Allow", "NotAction": "ec2:*", "Resource": "*"},
		{"Sid": "Never", "Effect": "Deny", "Action": ["iam:*", "s3:*"], "Resource": "*"}]}`}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, action := range []string{"ec2:DescribeInstances", "ec2:DescribeInstances", "sqs:SendMessage", "iam:PassRole", "ec2:RunInstances", "ec2:RunInstances"} {
		a.Authorize(iam.Request{Action: action, Resource: "*"})
	}
	want := iam.Report{
		Requests: 6,
		Statements: []iam.Use{
			{Sid: "Read", Effect: "Allow", Actions: map[string]int{"ec2:DescribeInstances": 2, "ec2:DescribeSubnets": 0}},
			{Sid: "1.2", Effect: "Allow", Actions: map[string]int{"ec2:*": 1}},
			{Sid: "Never", Effect: "Deny", Actions: map[string]int{"iam:*": 1, "s3:*": 0}},
		},
		Denied: []iam.Denial{
			{Request: iam.Request{Action: "ec2:RunInstances", Resource: "*"}, Count: 2},
			{Request: iam.Request{Action: "iam:PassRole", Resource: "*"}, Explicit: true, Count: 1},
		},
	}
	got := a.Report()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"Read ec2:DescribeSubnets"}, got.Unused()); diff != "" {
		t.Errorf("unused (-want +got):\n%s", diff)
	}
	merged := iam.Merge(got, got)
	if merged.Requests != 12 || merged.Statements[0].Actions["ec2:DescribeInstances"] != 4 || len(merged.Denied) != 4 || got.Statements[0].Actions["ec2:DescribeInstances"] != 2 {
		t.Errorf("merged %+v", merged)
	}
}

func TestARefusalSaysWhyAndCarriesItsAccount(t *testing.T) {
	r := iam.Request{Action: "ec2:RunInstances", Resource: "arn:aws:ec2:r:1:subnet/s", Context: map[string][]string{"k": {"v"}}}
	for text, says := range map[string]string{
		`{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "x:Y", "Resource": "*"}}`:  "no identity-based policy allows the ec2:RunInstances action",
		`{"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "ec2:*", "Resource": "*"}}`: "explicit deny",
	} {
		decision := iam.Evaluate([]iam.Document{parse(t, text)}, r)
		if got := decision.Because("me", r); !strings.Contains(got, says) || !strings.Contains(got, "me is not authorized to perform: ec2:RunInstances on resource: "+r.Resource) {
			t.Errorf("%s: %s", text, got)
		}
		decoded, err := base64.RawURLEncoding.DecodeString(decision.Encode(r))
		if err != nil {
			t.Fatal(err)
		}
		var account struct {
			Allowed, ExplicitDeny bool
			Context               iam.Request
		}
		if err := json.Unmarshal(decoded, &account); err != nil || account.Allowed || account.ExplicitDeny != strings.Contains(says, "explicit") {
			t.Errorf("%s (%v)", decoded, err)
		}
		if diff := cmp.Diff(r, account.Context); diff != "" {
			t.Errorf("the request in its account (-want +got):\n%s", diff)
		}
	}
}

func TestAResourcesPolicyAndThatOfWhoAsksAreTakenTogether(t *testing.T) {
	const user, other, events, other2 = "arn:aws:iam::1:user/a", "arn:aws:iam::1:user/b", "events.amazonaws.com", "s3.amazonaws.com"
	about := func(effect, principal string) string {
		return `{"Version": "2012-10-17", "Statement": [{"Effect": "` + effect + `", "Principal": ` + principal + `, "Action": "sqs:SendMessage", "Resource": "*"}]}`
	}
	yes, silent, no := iam.Decision{Allowed: true}, iam.Decision{}, iam.Decision{Denied: true}
	for name, tc := range map[string]struct {
		before iam.Decision
		policy string
		who    iam.Caller
		want   iam.Decision
	}{
		"none allows":                         {silent, about("Allow", `{"AWS": "`+other+`"}`), iam.Identity(user), silent},
		"the identity's allows":               {yes, about("Allow", `{"AWS": "`+other+`"}`), iam.Identity(user), yes},
		"the resource's allows":               {silent, about("Allow", `{"AWS": "`+user+`"}`), iam.Identity(user), yes},
		"the resource's allows all":           {silent, about("Allow", `"*"`), iam.Identity(user), yes},
		"the identity's denies":               {no, about("Allow", `"*"`), iam.Identity(user), no},
		"the resource's denies":               {yes, about("Deny", `{"AWS": ["`+other+`", "`+user+`"]}`), iam.Identity(user), iam.Decision{Denied: true, ByResource: true}},
		"the resource's denies somebody else": {yes, about("Deny", `{"AWS": "`+other+`"}`), iam.Identity(user), yes},
		"it denies a service":                 {yes, about("Deny", `{"Service": "`+events+`"}`), iam.Identity(user), yes},
		"it allows the service":               {silent, about("Allow", `{"Service": "`+events+`"}`), iam.ServiceOf(events), yes},
		"it allows another service":           {silent, about("Allow", `{"Service": "`+other2+`"}`), iam.ServiceOf(events), silent},
		"it denies everyone":                  {silent, about("Deny", `{"AWS": "*"}`), iam.ServiceOf(events), iam.Decision{Denied: true, ByResource: true}},
	} {
		t.Run(name, func(t *testing.T) {
			document := parse(t, tc.policy)
			if diff := cmp.Diff(tc.want, tc.before.Within(&document, tc.who, iam.Request{Action: "sqs:SendMessage", Resource: "queue"})); diff != "" {
				t.Errorf("decision (-want +got):\n%s", diff)
			}
		})
	}
	if diff := cmp.Diff(yes, yes.Within(nil, iam.Identity(user), iam.Request{})); diff != "" {
		t.Errorf("without a policy (-want +got):\n%s", diff)
	}
}
