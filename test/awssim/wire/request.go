// Package wire turns HTTP requests of AWS clients into typed calls and answers into the documents those clients parse.
package wire

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/kerf-autoscaler/kerf/test/awssim/apierror"
)

// maxBody bounds a request; EC2's own limit for a Query request is of this order.
const maxBody = 4 << 20

// Request is one call of an AWS API, still undecoded.
type Request struct {
	ID         string
	HTTP       *http.Request
	Credential Credential
	Form       url.Values // of a Query request, from the body and the query string
	Body       []byte
	Service    string // ec2, ssm, pricing, eks, sts, sqs
	Action     string
	// LaunchRefused says why what EC2 would launch in the name of the caller is not allowed; nil if it is.
	LaunchRefused *apierror.Error
}

// Response is the answer to a Request. Abort closes the connection without an answer.
type Response struct {
	Status      int
	ContentType string
	Header      map[string]string
	Body        []byte
	Abort       bool
}

// Credential is what a signature says of its maker.
type Credential struct {
	AccessKeyID string
	Date        string
	Region      string
	Service     string
	Signed      bool // a signature of the right form is there; its value is not checked
}

// Read takes a request off the connection and finds out what it calls.
func Read(id string, r *http.Request) (*Request, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return nil, fmt.Errorf("reading the body: %w", err)
	}
	if len(body) > maxBody {
		return nil, fmt.Errorf("the body is larger than %d bytes", maxBody)
	}
	form := r.URL.Query()
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		posted, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, fmt.Errorf("parsing the form: %w", err)
		}
		for name, values := range posted {
			form[name] = append(form[name], values...)
		}
	}
	req := &Request{ID: id, HTTP: r, Body: body, Form: form, Credential: credentialOf(r)}
	req.Service = serviceOf(req)
	req.Action = actionOf(req)
	return req, nil
}

// credentialOf reads the SigV4 credential scope from the Authorization header, or from the query string of a presigned URL.
func credentialOf(r *http.Request) Credential {
	scope, signature := r.URL.Query().Get("X-Amz-Credential"), r.URL.Query().Get("X-Amz-Signature")
	if rest, ok := strings.CutPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 "); ok {
		for part := range strings.SplitSeq(rest, ",") {
			name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
			switch name {
			case "Credential":
				scope = value
			case "Signature":
				signature = value
			}
		}
	}
	parts := strings.Split(scope, "/")
	if len(parts) != 5 {
		return Credential{}
	}
	return Credential{
		AccessKeyID: parts[0], Date: parts[1], Region: parts[2], Service: parts[3],
		Signed: parts[4] == "aws4_request" && len(signature) == 64,
	}
}

// apiVersions names the service of an unsigned Query request, which carries its API's date.
func apiVersions(version string) string {
	switch version {
	case "2016-11-15":
		return "ec2"
	case "2011-06-15":
		return "sts"
	}
	return ""
}

// targets names the service of a JSON request by the prefix of its X-Amz-Target.
func targets(prefix string) string {
	switch prefix {
	case "AmazonSSM":
		return "ssm"
	case "AWSPriceListService":
		return "pricing"
	case "AmazonSQS":
		return "sqs"
	}
	return ""
}

func serviceOf(r *Request) string {
	if r.Credential.Service != "" {
		return r.Credential.Service
	}
	if prefix, _, ok := strings.Cut(r.HTTP.Header.Get("X-Amz-Target"), "."); ok {
		return targets(prefix)
	}
	if strings.HasPrefix(r.HTTP.URL.Path, "/clusters") {
		return "eks"
	}
	return apiVersions(r.Form.Get("Version"))
}

// actionOf names the action as the service's own reference does; REST services have no name on the wire, so theirs is method and path.
func actionOf(r *Request) string {
	if _, action, ok := strings.Cut(r.HTTP.Header.Get("X-Amz-Target"), "."); ok {
		return action
	}
	if action := r.Form.Get("Action"); action != "" {
		return action
	}
	if r.Service == "eks" && r.HTTP.Method == http.MethodGet {
		if name, ok := strings.CutPrefix(r.HTTP.URL.Path, "/clusters/"); ok && name != "" && !strings.Contains(name, "/") {
			return "DescribeCluster"
		}
	}
	return r.HTTP.Method + " " + r.HTTP.URL.Path
}
