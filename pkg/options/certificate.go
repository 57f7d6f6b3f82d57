package options

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/pflag"
)

var _ pflag.Value = (*certificates)(nil)

// certificates is PEM that is given in base64, as a kubeconfig has it.
type certificates string

// Set decodes and checks a value.
func (c *certificates) Set(value string) error {
	decoded, err := base64.StdEncoding.DecodeString(strings.TrimSpace(value))
	if err != nil {
		return errors.New("it has to be PEM in base64")
	}
	block, _ := pem.Decode(decoded)
	if block == nil {
		return errors.New("it has to be PEM in base64")
	}
	if _, err := x509.ParseCertificate(block.Bytes); err != nil {
		return fmt.Errorf("reading the certificate: %w", err)
	}
	*c = certificates(decoded)
	return nil
}

// String returns the value as it was given.
func (c *certificates) String() string { return base64.StdEncoding.EncodeToString([]byte(*c)) }

// Type names the kind of value in the help.
func (c *certificates) Type() string { return "base64" }
