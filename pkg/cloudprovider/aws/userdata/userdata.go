// Package userdata writes what an instance reads at boot to become a node: a pure function of the node that is wanted.
package userdata

import (
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/cluster"
)

// maxBytes is what EC2 takes, before base64.
const maxBytes = 16384

// Node is the node that is wanted.
type Node struct {
	// Cluster that it joins.
	Cluster cluster.Facts
	// Labels that it is born with; those that a kubelet may not give itself are left out.
	Labels map[string]string
	// Taints that it is born with.
	Taints []corev1.Taint
	// MaxPods is the kubelet's bound on pods.
	MaxPods int64
	// Kubelet configuration; may be nil.
	Kubelet *v1alpha5.KubeletConfiguration
	// KubeReserved is what is kept for the kubelet in full; used only where the configuration changes a part of it.
	KubeReserved corev1.ResourceList
	// LocalDisks makes one volume of local disks, where there are any, and puts what pods and container images need there.
	LocalDisks bool
	// UserData is the user's own part; it runs before the node joins.
	UserData string
}

// DNS returns the address of the DNS server that pods ask: the one that is configured, else the cluster's; "" when neither is
// known. It may be no address at all.
func (n Node) DNS() string {
	if n.Kubelet != nil && len(n.Kubelet.ClusterDNS) > 0 {
		return n.Kubelet.ClusterDNS[0]
	}
	return n.Cluster.DNS()
}

// IPv6 reports whether pods have addresses of IPv6, as that of their DNS server tells.
func (n Node) IPv6() bool {
	address, err := netip.ParseAddr(n.DNS())
	return err == nil && address.Is6() && !address.Is4In6()
}

// format is the way in which an AMI family is told what to do.
type format struct {
	family string
	// render merges the user's own part with kerf's.
	render func(s settings, own string) (string, error)
	// check returns why the user's own part cannot be merged.
	check func(own string) error
}

func formats() []format {
	return []format{
		{awsv1alpha1.AMIFamilyAL2, al2, checkParts},
		{awsv1alpha1.AMIFamilyAL2023, al2023, checkParts},
		{awsv1alpha1.AMIFamilyBottlerocket, bottlerocket, checkTOML},
		{awsv1alpha1.AMIFamilyUbuntu, ubuntu, checkParts},
		{awsv1alpha1.AMIFamilyWindows2019, windows, checkPowerShell},
		{awsv1alpha1.AMIFamilyWindows2022, windows, checkPowerShell},
		{awsv1alpha1.AMIFamilyWindows2025, windows, checkPowerShell},
	}
}

func formatOf(family string) (format, error) {
	all := formats()
	i := slices.IndexFunc(all, func(f format) bool { return f.family == family })
	if i < 0 {
		return format{}, fmt.Errorf("there is no user data for AMI family %q", family)
	}
	return all[i], nil
}

// Render returns the user data of the node for an AMI family. It fails on values that a kubelet would not start with, so
// nothing that a user writes but their own part can be anything but a value in what the instance runs. Images of the family
// Custom get the user's own part as it is, and nothing else: only the user knows what they read.
func Render(family string, n Node) (string, error) {
	out := n.UserData
	if family != awsv1alpha1.AMIFamilyCustom {
		f, err := formatOf(family)
		if err != nil {
			return "", err
		}
		s, err := settingsOf(family, n)
		if err != nil {
			return "", err
		}
		if out, err = f.render(s, n.UserData); err != nil {
			return "", err
		}
	}
	if len(out) > maxBytes {
		return "", fmt.Errorf("the user data would have %d bytes and EC2 takes %d: use fewer or shorter labels and taints, or less user data of your own",
			len(out), maxBytes)
	}
	return out, nil
}

// Check returns why the user's own part cannot be merged into the user data of an AMI family.
func Check(family, own string) error {
	if len(own) > maxBytes {
		return fmt.Errorf("it has %d bytes and EC2 takes %d in all", len(own), maxBytes)
	}
	if own == "" || family == awsv1alpha1.AMIFamilyCustom {
		return nil
	}
	f, err := formatOf(family)
	if err != nil {
		return err
	}
	return f.check(own)
}
