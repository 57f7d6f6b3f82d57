package cluster

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// validity is how long certificates last: longer than any cluster on somebody's desk.
const validity = 365 * 24 * time.Hour

// authority issues the certificates of one cluster.
type authority struct {
	certificate *x509.Certificate
	key         crypto.Signer
	// bundle is the PEM form of certificate, for clients that are to trust it.
	bundle []byte
}

// loadAuthority reads the authority that an earlier start left in the directory, or makes one there.
func loadAuthority(directory string) (*authority, error) {
	certificatePath, keyPath := caFile(directory), caKeyFile(directory)
	bundle, err := os.ReadFile(certificatePath)
	if errors.Is(err, fs.ErrNotExist) {
		return newAuthority(certificatePath, keyPath)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the certificate authority: %w", err)
	}
	key, err := readKey(keyPath)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(bundle)
	if block == nil {
		return nil, fmt.Errorf("reading the certificate authority: %s holds no PEM block", certificatePath)
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("parsing the certificate authority: %w", err)
	}
	return &authority{certificate: certificate, key: key, bundle: bundle}, nil
}

func newAuthority(certificatePath, keyPath string) (*authority, error) {
	key, err := writeKey(keyPath)
	if err != nil {
		return nil, err
	}
	template, err := certificateTemplate(pkix.Name{CommonName: "kerf-local-cluster"})
	if err != nil {
		return nil, err
	}
	template.IsCA = true
	template.BasicConstraintsValid = true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("signing the certificate authority: %w", err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("parsing the certificate authority: %w", err)
	}
	a := &authority{certificate: certificate, key: key, bundle: encodeCertificate(der)}
	if err := os.WriteFile(certificatePath, a.bundle, 0o600); err != nil {
		return nil, fmt.Errorf("writing the certificate authority: %w", err)
	}
	return a, nil
}

// issue writes a certificate and its key as NAME.crt and NAME.key. Each serves both as client and as server: etcd uses
// one for both, and the rest of them are only ever shown to this cluster.
func (a *authority) issue(directory, name string, subject pkix.Name) (keyPair, error) {
	pair := keyPair{certificate: filepath.Join(directory, name+".crt"), key: filepath.Join(directory, name+".key")}
	key, err := writeKey(pair.key)
	if err != nil {
		return keyPair{}, err
	}
	template, err := certificateTemplate(subject)
	if err != nil {
		return keyPair{}, err
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}
	template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), serviceAddress()}
	template.DNSNames = []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		return keyPair{}, fmt.Errorf("signing the certificate of %s: %w", name, err)
	}
	if err := os.WriteFile(pair.certificate, encodeCertificate(der), 0o600); err != nil {
		return keyPair{}, fmt.Errorf("writing the certificate of %s: %w", name, err)
	}
	return pair, nil
}

// keyPair is where a certificate and its key are.
type keyPair struct {
	certificate, key string
}

func certificateTemplate(subject pkix.Name) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("choosing a serial number: %w", err)
	}
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      subject,
		NotBefore:    now.Add(-time.Hour), // a clock that is set back does not end a cluster
		NotAfter:     now.Add(validity),
	}, nil
}

func encodeCertificate(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// writeKey makes a private key and writes it to the path.
func writeKey(path string) (crypto.Signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a private key: %w", err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encoding a private key: %w", err)
	}
	encoded := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
	if err := os.WriteFile(path, encoded, 0o600); err != nil {
		return nil, fmt.Errorf("writing a private key: %w", err)
	}
	return key, nil
}

func readKey(path string) (crypto.Signer, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading a private key: %w", err)
	}
	block, _ := pem.Decode(content)
	if block == nil {
		return nil, fmt.Errorf("reading a private key: %s holds no PEM block", path)
	}
	key, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("parsing %s: %w", path, err)
	}
	return key, nil
}
