package certificate

import (
	"bytes"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// webhook is one of the webhooks of a configuration.
type webhook struct {
	configuration, name string
	// config belongs to the configuration: a change of it is one of the configuration.
	config *admissionregistrationv1.WebhookClientConfig
	// trusted maps fingerprint of an authority -> true.
	trusted map[string]bool
}

// webhooks are all those that call this server.
type webhooks []webhook

// webhooksOf returns the webhooks of a configuration.
func webhooksOf(configuration client.Object) webhooks {
	var out webhooks
	add := func(name string, config *admissionregistrationv1.WebhookClientConfig) {
		out = append(out, webhook{configuration: configuration.GetName(), name: name, config: config, trusted: trusts(config.CABundle)})
	}
	switch c := configuration.(type) {
	case *admissionregistrationv1.MutatingWebhookConfiguration:
		for i := range c.Webhooks {
			add(c.Webhooks[i].Name, &c.Webhooks[i].ClientConfig)
		}
	case *admissionregistrationv1.ValidatingWebhookConfiguration:
		for i := range c.Webhooks {
			add(c.Webhooks[i].Name, &c.Webhooks[i].ClientConfig)
		}
	}
	return out
}

// trust reports whether every webhook trusts an authority; of no webhooks none does.
func (l webhooks) trust(id string) bool { return len(l) > 0 && l.distrust(id) == "" }

// distrust returns the name of a webhook that does not trust an authority, or nothing.
func (l webhooks) distrust(id string) string {
	for _, w := range l {
		if !w.trusted[id] {
			return fmt.Sprintf("%s of %s", w.name, w.configuration)
		}
	}
	return ""
}

// inject makes every webhook trust a bundle and nothing else, and reports whether that changed any.
func (l webhooks) inject(bundle []byte) bool {
	changed := false
	for _, w := range l {
		if !bytes.Equal(w.config.CABundle, bundle) {
			w.config.CABundle, changed = bundle, true
		}
	}
	return changed
}

// hosts returns the names under which API servers call the webhooks, in order.
func (l webhooks) hosts() []string {
	var out []string
	for _, w := range l {
		if host := host(w.config); host != "" {
			out = append(out, host)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// host returns the name that an API server expects a certificate for, which of a service is this one form only. It is empty
// where no certificate can have the name.
func host(config *admissionregistrationv1.WebhookClientConfig) string {
	var name string
	switch {
	case config.Service != nil:
		name = config.Service.Name + "." + config.Service.Namespace + ".svc"
	case config.URL != nil:
		parsed, err := url.Parse(*config.URL)
		if err != nil {
			return ""
		}
		name = parsed.Hostname()
	}
	if address, err := netip.ParseAddr(name); err == nil {
		return address.WithZone("").Unmap().String()
	}
	name = strings.ToLower(name)
	if len(validation.IsDNS1123Subdomain(name)) > 0 {
		return ""
	}
	return name
}
