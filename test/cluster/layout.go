package cluster

import (
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"k8s.io/client-go/rest"
)

// serviceRange is where cluster IPs of Services come from, as on EKS.
const serviceRange = "10.100.0.0/16"

// serviceAddress is the first address of serviceRange, which the kubernetes Service gets.
func serviceAddress() net.IP { return net.IPv4(10, 100, 0, 1) }

// Identities that programs present to the API server; the names double as file names.
const (
	adminIdentity = "admin"
	etcdIdentity  = "etcd"
	serverName    = "server"
)

// layout is where everything of one cluster is: files and ports.
type layout struct {
	directory string
	assets    string
	pki       string
	ports     map[portUse]int
}

// portUse says what a port is for.
type portUse int

const (
	etcdClients portUse = iota
	etcdPeers
	apiServerPort
	controllerManagerPort
	schedulerPort
	kwokPort
	portUses // the number of the above
)

func newLayout(directory, assets string, ports *portSet) (*layout, error) {
	l := &layout{
		directory: directory,
		assets:    assets,
		pki:       filepath.Join(directory, "pki"),
		ports:     map[portUse]int{},
	}
	if err := os.MkdirAll(l.pki, 0o700); err != nil {
		return nil, fmt.Errorf("making the certificate directory: %w", err)
	}
	for use := range portUses {
		port, err := ports.reserve()
		if err != nil {
			return nil, err
		}
		l.ports[use] = port
	}
	return l, nil
}

func (l *layout) url(use portUse) string { return "https://" + loopback(l.ports[use]) }
func (l *layout) serverURL() string      { return l.url(apiServerPort) }
func (l *layout) path(elem ...string) string {
	return filepath.Join(append([]string{l.directory}, elem...)...)
}
func (l *layout) logPath(name ComponentName) string {
	return l.path(string(name) + ".log")
}

// serving is the certificate of the HTTPS servers; it is issued by writeIdentities.
func (l *layout) serving() keyPair {
	return keyPair{certificate: filepath.Join(l.pki, serverName+".crt"), key: filepath.Join(l.pki, serverName+".key")}
}

func (l *layout) etcdPair() keyPair {
	return keyPair{certificate: filepath.Join(l.pki, etcdIdentity+".crt"), key: filepath.Join(l.pki, etcdIdentity+".key")}
}

func (l *layout) serviceAccountKey() string { return filepath.Join(l.pki, "service-accounts.key") }

func caFile(pki string) string    { return filepath.Join(pki, "ca.crt") }
func caKeyFile(pki string) string { return filepath.Join(pki, "ca.key") }

// kubeconfigPath is where the kubeconfig file of an identity is.
func kubeconfigPath(directory, identity string) string {
	return filepath.Join(directory, identity+".kubeconfig")
}

// writeIdentities issues every certificate and writes every kubeconfig file, and returns the administrator's access.
func (l *layout) writeIdentities(a *authority) (*rest.Config, error) {
	for _, name := range []string{serverName, etcdIdentity} {
		if _, err := a.issue(l.pki, name, pkix.Name{CommonName: name}); err != nil {
			return nil, err
		}
	}
	// The key that signs service account tokens is kept: tokens given out before a restart stay valid.
	if _, err := os.Stat(l.serviceAccountKey()); errors.Is(err, fs.ErrNotExist) {
		if _, err := writeKey(l.serviceAccountKey()); err != nil {
			return nil, err
		}
	}
	subjects := map[string]pkix.Name{
		adminIdentity:             {CommonName: "kerf-admin", Organization: []string{"system:masters"}},
		string(ControllerManager): {CommonName: "system:kube-controller-manager"},
		string(Scheduler):         {CommonName: "system:kube-scheduler"},
		string(Kwok):              {CommonName: kwokUser},
	}
	access := map[string]*rest.Config{}
	for identity, subject := range subjects {
		pair, err := a.issue(l.pki, identity, subject)
		if err != nil {
			return nil, err
		}
		if access[identity], err = l.access(a, pair); err != nil {
			return nil, err
		}
		if err := WriteKubeconfig(kubeconfigPath(l.directory, identity), access[identity]); err != nil {
			return nil, err
		}
	}
	return access[adminIdentity], nil
}

// access is the configuration of a client that shows the certificate; it is not slowed down on the client side. It holds
// the certificate itself: client-go watches a file and cuts connections when the next start in the directory rewrites it.
func (l *layout) access(a *authority, pair keyPair) (*rest.Config, error) {
	certificate, err := os.ReadFile(pair.certificate)
	if err != nil {
		return nil, fmt.Errorf("reading a client certificate: %w", err)
	}
	key, err := os.ReadFile(pair.key)
	if err != nil {
		return nil, fmt.Errorf("reading a client key: %w", err)
	}
	return &rest.Config{
		Host:            l.serverURL(),
		TLSClientConfig: rest.TLSClientConfig{CAData: a.bundle, CertData: certificate, KeyData: key},
		QPS:             -1,
	}, nil
}
