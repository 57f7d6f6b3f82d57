package audit_test

import (
	"strings"
	"testing"

	"github.com/kerf-autoscaler/kerf/test/audit"
)

func TestLintFindsTheGrantsThatNobodyShouldHave(t *testing.T) {
	const secrets, webhooks = `apiGroups: [""], resources: [secrets]`, `apiGroups: [admissionregistration.k8s.io], resources: [mutatingwebhookconfigurations]`
	for name, tc := range map[string]struct {
		namespace, rule string
		want            string // part of the only breach; empty for none
	}{
		"all verbs":                     {"", `{apiGroups: [""], resources: [nodes], verbs: ["*"]}`, "wildcard"},
		"all resources":                 {"", `{apiGroups: [apps], resources: ["*"], verbs: [get]}`, "wildcard"},
		"a subresource of everything":   {"", `{apiGroups: [apps], resources: ["*/scale"], verbs: [get]}`, "wildcard"},
		"all groups":                    {"", `{apiGroups: ["*"], resources: [nodes], verbs: [get]}`, "wildcard"},
		"all paths below one":           {"", `{nonResourceURLs: ["/debug/*"], verbs: [get]}`, "wildcard"},
		"a secret everywhere":           {"", `{` + secrets + `, resourceNames: [s], verbs: [get]}`, "secret"},
		"a secret in another namespace": {"n", `{` + secrets + `, resourceNames: [s], verbs: [get]}`, "secret"},
		"all secrets of the own one":    {"own", `{` + secrets + `, verbs: [list]}`, "secret"},
		"a named secret of the own one": {"own", `{` + secrets + `, resourceNames: [s], verbs: [get, list, watch, update]}`, ""},
		"escalation":                    {"", `{apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles], verbs: [escalate]}`, "everything"},
		"binding":                       {"", `{apiGroups: [rbac.authorization.k8s.io], resources: [roles], verbs: [bind]}`, "everything"},
		"changing roles":                {"", `{apiGroups: [rbac.authorization.k8s.io], resources: [roles], verbs: [patch]}`, "everything"},
		"reading roles":                 {"", `{apiGroups: [rbac.authorization.k8s.io], resources: [roles], verbs: [get]}`, ""},
		"impersonation":                 {"", `{apiGroups: [""], resources: [users], verbs: [impersonate]}`, "everything"},
		"running commands in pods":      {"", `{apiGroups: [""], resources: [pods/exec], verbs: [create]}`, "containers"},
		"the API of kubelets":           {"", `{apiGroups: [""], resources: [nodes/proxy], verbs: [get]}`, "kubelets"},
		"tokens of accounts":            {"own", `{apiGroups: [""], resources: [serviceaccounts/token], verbs: [create]}`, "another one"},
		"approving certificates":        {"", `{apiGroups: [certificates.k8s.io], resources: [certificatesigningrequests/approval], verbs: [update]}`, "another one"},
		"any webhook":                   {"", `{` + webhooks + `, verbs: [patch]}`, "webhook"},
		"a webhook that is named":       {"", `{` + webhooks + `, resourceNames: [w], verbs: [patch]}`, ""},
		"reading webhooks":              {"", `{` + webhooks + `, verbs: [list]}`, ""},
		"leases of others":              {"own", `{apiGroups: [coordination.k8s.io], resources: [leases], verbs: [update]}`, "lease"},
		"leases of nodes":               {"kube-node-lease", `{apiGroups: [coordination.k8s.io], resources: [leases], resourceNames: [a], verbs: [get]}`, "lease"},
		"what nodes leave behind":       {"kube-node-lease", `{apiGroups: [coordination.k8s.io], resources: [leases], verbs: [list, delete]}`, ""},
		"what is left behind elsewhere": {"kube-system", `{apiGroups: [coordination.k8s.io], resources: [leases], verbs: [delete]}`, "lease"},
		"the own lease":                 {"own", `{apiGroups: [coordination.k8s.io], resources: [leases], resourceNames: [a], verbs: [get, update]}`, ""},
		"a lease that is not there yet": {"own", `{apiGroups: [coordination.k8s.io], resources: [leases], verbs: [create]}`, ""},
		"creating one with a name":      {"", `{apiGroups: [apps], resources: [deployments], resourceNames: [a], verbs: [create]}`, "no name yet"},
		"evicting one with a name":      {"", `{apiGroups: [""], resources: [pods/eviction], resourceNames: [a], verbs: [create]}`, ""},
		"all of a collection by name":   {"", `{apiGroups: [""], resources: [pods], resourceNames: [a], verbs: [deletecollection]}`, "no name"},
	} {
		t.Run(name, func(t *testing.T) {
			kind := "Role"
			if tc.namespace == "" {
				kind = "ClusterRole"
			}
			breaches := audit.Lint(grantsOf(t, role(tc.namespace, tc.rule), bound(kind, tc.namespace)), kerf())
			if tc.want == "" && len(breaches) > 0 || tc.want != "" && (len(breaches) != 1 || !strings.Contains(breaches[0], tc.want)) {
				t.Errorf("breaches %q, want one that mentions %q, or none if that is empty", breaches, tc.want)
			}
		})
	}
}

func TestLintFindsTheGrantsThatAddNothingToOthers(t *testing.T) {
	for name, tc := range map[string]struct {
		narrow, wide audit.Grant
		want         bool // that the narrow one adds nothing
	}{
		"one object of all":         {audit.Grant{Verb: "get", Resource: "nodes", Name: "a"}, audit.Grant{Verb: "get", Resource: "nodes"}, true},
		"one namespace of all":      {audit.Grant{Verb: "get", Resource: "pods", Namespace: "n"}, audit.Grant{Verb: "get", Resource: "pods"}, true},
		"one object, one namespace": {audit.Grant{Verb: "get", Resource: "pods", Name: "a"}, audit.Grant{Verb: "get", Resource: "pods", Namespace: "n"}, false},
		"the same of another role":  {audit.Grant{Verb: "get", Resource: "pods", Role: "Role a"}, audit.Grant{Verb: "get", Resource: "pods"}, true},
		"another verb":              {audit.Grant{Verb: "get", Resource: "nodes", Name: "a"}, audit.Grant{Verb: "list", Resource: "nodes"}, false},
		"one verb of all":           {audit.Grant{Verb: "get", Resource: "nodes"}, audit.Grant{Verb: "*", Resource: "nodes"}, true},
		"all verbs and one":         {audit.Grant{Verb: "*", Resource: "nodes"}, audit.Grant{Verb: "get", Resource: "nodes", Name: "a"}, false},
		"a subresource":             {audit.Grant{Verb: "get", Resource: "nodes/status"}, audit.Grant{Verb: "get", Resource: "nodes"}, false},
		"a subresource of any":      {audit.Grant{Verb: "get", Resource: "nodes/status"}, audit.Grant{Verb: "get", Resource: "*/status"}, true},
		"a path below another":      {audit.Grant{Verb: "get", Path: "/a/b/*"}, audit.Grant{Verb: "get", Path: "/a/*"}, true},
		"a path and all below it":   {audit.Grant{Verb: "get", Path: "/a/*"}, audit.Grant{Verb: "get", Path: "/a/b"}, false},
		"a path and all resources":  {audit.Grant{Verb: "get", Path: "/a"}, audit.Grant{Verb: "get", APIGroup: "*", Resource: "*"}, false},
		"a resource and all paths":  {audit.Grant{Verb: "get", Resource: "nodes"}, audit.Grant{Verb: "get", Path: "*"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			found := false
			for _, breach := range audit.Lint([]audit.Grant{tc.narrow, tc.wide}, kerf()) {
				found = found || strings.HasPrefix(breach, tc.narrow.String()+": it adds nothing")
			}
			if found != tc.want {
				t.Errorf("%v adds nothing to %v: %v, want %v", tc.narrow, tc.wide, found, tc.want)
			}
		})
	}
}
