package main

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// lookEvery is how often the witness looks, much more often than certificates change.
const lookEvery = 250 * time.Millisecond

// witness sees which certificates the webhook serves.
type witness struct {
	address string // of the webhooks: host:port
	// paths are those that the API server calls there, in order.
	paths []string
	// certificates and authorities that were seen, by serial number and by key.
	certificates, authorities map[string]bool
}

// newWitness finds the webhooks as the API server does.
func newWitness(ctx context.Context, reader client.Reader) (*witness, error) {
	var mutating admissionregistrationv1.MutatingWebhookConfigurationList
	var validating admissionregistrationv1.ValidatingWebhookConfigurationList
	if err := errors.Join(reader.List(ctx, &mutating), reader.List(ctx, &validating)); err != nil {
		return nil, fmt.Errorf("looking for webhooks: %w", err)
	}
	w := &witness{certificates: map[string]bool{}, authorities: map[string]bool{}}
	var errs []error
	for _, c := range mutating.Items {
		for _, hook := range c.Webhooks {
			errs = append(errs, w.add(hook.Name, hook.ClientConfig))
		}
	}
	for _, c := range validating.Items {
		for _, hook := range c.Webhooks {
			errs = append(errs, w.add(hook.Name, hook.ClientConfig))
		}
	}
	if w.address == "" {
		errs = append(errs, errors.New("no webhook is called at a URL"))
	}
	slices.Sort(w.paths)
	w.paths = slices.Compact(w.paths)
	return w, errors.Join(errs...)
}

// add notes where a webhook is called.
func (w *witness) add(name string, config admissionregistrationv1.WebhookClientConfig) error {
	if config.URL == nil {
		return nil
	}
	parsed, err := url.Parse(*config.URL)
	if err != nil {
		return fmt.Errorf("reading the address of webhook %s: %w", name, err)
	}
	w.address, w.paths = parsed.Host, append(w.paths, parsed.Path)
	return nil
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
