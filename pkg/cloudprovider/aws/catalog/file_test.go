package catalog_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/catalog"
)

// offer is what a catalogue says of a type, in the words of the test.
func offer(c *catalog.Catalog, name string) string {
	t, ok := c.InstanceType(name)
	if !ok {
		return "absent"
	}
	out := fmt.Sprintf("%d vCPU %d MiB %s %s", t.CPU.VCPUs, t.MemoryMiB, strings.Join(t.UsageClasses, "+"), strings.Join(c.ZonesOffering("us-east-1", name), ","))
	if price, ok := c.OnDemandPrice("us-east-1", name); ok {
		out += fmt.Sprintf(" $%g", price)
	}
	for _, zone := range c.ZonesOffering("us-east-1", name) {
		if price, ok := c.SpotPrice(zone, name); ok && c.StatesSpot() {
			out += fmt.Sprintf(" %s=$%g", zone, price)
		}
	}
	return out
}

func TestACatalogueOfOnesOwn(t *testing.T) {
	for name, tc := range map[string]struct {
		content string
		want    map[string]string // instance type -> what is told of it
	}{
		"prices alone": {
			"name,usd_per_hour\nm5.large,0.05\n",
			map[string]string{"m5.large": "2 vCPU 8192 MiB on-demand+spot us-east-1a,us-east-1b,us-east-1c,us-east-1d,us-east-1f $0.05", "c5.large": "absent"},
		},
		"names alone": {
			"name\nc6g.xlarge\n", map[string]string{"c6g.xlarge": "4 vCPU 8192 MiB on-demand+spot us-east-1a,us-east-1b,us-east-1c,us-east-1d,us-east-1f $0.136"},
		},
		"zones, comments and blanks": {
			"# mine\nname, zones, usd_per_hour\nm5.large, b|us-east-1a, 1\n\n", map[string]string{"m5.large": "2 vCPU 8192 MiB on-demand+spot us-east-1a,us-east-1b $1"},
		},
		"one spot price, and none": {
			"name,zones,usd_per_hour,spot_usd_per_hour\nm5.large,a|b,1,0.5\nc5.large,a,1,\nr5.large,a,,0.7\n",
			map[string]string{
				"m5.large": "2 vCPU 8192 MiB on-demand+spot us-east-1a,us-east-1b $1 us-east-1a=$0.5 us-east-1b=$0.5",
				"c5.large": "2 vCPU 4096 MiB on-demand us-east-1a $1", "r5.large": "2 vCPU 16384 MiB spot us-east-1a us-east-1a=$0.7",
			},
		},
		"a spot price for some zones": {
			"name,zones,spot_usd_per_hour\nm5.large,a|b,a=0.4\n", map[string]string{"m5.large": "2 vCPU 8192 MiB on-demand+spot us-east-1a,us-east-1b $0.096 us-east-1a=$0.4"},
		},
		"a type of one's own": {
			"name,zones,usd_per_hour,vcpu,memory_mib,enis_default_card,ipv4_per_eni\nx9.huge,z,3,1000,2000000,15,50\n",
			map[string]string{"x9.huge": "1000 vCPU 2000000 MiB on-demand us-east-1z $3"},
		},
		"JSON": {
			`[{"name": "m5.large", "zones": ["a", "us-east-1b"], "usd_per_hour": 0.05, "spot_usd_per_hour": {"a": 0.01, "us-east-1b": 0.02}},
			  {"name": "x9.huge", "zones": "a", "usd_per_hour": "3", "vcpu": 8, "memory_mib": 16, "enis_default_card": 1, "ipv4_per_eni": 2, "arch": "arm64"}]`,
			map[string]string{
				"m5.large": "2 vCPU 8192 MiB on-demand+spot us-east-1a,us-east-1b $0.05 us-east-1a=$0.01 us-east-1b=$0.02",
				"x9.huge":  "8 vCPU 16 MiB on-demand us-east-1a $3",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, mistakes := load(t).Read([]byte(tc.content), "us-east-1")
			if len(mistakes) > 0 {
				t.Fatalf("mistakes: %v", mistakes)
			}
			for instanceType, want := range tc.want {
				if diff := cmp.Diff(want, offer(got, instanceType)); diff != "" {
					t.Errorf("%s: %s", instanceType, diff)
				}
			}
		})
	}
}

func TestMistakesInACatalogueComeAllAtOnceWithTheirLines(t *testing.T) {
	for name, tc := range map[string]struct {
		content string
		want    []string // line and a part of each mistake
	}{
		"nothing":          {"", []string{"1: the file is empty"}},
		"a header alone":   {"name\n", []string{"1: no instance type is described"}},
		"unknown columns":  {"name,price,cpu\nm5.large,1,2\n", []string{`1: "price" is no column; there are name, zones`, `1: "cpu" is no column`}},
		"a column twice":   {"name,name\nm5.large,m5.large\n", []string{"1: column name is there twice"}},
		"cells too few":    {"name,zones\nm5.large\n", []string{"2: has 1 cells where the header has 2"}},
		"an open quote":    {"name\n\"m5.large\n", []string{`2: extraneous or missing " in quoted-field`}},
		"a name twice":     {"name\nm5.large\nm5.large\n", []string{"3: name: m5.large is there twice"}},
		"no name":          {"name,zones\n,a\n", []string{`2: name: "" is no instance type`}},
		"prices of no use": {"name,usd_per_hour\nm5.large,x\nc5.large,-1\nr5.large,NaN\nm6i.large,\n", []string{`2: usd_per_hour: "x" is no price`, `3: usd_per_hour: "-1"`, `4: usd_per_hour: "NaN"`, "5: usd_per_hour: has no price"}},
		"a size left out": {
			"name,zones,usd_per_hour\nx9.huge,a,1\n",
			[]string{"2: vcpu: must be stated and above 0: the type is not built in; memory_mib: must be stated and above 0"},
		},
		"zones left out":  {"name,usd_per_hour,vcpu,memory_mib,enis_default_card,ipv4_per_eni\nx9.huge,1,1,1,1,2\n", []string{"2: zones: must be stated"}},
		"zones of no use": {"name,zones\nm5.large,a||b\nc5.large,\"a,b\"\n", []string{`2: zones: "a||b" is no list of zones`, `3: zones: "a,b"`}},
		"zones of another region": {
			"name,zones\nm5.large,eu-west-1a\nc5.large,us-east-10a\nr5.large,a|b2\n", []string{
				`2: zones: "eu-west-1a" is no list of zones of us-east-1`, `3: zones: "us-east-10a"`, `4: zones: "a|b2"`,
			},
		},
		"spot in another region": {
			"name,zones,spot_usd_per_hour\nm5.large,a,eu-west-1a=1\n", []string{`2: spot_usd_per_hour: "eu-west-1a" is no zone of us-east-1`},
		},
		"spot elsewhere":     {"name,zones,spot_usd_per_hour\nm5.large,a,b=1\n", []string{"2: spot_usd_per_hour: the type is not offered in us-east-1b"}},
		"below zero":         {"name,vcpu\nm5.large,-4\n", []string{"2: vcpu: must not be below 0"}},
		"no number":          {"name,vcpu,bare_metal\nm5.large,four,perhaps\n", []string{"2: vcpu: strconv"}},
		"JSON of no array":   {"{\"name\": \"m5.large\"}", []string{"1: must be an array"}},
		"JSON cut off":       {"[\n{\"name\": \"m5.large\"},\n{\"name\"", []string{"3: "}},
		"JSON of no objects": {"[\n1,\n{\"name\": \"m5.large\",\n \"colour\": 1}\n]", []string{"2: must be an object", `3: colour: "colour" is no column`}},
	} {
		t.Run(name, func(t *testing.T) {
			_, mistakes := load(t).Read([]byte(tc.content), "us-east-1")
			if len(mistakes) != len(tc.want) {
				t.Fatalf("got %v, want %d", mistakes, len(tc.want))
			}
			for i, want := range tc.want {
				if got := fmt.Sprintf("%d: %s", mistakes[i].Line, mistakes[i].Text); !strings.HasPrefix(got, want) {
					t.Errorf("got  %s\nwant %s", got, want)
				}
			}
		})
	}
}

// A catalogue that names all that is built in says the same.
func TestTheBuiltInCatalogueIsACatalogueOfOnesOwn(t *testing.T) {
	built := load(t)
	var file strings.Builder
	file.WriteString("name\n")
	for _, known := range built.InstanceTypesIn("us-east-1") {
		file.WriteString(known.Name + "\n")
	}
	own, mistakes := built.Read([]byte(file.String()), "us-east-1")
	if len(mistakes) > 0 {
		t.Fatal(mistakes[0])
	}
	for _, known := range built.InstanceTypesIn("us-east-1") {
		got, _ := own.InstanceType(known.Name)
		known.UsageClasses, got.UsageClasses = nil, nil // blocks of capacity are not bought by the hour
		if diff := cmp.Diff(known, got); diff != "" {
			t.Errorf("%s: %s", known.Name, diff)
		}
		if got, want := offerPrice(own, known.Name), offerPrice(built, known.Name); got != want {
			t.Errorf("%s costs %s, want %s", known.Name, got, want)
		}
	}
}

func offerPrice(c *catalog.Catalog, name string) string {
	onDemand, _ := c.OnDemandPrice("us-east-1", name)
	spot, _ := c.SpotPrice("us-east-1a", name)
	return fmt.Sprint(onDemand, spot, c.ZonesOffering("us-east-1", name))
}

func FuzzACatalogueOfOnesOwnIsReadOrRefused(f *testing.F) {
	for _, seed := range []string{"name\nm5.large\n", "name,zones,spot_usd_per_hour\nm5.large,a|b,a=1|b=2\n", `[{"name":"m5.large","nvme_gb":7}]`, "[", "{", "\"", "[[]]", "name,name\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		own, mistakes := load(t).Read(content, "us-east-1")
		for _, m := range mistakes {
			if m.Line < 1 || m.Text == "" {
				t.Errorf("a mistake without a place or a text: %+v", m)
			}
		}
		if len(mistakes) == 0 && len(own.InstanceTypesIn("us-east-1")) == 0 {
			t.Error("nothing is wrong, and nothing is there")
		}
	})
}
