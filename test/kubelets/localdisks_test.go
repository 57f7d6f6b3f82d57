package kubelets

import (
	"strings"
	"testing"
)

func TestAnImageDoesWithLocalDisksWhatItIsTold(t *testing.T) {
	const script = "#!/bin/bash\n/etc/eks/bootstrap.sh quay "
	const config = "apiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\nspec: {cluster: {name: quay, cidr: 10.0.0.0/16}, instance: {localStorage: {"
	const settings = "[settings.kubernetes]\ncluster-name = 'quay'\n[settings.bootstrap-commands.disks]\nmode = '"
	const initialize, bind = `["apiclient", "ephemeral-storage", "init"]`, `["apiclient", "ephemeral-storage", "bind", "--dirs", "/var/lib/kubelet"]`
	for name, tc := range map[string]struct {
		userData, refusal string
		want              bool
	}{
		"AL2 makes an array":                 {script + "--local-disks raid0", "", true},
		"AL2 mounts each":                    {script + "--local-disks mount", "", false},
		"AL2 is told nothing":                {script, "", false},
		"AL2 knows no other word":            {script + "--local-disks RAID0", "neither raid0 nor mount", false},
		"AL2023 makes an array":              {config + "strategy: RAID0}}}", "", true},
		"AL2023 mounts each":                 {config + "strategy: Mount}}}", "", false},
		"AL2023 knows no other word":         {config + "strategy: raid0}}}", "no strategy", false},
		"AL2023 knows no other field":        {config + "strategie: RAID0}}}", "unknown field", false},
		"Bottlerocket makes and binds":       {settings + "always'\ncommands = [" + initialize + ", " + bind + "]\n", "", true},
		"Bottlerocket binds what is not":     {settings + "always'\ncommands = [" + bind + "]\n", "", false},
		"Bottlerocket binds nothing":         {settings + "always'\ncommands = [" + initialize + "]\n", "", false},
		"Bottlerocket is told not to":        {settings + "off'\ncommands = [" + initialize + ", " + bind + "]\n", "", false},
		"Bottlerocket runs apiclient only":   {settings + "always'\ncommands = [['mkfs', 'x']]\n", "no call of apiclient", false},
		"Bottlerocket has modes":             {settings + "maybe'\ncommands = []\n", `mode "maybe"`, false},
		"Bottlerocket takes lists of a list": {settings + "always'\ncommands = ['apiclient']\n", "bootstrap-commands", false},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := DecodeUserData(tc.userData)
			if tc.refusal != "" {
				if err == nil || !strings.Contains(err.Error(), tc.refusal) {
					t.Errorf("error = %v, want one with %q", err, tc.refusal)
				}
				return
			}
			if err != nil || got.Kubelet.LocalDisks != tc.want {
				t.Errorf("got %t, %v", got.Kubelet.LocalDisks, err)
			}
		})
	}
}

func TestPodsHaveTheRoomOfAllLocalDisksOnceTheyAreOne(t *testing.T) {
	for name, tc := range map[string]struct {
		instanceType string
		localDisks   bool
		want         int64 // bytes
	}{
		"two disks":                    {"m5d.4xlarge", true, 600*gb - fileSystemBytes},
		"disks that nobody makes one":  {"m5d.4xlarge", false, 50*gib - fileSystemBytes},
		"no disks":                     {"m5.4xlarge", true, 50*gib - fileSystemBytes},
		"disks that are no NVMe disks": {"d2.xlarge", true, 50*gib - fileSystemBytes},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := resourcesOf(facts(t, tc.instanceType), 50, KubeletSettings{LocalDisks: tc.localDisks})
			if err != nil {
				t.Fatal(err)
			}
			if disk := got.capacity.StorageEphemeral().Value(); disk != tc.want {
				t.Errorf("%d bytes, want %d", disk, tc.want)
			}
		})
	}
}
