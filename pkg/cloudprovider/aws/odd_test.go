package aws_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/test/awssim"
	"github.com/kerf-autoscaler/kerf/test/awssim/wire"
)

var (
	told  = regexp.MustCompile(`<instanceIds><item>(i-[0-9a-f]+)</item>`)
	place = regexp.MustCompile(`(?s)<launchTemplateAndOverrides>.*?</launchTemplateAndOverrides>`)
)

// oddly has EC2 launch another number of instances than it is asked for, or of another type, and leave out of its answer where
// they are or tell of some twice.
func oddly(r *rand.Rand) awssim.Hook {
	const total = "TargetCapacitySpecification.TotalTargetCapacity"
	var mu sync.Mutex
	roll := func(n int) int {
		mu.Lock()
		defer mu.Unlock()
		return r.IntN(n)
	}
	return func(ctx context.Context, request *wire.Request, next awssim.Handler) (*wire.Response, error) {
		if request.Action != "CreateFleet" {
			return next(ctx, request)
		}
		asked, err := strconv.Atoi(request.Form.Get(total))
		if err != nil {
			return nil, err
		}
		request.Form.Set(total, strconv.Itoa(max(asked+roll(4)-2, 1)))
		if roll(3) == 0 {
			for key, values := range request.Form {
				if len(values) == 1 && values[0] == "m5.large" {
					request.Form.Set(key, "r5.2xlarge")
				}
			}
		}
		out, err := next(ctx, request)
		if err != nil {
			return nil, err
		}
		switch roll(3) {
		case 0:
			out.Body = told.ReplaceAll(out.Body, []byte("<instanceIds><item>$1</item><item>$1</item>"))
		case 1:
			out.Body = place.ReplaceAll(out.Body, nil)
		}
		return out, nil
	}
}

func TestEveryInstanceOfAnOddAnswerIsAMachinesOrCanBeFoundAndEnded(t *testing.T) {
	s := startSim(t)
	s.settings.APIShare = 1000 // it is not about request limits
	s.provider = s.newProvider(clusterUID)
	s.makeTemplate()
	s.inject(oddly(rand.New(rand.NewPCG(7, 11))))
	var machines []*v1alpha5.Machine
	for n := range 200 {
		size := int32(1 + n%4)
		for index := range size {
			machines = append(machines, machine(fmt.Sprint("odd-", n), size, index))
		}
	}
	wantAll(t, "creating", each(machines, func(i int, m *v1alpha5.Machine) error {
		created, err := s.provider.Create(t.Context(), m)
		if err == nil {
			machines[i] = created
		}
		if cloudprovider.IsInsufficientCapacity(err) {
			return nil
		}
		return err
	}))
	served := slices.DeleteFunc(machines, func(m *v1alpha5.Machine) bool { return m.Status.ProviderID == "" })
	owners := map[string]string{} // provider id -> machine
	for _, m := range served {
		if other, ok := owners[m.Status.ProviderID]; ok {
			t.Errorf("%s is %s's and %s's", m.Status.ProviderID, other, m.Name)
		}
		owners[m.Status.ProviderID] = m.Name
	}
	s.inject(nil)
	wantAll(t, "looking at", each(served, func(_ int, m *v1alpha5.Machine) error {
		made, err := s.provider.Get(t.Context(), m.Status.ProviderID)
		if err != nil {
			return err
		}
		for _, label := range []string{corev1.LabelInstanceTypeStable, corev1.LabelTopologyZone, v1alpha5.CapacityTypeLabel} {
			if m.Labels[label] == "" || m.Labels[label] != made.Labels[label] {
				return fmt.Errorf("%s is labelled %q, and EC2 says %q", label, m.Labels[label], made.Labels[label])
			}
		}
		return nil
	}))
	all, err := s.provider.List(t.Context())
	if err != nil || len(all) != s.live() {
		t.Fatalf("listed %d of %d instances, %v", len(all), s.live(), err)
	}
	surplus := slices.DeleteFunc(all, func(m *v1alpha5.Machine) bool { return owners[m.Status.ProviderID] != "" })
	t.Logf("%d instances have machines, %d are nobody's", len(owners), len(surplus))
	if len(surplus) < 20 {
		t.Error("the answers are not odd enough")
	}
	for _, m := range surplus {
		if m.Status.Launch == nil || m.Status.Launch.Group == "" || m.Status.Launch.Attempt != 1 {
			t.Errorf("%s does not say which request it came of", m.Status.ProviderID)
		}
	}
	wantAll(t, "ending", each(surplus, func(_ int, m *v1alpha5.Machine) error { return s.provider.Delete(t.Context(), m) }))
	if s.live() != len(owners) {
		t.Errorf("%d instances are left for %d machines", s.live(), len(owners))
	}
}

func TestAnInstanceOfWhichTheAnswerDoesNotSayWhereItIsIsLookedFor(t *testing.T) {
	s := startSim(t)
	s.makeTemplate()
	s.inject(on("CreateFleet", 1, func(ctx context.Context, r *wire.Request, next awssim.Handler) (*wire.Response, error) {
		out, err := next(ctx, r)
		if err == nil {
			out.Body = place.ReplaceAll(out.Body, nil)
		}
		return out, err
	}))
	id := create(t, s.provider, machine("one", 1, 0))
	made := s.Instances()[0]
	if want := "aws:///" + made.Zone + "/" + made.ID; id != want {
		t.Errorf("provider id %q, want %q", id, want)
	}
}
