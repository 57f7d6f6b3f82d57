package audit_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kerf-autoscaler/kerf/test/audit"
)

// kerf is an account as the one that kerf has.
func kerf() audit.Account { return audit.Account{Namespace: "own", Name: "kerf"} }

// grantsOf returns what manifests allow kerf to do.
func grantsOf(t *testing.T, manifests ...string) []audit.Grant {
	t.Helper()
	objects, err := audit.ParseObjects([]byte(strings.Join(manifests, "\n---\n")))
	if err != nil {
		t.Fatal(err)
	}
	grants, err := objects.Grants(kerf())
	if err != nil {
		t.Fatal(err)
	}
	return grants
}

// role returns a manifest of a role with rules in YAML flow style; a role in no namespace is a ClusterRole.
func role(namespace string, rules ...string) string {
	return manifest("Role", namespace, "rules: ["+strings.Join(rules, ", ")+"]")
}

// bound returns a manifest that binds such a role, or a ClusterRole in a namespace, to kerf.
func bound(kind, namespace string) string {
	return manifest("RoleBinding", namespace, `roleRef: {apiGroup: rbac.authorization.k8s.io, kind: `+kind+`, name: it}
subjects: [{kind: ServiceAccount, name: kerf, namespace: own}]`)
}

func manifest(kind, namespace, content string) string {
	if namespace == "" {
		kind = "Cluster" + kind
	}
	return fmt.Sprintf("apiVersion: rbac.authorization.k8s.io/v1\nkind: %s\nmetadata: {name: it, namespace: %q}\n%s", kind, namespace, content)
}

const twoByTwo = `{apiGroups: ["", apps], resources: [pods, nodes/status], resourceNames: [a, b], verbs: [get, list]}`

func TestARuleIsAsManyGrantsAsItCanBeTakenApartInto(t *testing.T) {
	grants := grantsOf(t, role("", twoByTwo, `{nonResourceURLs: [/a, /b], verbs: [get]}`), bound("ClusterRole", ""))
	if len(grants) != 2*2*2*2+2 {
		t.Errorf("%d grants: %v", len(grants), grants)
	}
	want := audit.Grant{Role: "ClusterRole it", APIGroup: "apps", Resource: "nodes/status", Name: "b", Verb: "list"}
	if !slices.Contains(grants, want) {
		t.Errorf("%+v is not among %v", want, grants)
	}
}

func TestABindingSaysWhereARoleHolds(t *testing.T) {
	const rule, path = `{apiGroups: [""], resources: [pods], verbs: [get]}`, `{nonResourceURLs: [/a], verbs: [get]}`
	for name, tc := range map[string]struct {
		manifests []string
		want      []audit.Grant
	}{
		"a ClusterRole everywhere": {
			[]string{role("", rule, path), bound("ClusterRole", "")},
			[]audit.Grant{{Role: "ClusterRole it", Path: "/a", Verb: "get"}, {Role: "ClusterRole it", Resource: "pods", Verb: "get"}},
		},
		"a ClusterRole in a namespace, where paths are nothing": {
			[]string{role("", rule, path), bound("ClusterRole", "n")},
			[]audit.Grant{{Role: "ClusterRole it", Namespace: "n", Resource: "pods", Verb: "get"}},
		},
		"a Role in its namespace": {
			[]string{role("n", rule), bound("Role", "n")},
			[]audit.Grant{{Role: "Role it", Namespace: "n", Resource: "pods", Verb: "get"}},
		},
		"one grant for what two bindings give": {
			[]string{role("", rule, rule), bound("ClusterRole", ""), bound("ClusterRole", "")},
			[]audit.Grant{{Role: "ClusterRole it", Resource: "pods", Verb: "get"}},
		},
		"nothing of a role that is not bound":    {[]string{role("", rule)}, nil},
		"nothing of a role that is for others":   {[]string{role("", rule), strings.Replace(bound("ClusterRole", ""), "name: kerf", "name: other", 1)}, nil},
		"nothing of a namesake's role":           {[]string{role("", rule), strings.Replace(bound("ClusterRole", ""), ": own", ": elsewhere", 1)}, nil},
		"nothing of a role of another namespace": {[]string{role("n", rule), role("m"), bound("Role", "m")}, nil},
		"objects of other kinds are passed over": {[]string{"apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: kerf}", "# only a comment"}, nil},
		"a list is as good as its parts": {
			[]string{`{"apiVersion":"v1","kind":"List","items":[
				{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"it"},
				 "rules":[{"apiGroups":[""],"resources":["pods"],"verbs":["get"]}]},
				{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"it"},
				 "roleRef":{"kind":"ClusterRole","name":"it"},"subjects":[{"kind":"User","name":"system:serviceaccount:own:kerf"}]}]}`},
			[]audit.Grant{{Role: "ClusterRole it", Resource: "pods", Verb: "get"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, append([]audit.Grant(nil), grantsOf(t, tc.manifests...)...)); diff != "" {
				t.Errorf("grants (-want +got):\n%s", diff)
			}
		})
	}
}

func TestObjectsThatDoNotSayWhatTheyAllowAreRefused(t *testing.T) {
	for name, tc := range map[string]struct{ manifests, want string }{
		"a role that is not there": {bound("ClusterRole", ""), "there is no ClusterRole it"},
		"a role made of other roles": {
			manifest("Role", "", "aggregationRule: {clusterRoleSelectors: [{matchLabels: {a: b}}]}") + "\n---\n" + bound("ClusterRole", ""),
			"made of other roles",
		},
		"a field that is misspelt": {role("", `{apiGroups: [""], resources: [pods], verb: [get]}`), "unknown field"},
		"an unknown kind":          {manifest("Rule", "", ""), "unknown kind ClusterRule"},
		"what is no YAML":          {"kind: [", "reading manifests"},
	} {
		t.Run(name, func(t *testing.T) {
			objects, err := audit.ParseObjects([]byte(tc.manifests))
			if err == nil {
				_, err = objects.Grants(kerf())
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one that says %q", err, tc.want)
			}
		})
	}
}
