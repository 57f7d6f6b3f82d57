// Package policy holds what kerf, its nodes and its queue may do at AWS. It is the one source of the copies in docs/install.
package policy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// Version of the policy language.
const Version = "2012-10-17"

// Document is an IAM policy. What differs between accounts and clusters stands in it as variables such as {cluster}.
type Document struct {
	Version   string
	Statement []Statement
}

// Statement allows or denies actions on resources.
type Statement struct {
	Sid       string          `json:",omitempty"`
	Effect    string          // Allow or Deny
	Principal map[string]List `json:",omitempty"` // kind of principal -> who; only in policies of resources
	Action    List
	Resource  List      `json:",omitempty"` // not there in policies about who may take a role
	Condition Condition `json:",omitempty"`
}

// Condition maps operator -> key -> values. All operators and keys have to match, and one value of each.
type Condition map[string]map[string]List

// List is one or more strings; JSON may hold a single one without brackets.
type List []string

// MarshalJSON writes a single string without brackets.
func (l List) MarshalJSON() ([]byte, error) {
	if len(l) == 1 {
		return json.Marshal(l[0])
	}
	return json.Marshal([]string(l))
}

// UnmarshalJSON reads both forms.
func (l *List) UnmarshalJSON(data []byte) error {
	var single string
	if json.Unmarshal(data, &single) == nil {
		*l = List{single}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(l))
}

// Variables of a document.
const (
	Partition      = "{partition}" // aws, aws-cn or aws-us-gov
	Domain         = "{domain}"    // of the partition's services: amazonaws.com, or amazonaws.com.cn
	Region         = "{region}"
	Account        = "{account}"
	Cluster        = "{cluster}"
	NodeRole       = "{nodeRole}"       // ARN
	Queue          = "{queue}"          // ARN
	Issuer         = "{issuer}"         // of the cluster's OIDC tokens, without https://
	Namespace      = "{namespace}"      // of the controller
	ServiceAccount = "{serviceAccount}" // of the controller
)

// Rule is the variable for the ARN of an event rule.
func Rule(event string) string { return "{rule" + event + "}" }

// Spelling maps variable -> how a copy spells it.
type Spelling map[string]string

// Render returns the document as JSON, its variables spelled out.
func (d Document) Render(s Spelling) (string, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(d); err != nil {
		return "", fmt.Errorf("writing a policy: %w", err)
	}
	return s.Apply(out.String()), nil
}

// Apply spells the variables of a text out.
func (s Spelling) Apply(text string) string {
	var pairs []string
	for variable, spelled := range s {
		pairs = append(pairs, variable, spelled)
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// Parse reads a policy. Keys that it does not know are refused: what is not understood cannot be judged.
func Parse(text string) (Document, error) {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	var d Document
	if err := decoder.Decode(&d); err != nil {
		return Document{}, fmt.Errorf("reading a policy: %w", err)
	}
	return d, nil
}
