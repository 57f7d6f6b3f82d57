package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
)

const (
	auditPolicyFile = "audit-policy.json"
	auditLogFile    = "audit.log"
	// auditLogSize is how large the audit log may grow, in MiB: larger than any run makes it, so that nothing is ever
	// rotated away from under its reader.
	auditLogSize = 64 << 10
)

// auditRule and auditPolicy are the part of audit.k8s.io/v1 that a cluster has use for.
type auditRule struct {
	Level string   `json:"level"`
	Users []string `json:"users,omitempty"`
}

type auditPolicy struct {
	APIVersion string      `json:"apiVersion"`
	Kind       string      `json:"kind"`
	OmitStages []string    `json:"omitStages"`
	Rules      []auditRule `json:"rules"`
}

// AuditLog returns the path of the audit log, one event of audit.k8s.io/v1 as JSON on each line. There is none if the
// options name no users to audit. A request is in it before its client has the whole answer, a watch before it begins.
func (c *Cluster) AuditLog() string { return c.auditLog }

// auditArguments returns the flags that have the API server keep an audit log; none if there is nobody to audit.
func auditArguments(l *layout, options Options) []string {
	if len(options.AuditUsers) == 0 {
		return nil
	}
	return []string{
		"--audit-policy-file=" + l.path(auditPolicyFile),
		"--audit-log-path=" + l.path(auditLogFile),
		"--audit-log-mode=blocking", // no buffer that could be lost
		fmt.Sprintf("--audit-log-maxsize=%d", auditLogSize),
	}
}

// auditPolicyWriter returns what writes down whose requests are recorded: who asked for what and how that was decided, not
// what was sent. It is nil if there is nobody to audit.
func (l *layout) auditPolicyWriter(users []string) func(context.Context) error {
	if len(users) == 0 {
		return nil
	}
	return func(context.Context) error {
		policy, err := json.Marshal(auditPolicy{
			APIVersion: "audit.k8s.io/v1",
			Kind:       "Policy",
			// When a request has just come in nothing is decided yet.
			OmitStages: []string{"RequestReceived"},
			Rules:      []auditRule{{Level: "Metadata", Users: users}, {Level: "None"}},
		})
		if err != nil {
			return fmt.Errorf("encoding the audit policy: %w", err)
		}
		if err := os.WriteFile(l.path(auditPolicyFile), policy, 0o600); err != nil {
			return fmt.Errorf("writing the audit policy: %w", err)
		}
		return nil
	}
}
