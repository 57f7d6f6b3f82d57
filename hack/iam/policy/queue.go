package policy

import "time"

// QueueName is how the copies name the queue. The name of the cluster alone is that of Karpenter's own: where both are set up while nodes are
// moved, neither stack could make the other's queue, and a message would reach one of the two readers.
const QueueName = Cluster + "-kerf"

// QueueRetention is how long the queue keeps what nobody reads. A change that AWS schedules is announced once, days before: that has to outlast a
// kerf that does not run over a long weekend. What else waits that long is dropped by its age when it is read; it is all that kerf has
// to go through before it hears news again, so that it is not the fortnight that SQS could keep.
const QueueRetention = 4 * 24 * time.Hour

// Event is what EventBridge tells of instances.
type Event struct {
	// Name of the rule, without what makes it unique.
	Name string `json:"-"`
	// Source and DetailType as events state them.
	Source     string `json:"source"`
	DetailType string `json:"detail_type"`
}

// Events returns all that announces the end of an instance.
func Events() []Event {
	return []Event{
		{"ScheduledChange", "aws.health", "AWS Health Event"},
		{"SpotInterruption", "aws.ec2", "EC2 Spot Instance Interruption Warning"},
		{"Rebalance", "aws.ec2", "EC2 Instance Rebalance Recommendation"},
		{"ReservationInterruption", "aws.ec2", "EC2 Capacity Reservation Instance Interruption Warning"},
		{"InstanceStateChange", "aws.ec2", "EC2 Instance State-change Notification"},
	}
}

// Interruption is what the controller may do, beside Controller, where there is a queue.
func Interruption() Document {
	return Document{Version: Version, Statement: []Statement{{
		Sid: "AllowInterruptionQueueActions", Effect: allow, Resource: List{Queue},
		Action: List{"sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:ReceiveMessage"},
	}}}
}

// QueueAccess is who may write to the queue: the rules, and nobody without TLS. Who else could write to it could have nodes
// drained. That the rules are allowed to keeps nobody away who is of the same account: what his own policy allows him needs none of the
// queue's. So all are refused whom no rule sends; who comes without a rule at all matches ArnNotEquals as well.
func QueueAccess() Document {
	var rules List
	for _, e := range Events() {
		rules = append(rules, Rule(e.Name))
	}
	return Document{Version: Version, Statement: []Statement{
		{
			Sid: "AllowRules", Effect: allow, Principal: map[string]List{"Service": {"events.amazonaws.com"}},
			Action: List{"sqs:SendMessage"}, Resource: List{Queue}, Condition: Condition{"ArnEquals": {"aws:SourceArn": rules}},
		},
		{
			Sid: "DenyOthers", Effect: deny, Principal: map[string]List{"AWS": {"*"}},
			Action: List{"sqs:SendMessage"}, Resource: List{Queue}, Condition: Condition{"ArnNotEquals": {"aws:SourceArn": rules}},
		},
		{
			Sid: "DenyHTTP", Effect: deny, Principal: map[string]List{"AWS": {"*"}},
			Action: List{"sqs:*"}, Resource: List{Queue}, Condition: Condition{"Bool": {"aws:SecureTransport": {"false"}}},
		},
	}}
}
