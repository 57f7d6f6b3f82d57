package certificate

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"
)

// leafName is the common name of serving certificates; clients look at the subject alternative names.
const leafName = "kerf webhook"

// leaf is a serving certificate. It is made in memory and never leaves the process.
type leaf struct {
	certificate *tls.Certificate
	// authority is the id of the one that signed it.
	authority string
	// hosts are the names that were needed when it was made, names those that it is valid for.
	hosts, names []string
	// made is when that was, expires when it ends.
	made, expires time.Time
}

// renewAt returns when the leaf is to be renewed: halfway through its own life, which may be shorter than others'.
func (l *leaf) renewAt() time.Time { return l.made.Add(l.life() / 2) }

// urgentAt returns when the leaf is to be replaced by whatever there is.
func (l *leaf) urgentAt() time.Time { return l.expires.Add(-l.life() / 8) }

func (l *leaf) life() time.Duration { return l.expires.Sub(l.made) }

// covers reports whether the leaf is valid for all hosts.
func (l *leaf) covers(hosts []string) bool {
	return !slices.ContainsFunc(hosts, func(host string) bool { return !slices.Contains(l.names, host) })
}

// namesFor returns what the next leaf is to be valid for: the hosts of now, and those of the leaf before, because an API
// server may not have learnt of a change yet.
func (l *leaf) namesFor(hosts []string) []string {
	names := slices.Clone(hosts)
	if l != nil {
		names = append(names, l.hosts...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// newLeaf makes a serving certificate that the authority signs.
func newLeaf(signer *authority, names []string, now, expires time.Time) (*leaf, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making the key of a serving certificate: %w", err)
	}
	serial, err := serialNumber()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: leafName},
		NotBefore:    now.Add(-backdate),
		NotAfter:     expires,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, name := range names {
		if address, err := netip.ParseAddr(name); err == nil {
			template.IPAddresses = append(template.IPAddresses, net.IP(address.AsSlice()))
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, signer.certificate, key.Public(), signer.key)
	if err != nil {
		return nil, fmt.Errorf("signing a serving certificate: %w", err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("parsing a new serving certificate: %w", err)
	}
	return &leaf{
		certificate: &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: parsed},
		authority:   signer.id, names: names, made: now, expires: parsed.NotAfter,
	}, nil
}
