package aws_test

import (
	"encoding/base64"
	"os"
	"testing"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/test/kubelets"
)

func TestMachinesOfAClusterWithIPv6HaveAnAddressOfIt(t *testing.T) {
	ca, err := os.ReadFile("../../../test/kubelets/testdata/ca.crt")
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		services, family, dns string
		ipv6                  bool
	}{
		"AL2":                 {"fd12:3456::/108", awsv1alpha1.AMIFamilyAL2, "fd12:3456::a", true},
		"AL2023":              {"fd12:3456::/108", awsv1alpha1.AMIFamilyAL2023, "fd12:3456::a", true},
		"Bottlerocket":        {"fd12:3456::/108", awsv1alpha1.AMIFamilyBottlerocket, "fd12:3456::a", true},
		"a cluster with IPv4": {"10.100.0.0/16", awsv1alpha1.AMIFamilyAL2023, "10.100.0.10", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := startSim(t)
			s.settings.ServiceCIDR, s.settings.ClusterCA = tc.services, string(ca)
			s.provider = s.newProvider(clusterUID)
			s.makeTemplate(func(spec *awsv1alpha1.AWSNodeTemplateSpec) { spec.AMIFamily = tc.family })
			create(t, s.provider, machine("six", 1, 0))
			made := s.World().Instances()[0].Data
			count := 0
			for _, i := range made.NetworkInterfaces {
				if i.IPv6AddressCount != nil && i.PrimaryIPv6 != nil && *i.PrimaryIPv6 {
					count += *i.IPv6AddressCount
				}
			}
			protocol := made.MetadataOptions.HTTPProtocolIPv6
			if (count == 1) != tc.ipv6 || (protocol == "enabled") != tc.ipv6 {
				t.Errorf("%d addresses, metadata over IPv6 is %s", count, protocol)
			}
			text, err := base64.StdEncoding.DecodeString(made.UserData)
			if err != nil {
				t.Fatal(err)
			}
			boot, err := kubelets.DecodeUserData(string(text))
			if err != nil {
				t.Fatal(err)
			}
			if got := boot.Kubelet.Unseen.ClusterDNS; len(got) != 1 || got[0] != tc.dns {
				t.Errorf("pods ask %v for names, want %s", got, tc.dns)
			}
		})
	}
}
