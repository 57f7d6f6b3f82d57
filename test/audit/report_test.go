package audit_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kerf-autoscaler/kerf/test/audit"
)

// allowed and forbidden are requests of kerf as a log has them.
func allowed(r audit.Request) audit.Entry {
	return audit.Entry{Request: r, User: kerf().User(), Decision: audit.Allowed}
}

func forbidden(r audit.Request) audit.Entry {
	return audit.Entry{Request: r, User: kerf().User(), Decision: audit.Forbidden, Reason: "no"}
}

func TestAReportTellsWhatIsMissingAndWhatIsTooMuch(t *testing.T) {
	node, nodes := audit.Request{Verb: "get", Resource: "nodes", Name: "a"}, audit.Request{Verb: "list", Resource: "nodes"}
	lease := audit.Request{Verb: "get", APIGroup: "apps", Resource: "deployments", Namespace: "own", Name: "l"}
	abroad := audit.Request{Verb: "get", APIGroup: "apps", Resource: "deployments", Namespace: "else", Name: "l"}
	other := audit.Request{Verb: "get", Resource: "nodes", Name: "b"}
	get := audit.Grant{Role: "ClusterRole it", Verb: "get", Resource: "nodes"}
	list := audit.Grant{Role: "ClusterRole it", Verb: "list", Resource: "nodes"}
	wide := audit.Grant{Role: "ClusterRole it", Verb: "get", APIGroup: "apps", Resource: "deployments"}
	stranger := forbidden(node)
	stranger.User = "system:serviceaccount:own:other"
	for name, tc := range map[string]struct {
		grants  []audit.Grant
		entries []audit.Entry
		always  []string // problems whatever has run
		ifAll   []string // problems that come on top if everything has run
	}{
		"all is well": {[]audit.Grant{get, list}, []audit.Entry{allowed(node), allowed(nodes), allowed(node)}, nil, nil},
		"a grant that is not used": {
			[]audit.Grant{get, list}, []audit.Entry{allowed(node)}, nil,
			[]string{"granted, but never used: list nodes (ClusterRole it)"},
		},
		"a watch that begins with all objects stands for a list": {
			[]audit.Grant{list, {Role: "ClusterRole it", Verb: "watch", Resource: "nodes"}},
			[]audit.Entry{{Request: audit.Request{Verb: "watch", Resource: "nodes"}, User: kerf().User(), Decision: audit.Allowed, Streamed: true}}, nil, nil,
		},
		"a watch alone stands for none": {
			[]audit.Grant{list, {Role: "ClusterRole it", Verb: "watch", Resource: "nodes"}},
			[]audit.Entry{{Request: audit.Request{Verb: "watch", Resource: "nodes"}, User: kerf().User(), Decision: audit.Allowed}}, nil,
			[]string{"granted, but never used: list nodes (ClusterRole it)"},
		},
		"a grant that is only asked for is used by nobody": {
			[]audit.Grant{get}, []audit.Entry{{Request: node, User: kerf().User()}}, nil,
			[]string{"granted, but never used: get nodes (ClusterRole it)"},
		},
		"requests that are forbidden count together": {
			[]audit.Grant{list}, []audit.Entry{allowed(nodes), forbidden(node), forbidden(other)},
			[]string{`forbidden 2 times: get nodes a; the API server's reason: "no"`}, nil,
		},
		"requests that only others allow": {
			[]audit.Grant{list}, []audit.Entry{allowed(nodes), allowed(node)},
			[]string{`granted by others only, 1 times: get nodes a; the API server's reason: ""`}, nil,
		},
		"what others do and everybody may": {
			[]audit.Grant{list}, []audit.Entry{allowed(nodes), allowed(audit.Request{Verb: "get", Path: "/apis"}), stranger}, nil, nil,
		},
		"nothing at all": {nil, nil, nil, []string{"no request was recorded"}},
		"a grant that reaches further than kerf does": {
			[]audit.Grant{wide}, []audit.Entry{allowed(lease)}, nil,
			[]string{"granted everywhere, but used in the own namespace only: get deployments.apps (ClusterRole it)"},
		},
		"a grant that reaches as far as kerf does": {[]audit.Grant{wide}, []audit.Entry{allowed(lease), allowed(abroad)}, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			report := audit.Examine(kerf(), tc.grants, tc.entries)
			if diff := cmp.Diff(tc.always, report.Problems(false)); diff != "" {
				t.Errorf("problems of an incomplete run (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(slices.Concat(tc.always, tc.ifAll), report.Problems(true)); diff != "" {
				t.Errorf("problems of a complete run (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheSummaryHasTheNumbers(t *testing.T) {
	node := audit.Request{Verb: "get", Resource: "nodes", Name: "a"}
	grants := []audit.Grant{{Verb: "get", Resource: "pods"}, {Verb: "list", Resource: "pods"}}
	pod := audit.Request{Verb: "get", Resource: "pods", Name: "a", Namespace: "n"}
	entries := []audit.Entry{allowed(pod), forbidden(node), forbidden(node), allowed(node)}
	const want = "4 requests, 2 forbidden, 1 granted by others; 2 grants, 1 unused"
	if got := audit.Examine(kerf(), grants, entries).Summary(); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestOfTwoGrantsForTheSameNeitherCountsAsNeeded(t *testing.T) {
	node := audit.Request{Verb: "get", Resource: "nodes", Name: "a"}
	grants := []audit.Grant{{Role: "ClusterRole a", Verb: "get", Resource: "nodes"}, {Role: "ClusterRole b", Verb: "get", Resource: "nodes"}}
	problems := strings.Join(audit.Examine(kerf(), grants, []audit.Entry{allowed(node)}).Problems(true), "\n")
	for _, want := range []string{
		"granted, but other grants would do: get nodes (ClusterRole a)", "granted, but other grants would do: get nodes (ClusterRole b)",
	} {
		if !strings.Contains(problems, want) {
			t.Errorf("problems lack %q: %s", want, problems)
		}
	}
}
