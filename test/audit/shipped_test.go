package audit_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"

	"github.com/kerf-autoscaler/kerf/test/audit"
)

// shippedAccount is whom the manifests in config/ speak of.
func shippedAccount() audit.Account { return audit.Account{Namespace: "karpenter", Name: "karpenter"} }

// shippedRoles returns the roles in config/rbac and, as text, the other objects there. A ClusterRole without aggregation has the fields
// of a Role.
func shippedRoles(t *testing.T) (roles []rbacv1.Role, rest string) {
	t.Helper()
	read := func(name string) string {
		content, err := os.ReadFile(filepath.Join("..", "..", "config", "rbac", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}
	for document := range strings.SplitSeq(strings.TrimPrefix(read("role.yaml"), "---\n"), "---\n") {
		var role rbacv1.Role
		if err := yaml.UnmarshalStrict([]byte(document), &role); err != nil {
			t.Fatal(err)
		}
		if len(role.Rules) == 0 {
			t.Fatalf("a %s in config/rbac/role.yaml has no rules", role.Kind)
		}
		roles = append(roles, role)
	}
	return roles, read("role_binding.yaml")
}

// shippedGrants returns what roles allow when they are bound as config/rbac binds them.
func shippedGrants(t *testing.T, roles []rbacv1.Role, rest string) []audit.Grant {
	t.Helper()
	manifests := []string{rest}
	for _, role := range roles {
		encoded, err := yaml.Marshal(role)
		if err != nil {
			t.Fatal(err)
		}
		manifests = append(manifests, string(encoded))
	}
	objects, err := audit.ParseObjects([]byte(strings.Join(manifests, "\n---\n")))
	if err != nil {
		t.Fatal(err)
	}
	grants, err := objects.Grants(shippedAccount())
	if err != nil {
		t.Fatal(err)
	}
	return grants
}

// without returns the roles less one rule.
func without(roles []rbacv1.Role, role, rule int) []rbacv1.Role {
	less := slices.Clone(roles)
	less[role].Rules = slices.Delete(slices.Clone(roles[role].Rules), rule, rule+1)
	return less
}

func TestTheShippedRoleHoldsNoGrantThatNobodyShouldHave(t *testing.T) {
	roles, rest := shippedRoles(t)
	for _, breach := range audit.Lint(shippedGrants(t, roles, rest), shippedAccount()) {
		t.Error(breach)
	}
}

// everything returns a request for each grant: what is asked for by somebody who uses all of them.
func everything(grants []audit.Grant) []audit.Request {
	var all []audit.Request
	for _, g := range grants {
		r := audit.Request{Verb: g.Verb, APIGroup: g.APIGroup, Resource: g.Resource, Namespace: g.Namespace, Name: g.Name, Path: g.Path}
		if g.Namespace == "" && g.Path == "" {
			r.Namespace = "anywhere"
		}
		all = append(all, r)
	}
	return all
}

// serve decides requests as an API server does that knows these grants.
func serve(grants []audit.Grant, requests []audit.Request) []audit.Entry {
	var entries []audit.Entry
	for _, r := range requests {
		e := audit.Entry{Request: r, User: shippedAccount().User(), Decision: audit.Forbidden}
		if slices.ContainsFunc(grants, func(g audit.Grant) bool { return g.Covers(r) }) {
			e.Decision = audit.Allowed
		}
		entries = append(entries, e)
	}
	return entries
}

// TestDroppingAnyRuleOfTheShippedRoleIsNoticed takes the rules away one by one, and the use of what they grant.
func TestDroppingAnyRuleOfTheShippedRoleIsNoticed(t *testing.T) {
	roles, rest := shippedRoles(t)
	grants := shippedGrants(t, roles, rest)
	requests := everything(grants)
	if problems := audit.Examine(shippedAccount(), grants, serve(grants, requests)).Problems(true); len(problems) > 0 {
		t.Fatalf("who is granted all that is used, and uses all that is granted, has problems: %q", problems)
	}
	for i, role := range roles {
		for j := range role.Rules {
			t.Run(fmt.Sprintf("rule %d of %s %s/%s", j, role.Kind, role.Namespace, role.Name), func(t *testing.T) {
				dropIsNoticed(t, grants, shippedGrants(t, without(roles, i, j), rest))
			})
		}
	}
}

// dropIsNoticed looks at what is said where there are fewer grants than kerf needs, or more than it uses.
func dropIsNoticed(t *testing.T, grants, fewer []audit.Grant) {
	t.Helper()
	requests := everything(grants)
	dropped := slices.DeleteFunc(slices.Clone(grants), func(g audit.Grant) bool { return slices.Contains(fewer, g) })
	if len(dropped) == 0 {
		t.Error("it grants nothing that other rules do not")
	}
	// The rule is missing where kerf runs: what it granted is forbidden.
	report := audit.Examine(shippedAccount(), fewer, serve(fewer, requests))
	if diff := cmp.Diff(nameless(everything(dropped)), nameless(requestsOf(report.Forbidden))); diff != "" {
		t.Errorf("forbidden without it (-want +got):\n%s", diff)
	}
	// The rule is missing in what is shipped, and somebody has put it back by hand.
	report = audit.Examine(shippedAccount(), fewer, serve(grants, requests))
	if diff := cmp.Diff(nameless(everything(dropped)), nameless(requestsOf(report.Borrowed))); diff != "" {
		t.Errorf("granted by others without it (-want +got):\n%s", diff)
	}
	// The rule is there, and kerf has no use for it any more.
	report = audit.Examine(shippedAccount(), grants, serve(grants, everything(fewer)))
	var unused []audit.Grant
	for _, u := range report.Unused() {
		unused = append(unused, u.Grant)
	}
	if diff := cmp.Diff(dropped, unused); diff != "" {
		t.Errorf("unused when it is (-want +got):\n%s", diff)
	}
}

func requestsOf(tallies []audit.Tally) []audit.Request {
	var requests []audit.Request
	for _, t := range tallies {
		requests = append(requests, t.Request)
	}
	return requests
}

// nameless returns the requests as they are counted: together if they differ in the names of objects only.
func nameless(requests []audit.Request) []audit.Request {
	var once []audit.Request
	for _, r := range requests {
		r.Name = ""
		if !slices.Contains(once, r) {
			once = append(once, r)
		}
	}
	return once
}
