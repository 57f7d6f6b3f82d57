package instancetype

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	clocktesting "k8s.io/utils/clock/testing"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
)

func TestOfSeveralMeasurementsTheSmallestCountsUntilNoNodeConfirmsIt(t *testing.T) {
	const day = 24 * time.Hour
	clock := clocktesting.NewFakePassiveClock(time.Now())
	m := NewMeasured(clock)
	for _, step := range []struct {
		what    string
		after   time.Duration
		put     int64 // 0 for nothing
		want    int64 // 0 for nothing
		changed bool
	}{
		{"nothing is known", 0, 0, 0, false},
		{"the first one counts", 0, 100, 100, true},
		{"a larger one does not", 0, 101, 100, false},
		{"a smaller one does", 0, 99, 99, true},
		{"59 days later it still counts", 59 * day, 0, 99, false},
		{"an equal one confirms it", 0, 99, 99, false},
		{"59 days after that it still counts", 59 * day, 0, 99, false},
		{"a larger one does not confirm it", 0, 100, 99, false},
		{"after 60 days it is forgotten", day, 0, 0, true},
		{"and a larger one counts", 0, 105, 105, true},
		{"nodes that say nothing are not believed", 0, -1, 105, false},
	} {
		before := m.Generation()
		clock.SetTime(clock.Now().Add(step.after))
		if step.put != 0 {
			m.Put("m5.large", "ami-1", step.put)
		}
		got, ok := m.Memory("m5.large", "ami-1")
		if got, want := ok, step.want > 0; got != want {
			t.Errorf("%s: known: %t, want %t", step.what, got, want)
		}
		if ok && got != step.want {
			t.Errorf("%s: %d, want %d", step.what, got, step.want)
		}
		if changed := m.Generation() != before; changed != step.changed {
			t.Errorf("%s: told as changed: %t, want %t", step.what, changed, step.changed)
		}
	}
}

func TestWhatWasMeasuredReplacesTheEstimateForItsTypeAndImagesAlone(t *testing.T) {
	c := facts(t)
	l, _, _ := newLister(t, "m5.large", "m5.xlarge")
	measured := NewMeasured(clocktesting.NewFakePassiveClock(time.Now()))
	l.settings.Measured = measured
	question := func(images ...awsv1alpha1.AMI) Question {
		return Question{Zones: []string{"a"}, Images: images, Setup: Setup{Kubelet: with(nil).Kubelet, PodBytes: 20 << 30, Images: ImageSet(images)}}
	}
	memory := func(q Question) map[string]int64 {
		list, err := l.List(q)
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]int64{}
		for _, i := range list {
			out[i.Name] = i.Capacity.Memory().Value()
			if told, err := l.Describe(i.Name, q.Setup); err != nil || !told.Capacity.Memory().Equal(*i.Capacity.Memory()) {
				t.Errorf("%s: planned with %s, described with %s: %v", i.Name, i.Capacity.Memory(), told.Capacity.Memory(), err)
			}
		}
		return out
	}
	one, other := question(awsv1alpha1.AMI{ID: "ami-2"}, awsv1alpha1.AMI{ID: "ami-1"}), question(awsv1alpha1.AMI{ID: "ami-3"})
	estimate := memory(one)
	known, _ := c.InstanceType("m5.large")
	for name, tc := range map[string]struct {
		bytes    int64
		believed bool
	}{
		"more than the estimate":           {estimate["m5.large"] + 100*mib, true},
		"less":                             {estimate["m5.large"] - 100*mib, true},
		"more than there is":               {int64(known.MemoryMiB)*mib + 1, false},
		"so little that something is awry": {int64(known.MemoryMiB) * mib / 2, false},
	} {
		t.Run(name, func(t *testing.T) {
			measured.known, measured.generation = map[measuredKey]measurement{}, measured.generation+1
			measured.Put("m5.large", "ami-1,ami-2", tc.bytes)
			want := estimate["m5.large"]
			if tc.believed {
				want = tc.bytes
			}
			got := memory(one)
			if got["m5.large"] != want || got["m5.xlarge"] != estimate["m5.xlarge"] {
				t.Errorf("memory %v, want %d for m5.large and what is estimated for the other", got, want)
			}
			if got := memory(other); got["m5.large"] != estimate["m5.large"] {
				t.Errorf("on other images %d, want what is estimated, %d", got["m5.large"], estimate["m5.large"])
			}
		})
	}
}

func TestASetOfImagesHasOneNameInWhateverOrder(t *testing.T) {
	images := func(ids ...string) (out []awsv1alpha1.AMI) {
		for _, id := range ids {
			out = append(out, awsv1alpha1.AMI{ID: id})
		}
		return out
	}
	if a, b := ImageSet(images("b", "a", "b")), ImageSet(images("a", "b")); a != b || a == ImageSet(images("a")) {
		t.Errorf("sets are named %q and %q", a, b)
	}
	if got := ImageSet(images("")); got != "" {
		t.Errorf("images that nobody knows are named %q", got)
	}
	m := NewMeasured(clocktesting.NewFakePassiveClock(time.Now()))
	m.Put("m5.large", "", 1)
	if _, ok := m.Memory("m5.large", ""); ok {
		t.Error("something was learned of images that nobody knows")
	}
}

// TestAllocatableFollowsThePublishedRulesOnEveryType computes in whole numbers, by another way than the code does.
func TestAllocatableFollowsThePublishedRulesOnEveryType(t *testing.T) {
	c := facts(t)
	var names []string
	for _, known := range c.InstanceTypes() {
		names = append(names, known.Name)
	}
	l, _, _ := newLister(t, names...)
	for _, known := range c.InstanceTypes() {
		got, err := l.Describe(known.Name, with(nil))
		if err != nil {
			t.Fatal(err)
		}
		nominal := int64(known.MemoryMiB)
		if known.Architecture == "arm64" {
			nominal -= 64
		}
		pods := int64(known.Network.ENIsDefaultCard)*int64(known.Network.IPv4PerENI-1) + 2
		memory := nominal - (nominal*75+999)/1000 - (11*pods + 255) - 100
		millicores, reserved := int64(known.CPU.VCPUs)*1000, int64(0)
		for core := range int64(known.CPU.VCPUs) {
			switch { // hundredths of a millicore
			case core == 0:
				reserved += 6000
			case core == 1:
				reserved += 1000
			case core < 4:
				reserved += 500
			default:
				reserved += 250
			}
		}
		for _, part := range []struct {
			name corev1.ResourceName
			want int64
		}{{corev1.ResourceCPU, millicores - reserved/100}, {corev1.ResourceMemory, max(memory, 0) * mib * 1000}, {corev1.ResourcePods, pods * 1000}} {
			q := got.Allocatable()[part.name]
			if q.MilliValue() != part.want {
				t.Errorf("%s: %s %d, want %d thousandths", known.Name, part.name, q.MilliValue(), part.want)
			}
		}
	}
}
