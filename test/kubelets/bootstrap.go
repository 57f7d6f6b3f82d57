package kubelets

import (
	"bytes"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Bootstrap is what user data tells a machine about the cluster to join and the kubelet to join it with.
type Bootstrap struct {
	// ClusterName, Endpoint and CertificateAuthority (PEM) say which cluster.
	ClusterName          string
	Endpoint             string
	CertificateAuthority []byte
	// Kubelet says how.
	Kubelet KubeletSettings
}

// KubeletSettings is the part of a kubelet's configuration that shows in its Node.
type KubeletSettings struct {
	// Labels that the Node is born with.
	Labels map[string]string
	// Taints that the Node is born with.
	Taints []corev1.Taint
	// MaxPods bounds the number of pods; nil leaves it to the image or, with NoENIMaxPods, to the kubelet.
	MaxPods *int32
	// NoENIMaxPods is true when the image was told not to derive the number of pods from the network interfaces.
	NoENIMaxPods bool
	// PodsPerCore bounds the number of pods by the number of virtual CPUs; 0 does not.
	PodsPerCore int32
	// KubeReserved, SystemReserved and EvictionHard change what the image sets.
	KubeReserved   Overlay
	SystemReserved Overlay
	EvictionHard   Overlay
	// CountsPods is true of images that reserve memory by the pods that the kubelet takes, not by the network interfaces.
	CountsPods bool
	// Windows is true of images that are Windows, where the controller of the VPC announces the addresses for pods.
	Windows bool
	// LocalDisks is true where the image is told to make one volume of local disks and to put the pods' files there.
	LocalDisks bool
	// Unseen is what no Node shows.
	Unseen UnseenSettings
}

// UnseenSettings is the part of a kubelet's configuration that changes what it does, and nothing that it tells.
type UnseenSettings struct {
	// ClusterDNS are the addresses of the DNS servers that pods ask.
	ClusterDNS []string
	// EvictionSoft maps a signal -> threshold, EvictionSoftGracePeriod a signal -> how long it has to be crossed.
	EvictionSoft, EvictionSoftGracePeriod map[string]string
	// EvictionMaxPodGracePeriod in seconds.
	EvictionMaxPodGracePeriod *int32
	// ImageGCHighThresholdPercent and ImageGCLowThresholdPercent bound the disk that images take.
	ImageGCHighThresholdPercent, ImageGCLowThresholdPercent *int32
	// CPUCFSQuota enforces CPU limits.
	CPUCFSQuota *bool
}

// The kubelet's own thresholds for images, percent.
const (
	imageGCHigh = 85
	imageGCLow  = 80
)

// check returns why a kubelet does not start with the settings.
func (s UnseenSettings) check() error {
	for _, signal := range slices.Sorted(maps.Keys(s.EvictionSoft)) {
		if _, ok := s.EvictionSoftGracePeriod[signal]; !ok {
			return fmt.Errorf("the kubelet does not start: the soft eviction threshold of %s has no grace period", signal)
		}
	}
	for _, signal := range slices.Sorted(maps.Keys(s.EvictionSoftGracePeriod)) {
		if period, err := time.ParseDuration(s.EvictionSoftGracePeriod[signal]); err != nil || period < 0 {
			return fmt.Errorf("the kubelet does not start: %q is no grace period of %s", s.EvictionSoftGracePeriod[signal], signal)
		}
	}
	high, low := int32(imageGCHigh), int32(imageGCLow)
	if s.ImageGCHighThresholdPercent != nil {
		high = *s.ImageGCHighThresholdPercent
	}
	if s.ImageGCLowThresholdPercent != nil {
		low = *s.ImageGCLowThresholdPercent
	}
	if low >= high {
		return fmt.Errorf("the kubelet does not start: images are removed from %d %% of the disk on, and down to %d %%", high, low)
	}
	return nil
}

// Overlay changes a map of settings, e.g. resource -> quantity or eviction signal -> threshold.
type Overlay struct {
	Values map[string]string
	// Replaces is true when Values stand in place of the whole map rather than of the keys that they name: flags do,
	// configuration files do not.
	Replaces bool
}

// Over returns the settings that result; neither side is changed.
func (o Overlay) Over(settings map[string]string) map[string]string {
	if o.Replaces {
		return o.Values
	}
	out := map[string]string{}
	maps.Copy(out, settings)
	maps.Copy(out, o.Values)
	return out
}

// Cluster is what a machine has to know to be let in.
type Cluster struct {
	// Name that tokens of the machine are bound to.
	Name string
	// Endpoint is the URL of the API server.
	Endpoint string
	// CertificateAuthority of the API server, PEM.
	CertificateAuthority []byte
}

// DecodeUserData reads user data as the start-up programs of the EKS images would: a shell script that calls
// /etc/eks/bootstrap.sh, or a NodeConfig of nodeadm, either of them alone or as part of a MIME message, or the settings of
// Bottlerocket, or a PowerShell script that calls Start-EKSBootstrap.ps1.
func DecodeUserData(userData string) (Bootstrap, error) {
	b, err := decodeUserData(userData)
	if err != nil {
		return Bootstrap{}, err
	}
	return b, b.Kubelet.Unseen.check()
}

func decodeUserData(userData string) (Bootstrap, error) {
	if strings.TrimSpace(userData) == "" {
		return Bootstrap{}, errors.New("there is no user data")
	}
	if settings, ok := bottlerocketSettings(userData); ok {
		b, err := decodeBottlerocket(settings)
		if err != nil {
			return Bootstrap{}, err
		}
		b.Kubelet.LocalDisks, err = localDisks(userData)
		return b, err
	}
	if script, ok := powershellScript(userData); ok {
		return decodePowerShell(script)
	}
	parts, err := splitParts(userData)
	if err != nil {
		return Bootstrap{}, err
	}
	var configs, scripts []string
	for _, p := range parts {
		switch p.kind {
		case partNodeConfig:
			configs = append(configs, p.body)
		case partScript:
			scripts = append(scripts, p.body)
		}
	}
	// An image has either nodeadm or bootstrap.sh. Scripts beside a NodeConfig are the user's own and join nothing.
	if len(configs) > 0 {
		return decodeNodeConfigs(configs)
	}
	return decodeScripts(scripts)
}

// Joins returns why a machine with this bootstrap would not be let into the cluster, or nil when it would.
func (b Bootstrap) Joins(c Cluster) error {
	switch {
	case b.ClusterName != c.Name:
		return fmt.Errorf("the token is for cluster %q, this is %q", b.ClusterName, c.Name)
	case b.Endpoint == "":
		return errors.New("the user data names no API server endpoint")
	case strings.TrimSuffix(b.Endpoint, "/") != strings.TrimSuffix(c.Endpoint, "/"):
		return fmt.Errorf("no API server of this cluster answers at %s", b.Endpoint)
	case len(b.CertificateAuthority) == 0:
		return errors.New("the user data holds no certificate authority")
	case !bytes.Equal(certificates(b.CertificateAuthority), certificates(c.CertificateAuthority)):
		return errors.New("the API server's certificate is signed by an authority that the user data does not name")
	}
	return nil
}

// decodeAuthority decodes the base64 form in which both kinds of user data carry the certificate authority.
func decodeAuthority(encoded string) ([]byte, error) {
	if encoded == "" {
		return nil, nil
	}
	decoded, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, fmt.Errorf("decoding the certificate authority: %w", err)
	}
	if len(certificates(decoded)) == 0 {
		return nil, errors.New("decoding the certificate authority: it holds no PEM certificate")
	}
	return decoded, nil
}

// certificates returns the certificates of a PEM bundle, without what may differ between two writings of the same.
func certificates(bundle []byte) []byte {
	var out []byte
	for block, rest := pem.Decode(bundle); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			out = append(out, block.Bytes...)
		}
	}
	return out
}
