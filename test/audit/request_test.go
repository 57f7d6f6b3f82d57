package audit_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kerf-autoscaler/kerf/test/audit"
)

func TestALineOfTheLogBecomesTheRequestThatWasAuthorized(t *testing.T) {
	for name, tc := range map[string]struct {
		line string
		want audit.Request
	}{
		"an object of the core group": {
			`"verb":"get","requestURI":"/api/v1/nodes/a","objectRef":{"resource":"nodes","name":"a","apiVersion":"v1"}`,
			audit.Request{Verb: "get", Resource: "nodes", Name: "a"},
		},
		"a subresource of a namespaced object": {
			`"verb":"create","requestURI":"/api/v1/namespaces/n/pods/p/eviction",
			"objectRef":{"resource":"pods","namespace":"n","name":"p","apiVersion":"v1","subresource":"eviction"}`,
			audit.Request{Verb: "create", Resource: "pods/eviction", Namespace: "n", Name: "p"},
		},
		"an object of a group": {
			`"verb":"patch","requestURI":"/apis/karpenter.sh/v1alpha5/machines/m/status?fieldManager=kerf",
			"objectRef":{"resource":"machines","name":"m","apiGroup":"karpenter.sh","apiVersion":"v1alpha5","subresource":"status"}`,
			audit.Request{Verb: "patch", APIGroup: "karpenter.sh", Resource: "machines/status", Name: "m"},
		},
		"a creation is authorized before anybody knows the object's name, though the log has it": {
			`"verb":"create","requestURI":"/apis/karpenter.sh/v1alpha5/machines",
			"objectRef":{"resource":"machines","name":"m","apiGroup":"karpenter.sh","apiVersion":"v1alpha5"}`,
			audit.Request{Verb: "create", APIGroup: "karpenter.sh", Resource: "machines"},
		},
		"a list that can only hold one object is about that object": {
			`"verb":"list","requestURI":"/api/v1/namespaces/n/secrets?fieldSelector=metadata.name%3Ds&limit=500",
			"objectRef":{"resource":"secrets","namespace":"n","apiVersion":"v1"}`,
			audit.Request{Verb: "list", Resource: "secrets", Namespace: "n", Name: "s"},
		},
		"a watch of one object whose name the log has": {
			`"verb":"watch","requestURI":"/api/v1/secrets?fieldSelector=metadata.name%3Ds","objectRef":{"resource":"secrets","name":"s"}`,
			audit.Request{Verb: "watch", Resource: "secrets", Name: "s"},
		},
		"a list of all but one object is about many": {
			`"verb":"list","requestURI":"/api/v1/secrets?fieldSelector=metadata.name%21%3Ds","objectRef":{"resource":"secrets"}`,
			audit.Request{Verb: "list", Resource: "secrets"},
		},
		"a list by another field is about many": {
			`"verb":"list","requestURI":"/api/v1/pods?fieldSelector=spec.nodeName%3Da","objectRef":{"resource":"pods"}`,
			audit.Request{Verb: "list", Resource: "pods"},
		},
		"a path that is no resource, without its query": {
			`"verb":"get","requestURI":"/apis?timeout=32s"`,
			audit.Request{Verb: "get", Path: "/apis"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			line := `{"auditID":"1",` + strings.ReplaceAll(tc.line, "\n", "") + `,"user":{"username":"somebody"},
				"annotations":{"authorization.k8s.io/decision":"allow","authorization.k8s.io/reason":"because"}}`
			got, err := audit.ReadLog(strings.NewReader(strings.ReplaceAll(line, "\n", "") + "\n"))
			if err != nil {
				t.Fatal(err)
			}
			want := []audit.Entry{{Request: tc.want, User: "somebody", Decision: audit.Allowed, Reason: "because"}}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("entries (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAWatchThatBeginsAndEndsIsOneRequest(t *testing.T) {
	const begun = `{"auditID":"1","stage":"ResponseStarted","verb":"watch","requestURI":"/api/v1/nodes?watch=1",` +
		`"objectRef":{"resource":"nodes"},"annotations":{"authorization.k8s.io/decision":"allow"}}`
	ended := strings.Replace(begun, "ResponseStarted", "ResponseComplete", 1)
	other := strings.Replace(begun, `"1"`, `"2"`, 1)
	got, err := audit.ReadLog(strings.NewReader(begun + "\n" + other + "\n" + ended + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 {
		t.Errorf("two watches, one of them with two events, are %d entries: %v", len(got), got)
	}
}

func TestARequestThatNobodyDecidedHasNoDecision(t *testing.T) {
	got, err := audit.ReadLog(strings.NewReader(`{"auditID":"1","verb":"get","requestURI":"/version","responseStatus":{"code":429}}`))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || got[0].Decision != audit.Undecided {
		t.Errorf("entries %+v", got)
	}
}

func TestALogThatIsNotUnderstoodIsRefusedWithTheNumberOfTheLine(t *testing.T) {
	const good = `{"auditID":"1","verb":"get","requestURI":"/version"}` + "\n"
	for name, tc := range map[string]struct{ line, want string }{
		"a line that is cut off": {`{"auditID":"2","verb":"get","requ`, "line 2"},
		"something else":         {`{"level":"info","msg":"hello"}`, "no event of audit.k8s.io/v1"},
		"impersonation":          {`{"auditID":"2","verb":"get","requestURI":"/version","impersonatedUser":{"username":"x"}}`, "somebody else"},
		"a strange URI":          {`{"auditID":"2","verb":"get","requestURI":"version"}`, "requestURI"},
		"a strange selector": {
			`{"auditID":"2","verb":"list","requestURI":"/api/v1/nodes?fieldSelector=a%3Db%3Dc%3D","objectRef":{"resource":"nodes"}}`,
			"field selector",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := audit.ReadLog(strings.NewReader(good + tc.line))
			if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "line 2") {
				t.Errorf("error %v, want one about line 2 that mentions %q", err, tc.want)
			}
		})
	}
}

func TestARequestReadsLikeWhatAPersonWouldType(t *testing.T) {
	for want, r := range map[string]audit.Request{
		"list nodes":                  {Verb: "list", Resource: "nodes"},
		"get /healthz":                {Verb: "get", Path: "/healthz"},
		"create pods/eviction p in n": {Verb: "create", Resource: "pods/eviction", Name: "p", Namespace: "n"},
		"patch machines.karpenter.sh/status m": {
			Verb: "patch", APIGroup: "karpenter.sh", Resource: "machines/status", Name: "m",
		},
	} {
		if got := r.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestAWatchThatBeginsWithAllObjectsIsKnown(t *testing.T) {
	for query, want := range map[string]bool{"?watch=true&sendInitialEvents=true&allowWatchBookmarks=true": true, "?watch=true": false} {
		entries, err := audit.ReadLog(strings.NewReader(`{"auditID":"1","verb":"watch","requestURI":"/api/v1/nodes` + query + `","objectRef":{"resource":"nodes"}}`))
		if err != nil || len(entries) != 1 || entries[0].Streamed != want {
			t.Errorf("%s: got %v, %v, want Streamed %t", query, entries, err, want)
		}
	}
}
