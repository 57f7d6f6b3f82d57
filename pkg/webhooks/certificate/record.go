package certificate

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// dataKey is where the Secret has the authorities.
const dataKey = "authorities.json"

// maxAuthorities bounds what is read: more than three are never there at once, unless somebody put them there.
const maxAuthorities = 16

// record is an authority as the Secret has it.
type record struct {
	// Certificate and Key in PEM. An authority that signs no more has no key.
	Certificate string `json:"certificate"`
	Key         string `json:"key,omitempty"`
	// LeafLifetime, Published and SignsFrom are as in authority.
	LeafLifetime metav1.Duration `json:"leafLifetime"`
	Published    time.Time       `json:"published,omitzero"`
	SignsFrom    time.Time       `json:"signsFrom,omitzero"`
}

// encode returns the authorities as the Secret has them.
func encode(list authorities) ([]byte, error) {
	records := make([]record, 0, len(list))
	for _, a := range list {
		r := record{
			Certificate: string(encodeCertificate(a.certificate)), LeafLifetime: metav1.Duration{Duration: a.leafLifetime},
			Published: a.published, SignsFrom: a.signsFrom,
		}
		if a.key != nil {
			der, err := x509.MarshalPKCS8PrivateKey(a.key)
			if err != nil {
				return nil, errors.New("encoding the key of an authority") // the cause could quote the key
			}
			r.Key = string(pem.EncodeToMemory(&pem.Block{Type: keyBlock, Bytes: der}))
		}
		records = append(records, r)
	}
	out, err := json.Marshal(records)
	if err != nil {
		return nil, errors.New("encoding the authorities")
	}
	return out, nil
}

// decode reads what encode wrote; of no content at all it makes no authorities. Its errors quote nothing of the content, which
// may have a key where none is expected.
func decode(content []byte) (authorities, error) {
	if len(content) == 0 {
		return nil, nil
	}
	var records []record
	if err := json.Unmarshal(content, &records); err != nil {
		return nil, errors.New("it is no list of authorities in JSON")
	}
	if len(records) == 0 || len(records) > maxAuthorities {
		return nil, fmt.Errorf("it has %d authorities", len(records))
	}
	list := make(authorities, 0, len(records))
	for i, r := range records {
		a, reason := r.authority()
		if reason == "" && list.find(a.id) != nil {
			reason = "is there twice"
		}
		if reason != "" {
			return nil, fmt.Errorf("authority %d of %d %s", i+1, len(records), reason)
		}
		list = append(list, a)
	}
	if list.newest().key == nil {
		return nil, errors.New("the newest authority has no key")
	}
	return list, nil
}

// authority returns what the record says, or the reason why it says nothing.
func (r record) authority() (authority, string) {
	found := blocks([]byte(r.Certificate))
	if len(found) != 1 {
		return authority{}, "does not have one certificate in PEM"
	}
	certificate, err := x509.ParseCertificate(found[0].Bytes)
	switch {
	case err != nil:
		return authority{}, "has a certificate that does not parse"
	case !certificate.IsCA || !certificate.BasicConstraintsValid:
		return authority{}, "has a certificate that is no authority's"
	case r.LeafLifetime.Duration <= 0:
		return authority{}, "gives certificates no time to live"
	case r.Published.IsZero() != r.SignsFrom.IsZero() || r.SignsFrom.Before(r.Published):
		return authority{}, "signs before it is published"
	}
	var key *ecdsa.PrivateKey
	if r.Key != "" {
		if key = parseKey(r.Key); key == nil || !key.PublicKey.Equal(certificate.PublicKey) {
			return authority{}, "has a key that is not that of its certificate"
		}
	}
	a := authorityOf(certificate, key, r.LeafLifetime.Duration)
	a.published, a.signsFrom = r.Published, r.SignsFrom
	return a, ""
}

// parseKey returns the key in PEM, or nil where there is none of the kind that kerf makes.
func parseKey(encoded string) *ecdsa.PrivateKey {
	block, _ := pem.Decode([]byte(encoded))
	if block == nil || block.Type != keyBlock {
		return nil
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil
	}
	return key
}
