package kubelets

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"net/textproto"
	"strings"
)

// partKind says which program of the image reads a part.
type partKind int

const (
	partOther partKind = iota
	partScript
	partNodeConfig
)

// part is one document of the user data.
type part struct {
	kind partKind
	body string
}

// splitParts takes user data apart the way cloud-init and nodeadm do: by its first bytes.
func splitParts(userData string) ([]part, error) {
	trimmed := strings.TrimLeft(userData, " \t\r\n")
	switch {
	case strings.HasPrefix(trimmed, "#!"):
		return []part{{partScript, trimmed}}, nil
	case strings.HasPrefix(strings.ToLower(trimmed), "mime-version:"), strings.HasPrefix(strings.ToLower(trimmed), "content-type:"):
		return splitMIME(trimmed)
	case strings.Contains(trimmed, "kind: NodeConfig"):
		return []part{{partNodeConfig, trimmed}}, nil
	default:
		return nil, errors.New("the user data is neither a MIME message, nor a script, nor a NodeConfig")
	}
}

func splitMIME(userData string) ([]part, error) {
	message, err := mail.ReadMessage(strings.NewReader(userData))
	if err != nil {
		return nil, fmt.Errorf("reading the MIME headers: %w", err)
	}
	mediaType, parameters, err := mime.ParseMediaType(message.Header.Get("Content-Type"))
	if err != nil {
		return nil, fmt.Errorf("reading the MIME type: %w", err)
	}
	if !strings.HasPrefix(mediaType, "multipart/") {
		return nil, fmt.Errorf("the MIME message is %s, not multipart", mediaType)
	}
	var parts []part
	reader := multipart.NewReader(message.Body, parameters["boundary"])
	for {
		p, err := reader.NextPart()
		if errors.Is(err, io.EOF) {
			return parts, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading a MIME part: %w", err)
		}
		body, err := io.ReadAll(decoded(p))
		if err != nil {
			return nil, fmt.Errorf("reading a MIME part: %w", err)
		}
		kind, err := kindOf(p.Header)
		if err != nil {
			return nil, err
		}
		parts = append(parts, part{kind, string(body)})
	}
}

// decoded reads a part as it was before it was encoded for transport.
func decoded(p *multipart.Part) io.Reader {
	if strings.EqualFold(p.Header.Get("Content-Transfer-Encoding"), "base64") {
		return base64.NewDecoder(base64.StdEncoding, p)
	}
	return p // the reader of the message has dealt with quoted-printable
}

func kindOf(header textproto.MIMEHeader) (partKind, error) {
	mediaType, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil {
		return partOther, fmt.Errorf("reading the type of a MIME part: %w", err)
	}
	switch mediaType {
	case "text/x-shellscript":
		return partScript, nil
	case "application/node.eks.aws":
		return partNodeConfig, nil
	default:
		return partOther, nil
	}
}
