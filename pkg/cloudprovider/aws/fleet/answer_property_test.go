package fleet

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// oddAnswer returns an answer such as EC2 gave here or there, or might: fewer or more instances than asked for, none without a
// reason, ids told of twice, other types and places than asked for, and parts left out.
func oddAnswer(r *rand.Rand, size int) (out *ec2.CreateFleetOutput, ids []string) {
	out = &ec2.CreateFleetOutput{}
	for range r.IntN(size + 2) {
		ids = append(ids, fmt.Sprintf("i-%08x", r.Uint32()))
	}
	told := slices.Clone(ids)
	for range r.IntN(3) {
		if len(ids) > 0 {
			told = append(told, ids[r.IntN(len(ids))])
		}
	}
	if r.IntN(10) == 0 {
		told = append(told, "", "pending")
	}
	r.Shuffle(len(told), func(i, j int) { told[i], told[j] = told[j], told[i] })
	for len(told) > 0 {
		n := 1 + r.IntN(len(told))
		part := ec2types.CreateFleetInstance{InstanceIds: told[:n]}
		told = told[n:]
		if r.IntN(3) > 0 {
			part.InstanceType = ec2types.InstanceType([]string{"m5.large", "m5.xlarge", "z1d.metal"}[r.IntN(3)])
		}
		if r.IntN(3) > 0 {
			part.LaunchTemplateAndOverrides = from("m5.large", []string{"", "z1", "z9"}[r.IntN(3)], []string{"subnet-1", "subnet-2", "subnet-9"}[r.IntN(3)])
		}
		if r.IntN(3) == 0 {
			part.Lifecycle = "on-demand"
		}
		out.Instances = append(out.Instances, part)
	}
	for range r.IntN(3) {
		e := ec2types.CreateFleetError{ErrorCode: awssdk.String([]string{"InsufficientInstanceCapacity", "Odd", ""}[r.IntN(3)])}
		if r.IntN(2) == 0 {
			e.LaunchTemplateAndOverrides = from("m5.large", "z1", "subnet-1")
		}
		out.Errors = append(out.Errors, e)
	}
	return out, ids
}

func TestWhateverEC2AnswersEachInstanceHasOnePlace(t *testing.T) {
	const answers = 50_000
	r := rand.New(rand.NewPCG(1, 2))
	short, surplus, fewer := 0, 0, 0
	for n := range answers {
		asked := request("spot")
		asked.Size = int32(1 + r.IntN(5))
		out, ids := oddAnswer(r, int(asked.Size))
		got, err := Launch(t.Context(), answering{out: out}, asked)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Launch(t.Context(), answering{out: out}, asked)
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(ids)
		ids = slices.Compact(ids)
		places := make([]string, 0, len(got.Instances))
		for i, instance := range got.Instances {
			places = append(places, instance.ID)
			if again.Instances[i] != instance {
				t.Fatalf("answer %d: read twice, place %d is %v and %v", n, i, instance, again.Instances[i])
			}
			if instance.CapacityType == "" {
				t.Fatalf("answer %d: %s has no capacity type", n, instance.ID)
			}
			if !instance.Complete() {
				short++
			}
		}
		if !slices.Equal(places, ids) { // in order of id, each once, and nothing else
			t.Fatalf("answer %d: places %v, instances %v", n, places, ids)
		}
		switch {
		case len(ids) > int(asked.Size):
			surplus++
		case len(ids) < int(asked.Size):
			fewer++
		}
		if strings.TrimSpace(got.Reason()) == "" && len(got.Failures) == 0 {
			t.Fatalf("answer %d: nothing says why there are not more", n)
		}
	}
	t.Logf("%d answers: %d with too many instances, %d with too few, %d instances of which something was left out", answers, surplus, fewer, short)
	if surplus < answers/50 || fewer < answers/50 || short < answers/50 {
		t.Error("the answers are not odd enough")
	}
}
