package certificate

import "crypto/tls"

// TLS returns what a server has to set so that it serves the keeper's certificate, the one of the moment in each handshake.
// Serving certificates have ECDSA keys, so the suites are the ones for these, without those that encrypt in CBC mode. HTTP/2 is
// off: API servers do not ask for it when they call a Service, and it is a larger surface for nothing.
func (k *Keeper) TLS() func(*tls.Config) {
	return func(c *tls.Config) {
		c.MinVersion = tls.VersionTLS12
		c.CipherSuites = []uint16{ // of TLS 1.2; those of 1.3 are all good and cannot be chosen
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
		}
		c.NextProtos = []string{"http/1.1"}
		c.GetCertificate = k.certificate
	}
}
