package awssim_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/kerf-autoscaler/kerf/hack/iam/policy"
	"github.com/kerf-autoscaler/kerf/test/awssim"
	"github.com/kerf-autoscaler/kerf/test/awssim/admin"
	awssimsqs "github.com/kerf-autoscaler/kerf/test/awssim/sqs"
	"github.com/kerf-autoscaler/kerf/test/awssim/world"
)

// ruleARN is that of a rule in an account.
func ruleARN(account, name string) string {
	return fmt.Sprintf("arn:aws:events:%s:%s:rule/%s", region, account, name)
}

// guarded describes a queue of the account with the policy that kerf ships, and with one rule.
func guarded(t *testing.T, rule string) awssim.Config {
	t.Helper()
	described, err := awssim.DefaultWorld(region, cluster)
	if err != nil {
		t.Fatal(err)
	}
	spelled := policy.Spelling{policy.Queue: "arn:aws:sqs:" + region + ":" + described.AccountID + ":" + cluster}
	for _, e := range policy.Events() {
		spelled[policy.Rule(e.Name)] = ruleARN(described.AccountID, e.Name)
	}
	text, err := policy.QueueAccess().Render(spelled)
	if err != nil {
		t.Fatal(err)
	}
	return awssim.Config{Queues: []awssimsqs.Config{{
		Name: cluster, Policy: text, Rules: []awssimsqs.Rule{{ARN: rule, DetailType: admin.DetailStateChange}},
	}}}
}

func TestAQueueIsWrittenToByKerfsOwnRulesAlone(t *testing.T) {
	const own = world.DefaultAccountID
	for name, tc := range map[string]struct {
		rule string
		want int
	}{
		"kerf's rule":                    {ruleARN(own, "InstanceStateChange"), 1},
		"another rule of the account":    {ruleARN(own, "InstanceStateChange2"), 0},
		"its rule's name elsewhere":      {ruleARN("999999999999", "InstanceStateChange"), 0},
		"a rule that says not who it is": {"", 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := startWith(t, guarded(t, tc.rule))
			s.makeTemplate()
			s.launch(s.fleetOf(1, "m5.large"))
			if q := s.Queues()[0]; q.Visible != tc.want {
				t.Errorf("%d messages, want %d", q.Visible, tc.want)
			}
		})
	}
}

// Of the same account his own policy is enough for one who writes to a queue, unless the queue's says no.
func TestWhoMaySendToAnyQueueMayNotSendToKerfs(t *testing.T) {
	for name, policies := range map[string][]string{
		"all is allowed":   nil,
		"all of SQS is":    {`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}]}`},
		"sending to it is": {`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["sqs:Get*", "sqs:SendMessage"], "Resource": "arn:aws:sqs:*:*:` + cluster + `"}]}`},
	} {
		t.Run(name, func(t *testing.T) {
			config := guarded(t, ruleARN(world.DefaultAccountID, "InstanceStateChange"))
			config.Policies = policies
			s := startWith(t, config)
			client := sqs.NewFromConfig(s.aws)
			found, err := client.GetQueueUrl(s.ctx(), &sqs.GetQueueUrlInput{QueueName: aws.String(cluster)})
			if err != nil {
				t.Fatal(err)
			}
			_, err = client.SendMessage(s.ctx(), &sqs.SendMessageInput{QueueUrl: found.QueueUrl, MessageBody: aws.String("forged")})
			if got := code(err); !slices.Contains([]string{"AccessDeniedException", "AccessDenied"}, got) || !strings.Contains(err.Error(), "explicit deny in a resource-based policy") {
				t.Errorf("%s (%v)", got, err)
			}
			if q := s.Queues()[0]; q.Visible != 0 {
				t.Errorf("%d messages are there", q.Visible)
			}
		})
	}
}

func TestAQueueIsMadeWithAPolicyThatCanBeRead(t *testing.T) {
	s := startWith(t, awssim.Config{})
	client := sqs.NewFromConfig(s.aws)
	refusing := `{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}]}`
	for text, want := range map[string]string{"{}": "InvalidAttributeValue", refusing: ""} {
		_, err := client.CreateQueue(s.ctx(), &sqs.CreateQueueInput{QueueName: aws.String("made"), Attributes: map[string]string{"Policy": text}})
		if got := code(err); got != want {
			t.Errorf("%s: %s (%v), want %q", text, got, err, want)
		}
	}
	found, err := client.GetQueueUrl(s.ctx(), &sqs.GetQueueUrlInput{QueueName: aws.String("made")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.SendMessage(s.ctx(), &sqs.SendMessageInput{QueueUrl: found.QueueUrl, MessageBody: aws.String("x")}); err == nil {
		t.Error("its policy refuses nobody")
	}
}
