// Package userdata writes what an instance reads at boot to become a node: a pure function of the node that is wanted.
package userdata

import (
	"fmt"
	"strings"

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
}

// Render returns the user data of the node for an AMI family. It fails on values that a kubelet would not start with, so
// nothing that a user writes can be anything but a value in what the instance runs.
func Render(family string, n Node) (string, error) {
	s, err := settingsOf(n)
	if err != nil {
		return "", err
	}
	var p part
	switch family {
	case awsv1alpha1.AMIFamilyAL2:
		p = al2(s)
	case awsv1alpha1.AMIFamilyAL2023:
		p, err = al2023(s)
	default:
		err = fmt.Errorf("there is no user data for AMI family %q", family)
	}
	if err != nil {
		return "", err
	}
	out := message(p)
	if len(out) > maxBytes {
		return "", fmt.Errorf("the user data would have %d bytes and EC2 takes %d: use fewer or shorter labels and taints", len(out), maxBytes)
	}
	return out, nil
}

// part is one document of the user data.
type part struct{ mediaType, body string }

// message wraps a document as cloud-init and nodeadm read it. The boundary is one that no line of the document starts with.
func message(p part) string {
	boundary := "//"
	for strings.Contains(p.body, "--"+boundary) {
		boundary += "/"
	}
	return "MIME-Version: 1.0\n" +
		"Content-Type: multipart/mixed; boundary=\"" + boundary + "\"\n\n" +
		"--" + boundary + "\n" +
		"Content-Type: " + p.mediaType + "\n\n" +
		strings.TrimRight(p.body, "\n") + "\n\n" +
		"--" + boundary + "--\n"
}
