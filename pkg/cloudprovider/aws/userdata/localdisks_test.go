package userdata

import (
	"strings"
	"testing"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/test/kubelets"
)

// ownCommands are settings of a user who has Bottlerocket run something at each start.
const ownCommands = `
[settings.bootstrap-commands.motd]
commands = [["apiclient", "set", "motd=hello"]]
mode = "once"
`

func onLocalDisks(own string) Node {
	n := owned(plain(), own)
	n.LocalDisks = true
	return n
}

func TestImagesPutWhatPodsNeedOntoLocalDisks(t *testing.T) {
	for family, want := range map[string]bool{
		awsv1alpha1.AMIFamilyAL2: true, awsv1alpha1.AMIFamilyAL2023: true, awsv1alpha1.AMIFamilyBottlerocket: true,
		awsv1alpha1.AMIFamilyUbuntu: false, awsv1alpha1.AMIFamilyWindows2022: false, // nothing that their programs could be told
	} {
		for _, wanted := range []bool{false, true} {
			n := onLocalDisks("")
			n.LocalDisks, n.Cluster.CA = wanted, certificate(t)
			out, err := Render(family, n)
			if err != nil {
				t.Fatal(err)
			}
			got, err := kubelets.DecodeUserData(out)
			if err != nil {
				t.Fatalf("%s: %v in %s", family, err, out)
			}
			if got.Kubelet.LocalDisks != (wanted && want) {
				t.Errorf("%s, wanted %t: %t by\n%s", family, wanted, got.Kubelet.LocalDisks, out)
			}
		}
	}
}

func TestBottlerocketKeepsCommandsOfTheUsersOwn(t *testing.T) {
	out, err := Render(awsv1alpha1.AMIFamilyBottlerocket, onLocalDisks(ownCommands))
	if err != nil || !strings.Contains(out, "motd=hello") || !strings.Contains(out, localDisksCommand) {
		t.Errorf("%v in\n%s", err, out)
	}
	if _, err := Render(awsv1alpha1.AMIFamilyBottlerocket, onLocalDisks("[settings]\nbootstrap-commands = 3\n")); err == nil ||
		!strings.Contains(err.Error(), "bootstrap-commands is no table") {
		t.Errorf("commands that are none: %v", err)
	}
}
