package audit

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
)

// rule is something that no grant of the account may be.
type rule struct {
	// breach says what is wrong with a grant that broken finds wrong.
	breach string
	broken func(g Grant, a Account) bool
}

// Lint returns what is wrong with the grants of an account, whether they are used or not: one line for each breach.
func Lint(grants []Grant, a Account) []string {
	var breaches []string
	for i, g := range grants {
		for _, r := range rules() {
			if r.broken(g, a) {
				breaches = append(breaches, fmt.Sprintf("%s: %s", g, r.breach))
			}
		}
		for j, other := range grants {
			if i != j && g.within(other) {
				breaches = append(breaches, fmt.Sprintf("%s: it adds nothing to %s", g, other))
			}
		}
	}
	return breaches
}

func rules() []rule {
	return []rule{
		{"it has a wildcard, so it grows with every release of anything", func(g Grant, _ Account) bool {
			return strings.Contains(g.Verb+g.APIGroup+g.Resource+g.Path, rbacv1.VerbAll)
		}},
		{"a secret may be named in the own namespace, and nowhere else", func(g Grant, a Account) bool {
			return g.of("", "secrets") && (g.Namespace != a.Namespace || g.Name == "")
		}},
		{"one who may do this may do everything", func(g Grant, _ Account) bool {
			return slices.Contains([]string{"escalate", "bind", "impersonate"}, g.Verb) ||
				g.of(rbacv1.GroupName, "roles", "clusterroles", "rolebindings", "clusterrolebindings") && !g.reads()
		}},
		{"it reaches into running containers and kubelets", func(g Grant, _ Account) bool {
			return g.of("", "pods/exec", "pods/attach", "pods/portforward", "pods/proxy", "pods/ephemeralcontainers",
				"services/proxy", "nodes/proxy")
		}},
		{"it lets the account become another one", func(g Grant, _ Account) bool {
			return g.of("", "serviceaccounts/token") || g.of("certificates.k8s.io", "certificatesigningrequests/approval", "signers")
		}},
		{"only webhook configurations that are named may be changed: others hold sway over the whole cluster", func(g Grant, _ Account) bool {
			return g.of("admissionregistration.k8s.io", "mutatingwebhookconfigurations", "validatingwebhookconfigurations") &&
				!g.reads() && g.Name == ""
		}},
		{"a lease that exists is to be named: those of others are none of its business, but for those that nodes leave behind", meddlesLeases},
		{"it allows nothing: what is created has no name yet", func(g Grant, _ Account) bool {
			return g.Verb == "create" && g.Name != "" && !strings.Contains(g.Resource, "/")
		}},
		{"it allows nothing: a collection has no name", func(g Grant, _ Account) bool {
			return g.Verb == "deletecollection" && g.Name != ""
		}},
	}
}

// of says whether the grant is about one of the resources. Wildcards, which have a rule of their own, are not expanded.
func (g Grant) of(group string, resources ...string) bool {
	return g.Path == "" && g.APIGroup == group && slices.Contains(resources, g.Resource)
}

func (g Grant) reads() bool {
	return slices.Contains([]string{"get", "list", "watch"}, g.Verb)
}

// meddlesLeases reports whether a grant is about leases that are neither the account's own nor what nodes leave behind.
func meddlesLeases(g Grant, a Account) bool {
	sweeps := g.Namespace == corev1.NamespaceNodeLease && (g.Verb == "list" || g.Verb == "delete")
	return g.of("coordination.k8s.io", "leases") && !sweeps && (g.Namespace != a.Namespace || g.Name == "" && g.Verb != "create")
}
