// Package throttle keeps calls within the request limits that EC2 publishes, so that AWS need not refuse them, and lets what ends
// machines go before what makes them.
package throttle

import (
	"strings"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/pricing"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
)

// limit is a token bucket: how many tokens it holds, and how many come back each second.
type limit struct{ size, refill float64 }

// call is what a limit depends on.
type call struct {
	// service of AWS, "" for EC2.
	service string
	action  string
	// whole is true of a question that is neither filtered nor read page by page, which has a smaller bucket of its own.
	whole bool
	// instances that the call is about; what ends or starts them counts each.
	instances int
}

// callOf reads a call's input. A question for ids is a whole one to EC2.
func callOf(service, action string, input any) call {
	out := call{service: service, action: action}
	if service == ec2.ServiceID {
		out.service = ""
	}
	switch in := input.(type) {
	case *ec2.DescribeInstancesInput:
		out.whole = len(in.Filters) == 0 && in.MaxResults == nil
	case *ec2.DescribeSecurityGroupsInput:
		out.whole = len(in.Filters) == 0 && in.MaxResults == nil
	case *ec2.TerminateInstancesInput:
		out.instances = len(in.InstanceIds)
	case *ec2.CreateFleetInput:
		if in.TargetCapacitySpecification != nil {
			out.instances = int(awssdk.ToInt32(in.TargetCapacitySpecification.TotalTargetCapacity))
		}
	}
	return out
}

// requests returns the bucket that each call of its kind takes a token from: by EC2's category, or the action's own.
func (c call) requests() limit {
	if c.service != "" {
		return others()[c.service]
	}
	switch {
	case c.action == "TerminateInstances":
		return limit{100, 5}
	case c.action == "CreateTags":
		return limit{100, 10}
	case c.action == "RunInstances":
		return limit{5, 2}
	case c.whole:
		return limit{50, 10}
	case strings.HasPrefix(c.action, "Describe"), strings.HasPrefix(c.action, "Get"):
		return limit{100, 20}
	default:
		return limit{50, 5} // what changes something
	}
}

// others are the limits of the calls of other services, each kind of which has a bucket of its own. Parameter Store publishes its
// rate. Where nothing is published the bound is kerf's own choice: far more than it needs, and too little to be a nuisance to others
// in the account even if something asked in a circle.
func others() map[string]limit {
	return map[string]limit{
		ssm.ServiceID:     {40, 40},
		pricing.ServiceID: {10, 5},
		eks.ServiceID:     {10, 2},
	}
}

// bounded reports whether calls of the service wait for their turn. Those that get credentials do not: all others wait for them.
func bounded(service string) bool {
	_, ok := others()[service]
	return ok || service == ec2.ServiceID
}

// pool is a bucket that the instances of calls take tokens from.
type pool struct {
	name string
	// verb is what a call does to the instances that take its tokens.
	verb string
	limit
	// reserve is the part that only urgent calls take from.
	reserve float64
}

// launchPatience is how long a launch waits for its turn and for the tokens of its instances. They come back slowly, two in a second:
// the workers that look after all other machines must not wait for them.
const launchPatience = 5 * time.Second

// patience returns how long the call may wait for tokens; 0 is for as long as it takes.
func (c call) patience() time.Duration {
	if c.action == "CreateFleet" || c.action == "CreateLaunchTemplate" {
		return launchPatience
	}
	return 0
}

// resources returns the bucket that the call takes a token from for each of its instances; false where there is none. What a fleet
// launches at once counts as if it had been launched without one. No launch is urgent, so that none of its tokens are kept.
func (c call) resources() (pool, bool) {
	switch c.action {
	case "TerminateInstances":
		return pool{name: "TerminateInstances of instances", verb: "terminate", limit: limit{1000, 20}, reserve: reserve}, true
	case "CreateFleet":
		return pool{name: "RunInstances of instances", verb: "launch", limit: limit{1000, 2}}, true
	default:
		return pool{}, false
	}
}
