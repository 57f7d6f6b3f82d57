package userdata

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/mail"
	"net/textproto"
	"slices"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"
)

// Media types of documents that instances read at boot.
const (
	typeScript     = `text/x-shellscript; charset="us-ascii"`
	typeNodeConfig = "application/node.eks.aws"
)

// headerType names the one header that every document has.
const headerType = "Content-Type"

// part is one document of the user data: its headers in order, and its text.
type part struct {
	headers []string
	body    string
}

func newPart(mediaType, body string) part {
	return part{headers: []string{headerType + ": " + mediaType}, body: body}
}

// message wraps documents as cloud-init and nodeadm read them, in the order in which they take effect. The boundary is one that
// no line of a document starts with.
func message(parts ...part) string {
	boundary := "//"
	for n := 1; slices.ContainsFunc(parts, func(p part) bool { return strings.Contains(p.body, "--"+boundary) }); n++ {
		boundary = "//" + strconv.Itoa(n)
	}
	var out strings.Builder
	out.WriteString("MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"" + boundary + "\"\n\n")
	for _, p := range parts {
		out.WriteString("--" + boundary + "\n" + strings.Join(p.headers, "\n") + "\n\n" + p.body + "\n")
	}
	out.WriteString("--" + boundary + "--\n")
	return out.String()
}

func checkParts(own string) error {
	_, err := partsOf(own)
	return err
}

// partsOf returns the documents of the user's own part: those of a MIME message, else the one that its first line tells.
func partsOf(own string) ([]part, error) {
	text := strings.TrimLeft(own, " \t\r\n")
	if text == "" {
		return nil, nil
	}
	if start := strings.ToLower(text[:min(len(text), len("mime-version:"))]); strings.HasPrefix(start, "mime-version:") || strings.HasPrefix(start, "content-type:") {
		parts, err := readMessage(text)
		if err != nil {
			return nil, fmt.Errorf("reading the MIME message: %w", err)
		}
		return parts, nil
	}
	return []part{newPart(typeOf(text), text)}, nil
}

// readMessage takes a MIME message apart and leaves what is in each part as it is, however it is encoded.
func readMessage(text string) ([]part, error) {
	m, err := mail.ReadMessage(strings.NewReader(text))
	if err != nil {
		return nil, err
	}
	mediaType, parameters, err := mime.ParseMediaType(m.Header.Get(headerType))
	if err != nil {
		return nil, fmt.Errorf("its %s: %w", headerType, err)
	}
	if !strings.HasPrefix(mediaType, "multipart/") {
		body, err := io.ReadAll(m.Body)
		return []part{{headersOf(textproto.MIMEHeader(m.Header)), string(body)}}, err
	}
	if parameters["boundary"] == "" {
		return nil, errors.New("it names no boundary")
	}
	var out []part
	reader := multipart.NewReader(m.Body, parameters["boundary"])
	for {
		p, err := reader.NextRawPart()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("part %d: %w", len(out)+1, err)
		}
		body, err := io.ReadAll(p)
		if err != nil {
			return nil, fmt.Errorf("part %d: %w", len(out)+1, err)
		}
		out = append(out, part{headersOf(p.Header), string(body)})
	}
}

// headersOf returns the headers of a document: its type first, the others in order, those that belong to the message aside.
func headersOf(h textproto.MIMEHeader) []string {
	mediaType := h.Get(headerType)
	if mediaType == "" {
		mediaType = "text/plain" // cloud-init then goes by the first line
	}
	out := []string{headerType + ": " + mediaType}
	for _, key := range slices.Sorted(maps.Keys(h)) {
		if key == headerType || key == "Mime-Version" {
			continue
		}
		for _, value := range h[key] {
			out = append(out, key+": "+value)
		}
	}
	return out
}

// typeOf returns the media type of a document that states none, by its first line. What has no telling one is a script.
func typeOf(text string) string {
	for _, t := range []struct{ start, mediaType string }{
		{"#cloud-config-archive", "text/cloud-config-archive"},
		{"#cloud-config", "text/cloud-config"},
		{"#cloud-boothook", "text/cloud-boothook"},
		{"#include-once", "text/x-include-once-url"},
		{"#include", "text/x-include-url"},
		{"#part-handler", "text/part-handler"},
		{"## template: jinja", "text/jinja2"},
	} {
		if strings.HasPrefix(text, t.start) {
			return t.mediaType
		}
	}
	if isNodeConfig(text) {
		return typeNodeConfig
	}
	return typeScript
}

func isNodeConfig(text string) bool {
	var document struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
	}
	if err := yaml.Unmarshal([]byte(text), &document); err != nil {
		return false
	}
	return document.Kind == nodeConfigKind && strings.HasPrefix(document.APIVersion, nodeConfigGroup+"/")
}
