package certificate

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"
)

// authorityName is the common name of every authority that kerf makes; serial numbers tell them apart.
const authorityName = "kerf webhook authority"

// backdate is how long before they are made certificates are valid from: the clock of an API server may be behind.
const backdate = time.Hour

const certificateBlock, keyBlock = "CERTIFICATE", "PRIVATE KEY"

// authority is a certificate authority and what is known of it.
type authority struct {
	// id is the fingerprint of the certificate.
	id          string
	certificate *x509.Certificate
	// key is nil for an authority that is still trusted and signs no more.
	key *ecdsa.PrivateKey
	// created and expires bound its life, as the certificate says.
	created, expires time.Time
	// leafLifetime is the longest life of a certificate that it signs. It goes with the authority, because replicas of
	// different settings run side by side while a change of settings rolls out.
	leafLifetime time.Duration
	// published is when all live webhooks were seen to trust it; zero until then.
	published time.Time
	// signsFrom is when every API server has learnt of that, so that certificates signed by it may be served.
	signsFrom time.Time
}

// newAuthority makes an authority that nobody trusts yet.
func newAuthority(now time.Time, lifetime, leafLifetime time.Duration) (authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return authority{}, fmt.Errorf("making the key of an authority: %w", err)
	}
	serial, err := serialNumber()
	if err != nil {
		return authority{}, err
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: authorityName, SerialNumber: serial.Text(16)},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(lifetime),
		KeyUsage:              x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return authority{}, fmt.Errorf("signing an authority: %w", err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return authority{}, fmt.Errorf("parsing a new authority: %w", err)
	}
	return authorityOf(certificate, key, leafLifetime), nil
}

// authorityOf returns what a certificate and its key, which may be nil, say of an authority.
func authorityOf(certificate *x509.Certificate, key *ecdsa.PrivateKey, leafLifetime time.Duration) authority {
	return authority{
		id: fingerprint(certificate.Raw), certificate: certificate, key: key, leafLifetime: leafLifetime,
		created: certificate.NotBefore.Add(backdate), expires: certificate.NotAfter,
	}
}

// adopted returns the authorities of kerf's that a bundle trusts. They sign nothing any more, their keys being unknown.
func adopted(bundle []byte, leafLifetime time.Duration) authorities {
	var out authorities
	for _, block := range blocks(bundle) {
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil || !certificate.IsCA || certificate.Subject.CommonName != authorityName || certificate.CheckSignatureFrom(certificate) != nil {
			continue // not ours: trust in it ends here
		}
		out = append(out, authorityOf(certificate, nil, leafLifetime))
	}
	return out
}

// trusts returns the fingerprints of the certificates in a bundle.
func trusts(bundle []byte) map[string]bool {
	out := map[string]bool{}
	for _, block := range blocks(bundle) {
		out[fingerprint(block.Bytes)] = true
	}
	return out
}

// blocks returns the certificates of a bundle in PEM, skipping all else.
func blocks(bundle []byte) []*pem.Block {
	var out []*pem.Block
	for {
		var block *pem.Block
		if block, bundle = pem.Decode(bundle); block == nil {
			return out
		}
		if block.Type == certificateBlock {
			out = append(out, block)
		}
	}
}

func encodeCertificate(certificate *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: certificateBlock, Bytes: certificate.Raw})
}

func fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

// serialNumber returns a random number of 127 bits, which is positive and short enough for every verifier.
func serialNumber() (*big.Int, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("choosing a serial number: %w", err)
	}
	return serial, nil
}
