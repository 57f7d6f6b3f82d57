package main

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// lookEvery is how often the witness looks, much more often than certificates change.
const lookEvery = 250 * time.Millisecond

// witness sees which certificates the webhook serves.
type witness struct {
	address string // of the webhook: host:port
	// certificates and authorities that were seen, by serial number and by key.
	certificates, authorities map[string]bool
}

// newWitness finds the webhook as the API server does.
func newWitness(ctx context.Context, reader client.Reader) (*witness, error) {
	var configurations admissionregistrationv1.ValidatingWebhookConfigurationList
	if err := reader.List(ctx, &configurations); err != nil {
		return nil, fmt.Errorf("looking for the webhook: %w", err)
	}
	for _, c := range configurations.Items {
		for _, w := range c.Webhooks {
			if w.ClientConfig.URL == nil {
				continue
			}
			parsed, err := url.Parse(*w.ClientConfig.URL)
			if err != nil {
				return nil, fmt.Errorf("reading the address of webhook %s: %w", w.Name, err)
			}
			return &witness{address: parsed.Host, certificates: map[string]bool{}, authorities: map[string]bool{}}, nil
		}
	}
	return nil, errors.New("no webhook is called at a URL")
}

// watch looks until ctx ends.
func (w *witness) watch(ctx context.Context) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	// It is not the witness who has to trust what it sees.
	dialer := &tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		connection, err := dialer.DialContext(ctx, "tcp", w.address)
		if err != nil {
			continue // requests tell whether that matters
		}
		if secure, ok := connection.(*tls.Conn); ok {
			for _, c := range secure.ConnectionState().PeerCertificates {
				w.certificates[c.SerialNumber.String()] = true
				w.authorities[hex.EncodeToString(c.AuthorityKeyId)] = true
			}
		}
		_ = connection.Close() // there is nothing to lose
	}
}
