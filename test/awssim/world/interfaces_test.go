package world

import (
	"strings"
	"testing"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/catalog"
)

func TestInterfacesAreThoseThatTheTypeTakes(t *testing.T) {
	facts, err := catalog.Load()
	if err != nil {
		t.Fatal(err)
	}
	at := func(card, device int, kind string) NetworkInterfaceSpec {
		return NetworkInterfaceSpec{NetworkCardIndex: &card, DeviceIndex: &device, InterfaceType: kind}
	}
	public := at(0, 0, "")
	public.AssociatePublicIP = new(false)
	type list = []NetworkInterfaceSpec
	for name, tc := range map[string]struct {
		instanceType, refusal string
		specs                 list
	}{
		"none":                         {"m5.large", "", nil},
		"one without a word":           {"m5.large", "", list{{}}},
		"one without a public address": {"m5.large", "", list{public}},
		"EFA on each card":             {"p4d.24xlarge", "", list{at(0, 0, "efa"), at(1, 1, "efa"), at(2, 1, "efa"), at(3, 1, "efa-only")}},
		"two on a card":                {"p4d.24xlarge", "", list{at(0, 0, ""), at(0, 1, "efa-only")}},
		"EFA on a card without":        {"p6-b300.48xlarge", "network card 0", list{at(0, 0, "efa")}},
		"EFA on the others":            {"p6-b300.48xlarge", "", list{at(0, 0, ""), at(1, 1, "efa")}},
		"EFA on a type without":        {"m5.large", "not supported", list{at(0, 0, "efa")}},
		"EFA twice on a card":          {"p4d.24xlarge", "takes one EFA", list{at(0, 0, "efa"), at(0, 1, "efa-only")}},
		"the first of EFA alone":       {"p4d.24xlarge", "primary", list{at(0, 0, "efa-only")}},
		"a card that there is not":     {"p4d.24xlarge", "exceeds the limit", list{at(0, 0, ""), at(4, 1, "efa")}},
		"the same place twice":         {"p4d.24xlarge", "unique", list{at(0, 0, ""), at(0, 0, "")}},
		"no first one":                 {"p4d.24xlarge", "device index 0", list{at(1, 1, "efa")}},
		"a word on public addresses":   {"p4d.24xlarge", "associatePublicIPAddress", list{public, at(1, 1, "efa")}},
	} {
		t.Run(name, func(t *testing.T) {
			it, ok := facts.InstanceType(tc.instanceType)
			if !ok {
				t.Fatal("there is no such type")
			}
			err := checkInterfaces(tc.specs, it)
			if tc.refusal == "" && err != nil || tc.refusal != "" && (err == nil || !strings.Contains(err.Error(), tc.refusal)) {
				t.Errorf("got %v, want %q", err, tc.refusal)
			}
		})
	}
	if err := checkKinds(list{at(0, 0, "branch")}); err == nil {
		t.Error("an interface of an unknown kind is taken")
	}
}
