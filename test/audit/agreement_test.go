package audit_test

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/kerf-autoscaler/kerf/test/audit"
	"github.com/kerf-autoscaler/kerf/test/cluster"
)

// call is one HTTP request. None needs to succeed: the server authorizes it before it looks for what it is about.
type call struct {
	method, path string
}

// calls returns requests of every verb and shape, for objects named x and y in several namespaces.
func calls() []call {
	var all []call
	add := func(path string, methods ...string) {
		for _, m := range methods {
			all = append(all, call{m, path})
		}
	}
	for _, r := range []struct{ prefix, resource, subresource string }{
		{"/api/v1", "pods", "eviction"}, {"/api/v1", "configmaps", ""}, {"/api/v1", "secrets", ""},
		{"/apis/coordination.k8s.io/v1", "leases", ""}, {"/apis/apps/v1", "deployments", "scale"},
	} {
		add(r.prefix+"/"+r.resource, http.MethodGet)
		add(r.prefix+"/"+r.resource+"?fieldSelector=metadata.name%3Dx", http.MethodGet)
		for _, namespace := range []string{"own", "other", "third", "else"} {
			collection := r.prefix + "/namespaces/" + namespace + "/" + r.resource
			add(collection, http.MethodGet, http.MethodPost, http.MethodDelete)
			add(collection+"?fieldSelector=metadata.name%3Dx", http.MethodGet)
			add(collection+"?fieldSelector=metadata.name%21%3Dx", http.MethodGet)
			add(collection+"?watch=true&timeoutSeconds=1&fieldSelector=metadata.name%3Dy,metadata.namespace%3Down", http.MethodGet)
			add(collection+"?watch=true&timeoutSeconds=1&fieldSelector=metadata.name%3Dx", http.MethodGet)
			for _, name := range []string{"x", "y"} {
				add(collection+"/"+name, http.MethodGet, http.MethodPut, http.MethodPatch, http.MethodDelete)
				if r.subresource != "" {
					add(collection+"/"+name+"/"+r.subresource, http.MethodGet, http.MethodPost, http.MethodPut)
				}
			}
		}
	}
	add("/api/v1/nodes", http.MethodGet, http.MethodPost)
	add("/api/v1/nodes/x/status", http.MethodGet, http.MethodPatch)
	add("/api/v1/namespaces/own", http.MethodGet, http.MethodDelete)
	add("/api/v1/namespaces/other/status", http.MethodGet)
	for _, path := range []string{"/metrics", "/metrics/more", "/logs/", "/logs/some", "/version", "/healthz", "/apis", "/nowhere"} {
		add(path, http.MethodGet, http.MethodPost)
	}
	return all
}

// TestGrantsAllowWhatTheAPIServerAllows makes real requests under real roles, and expects of every one of them that the grants
// which are read from the roles, and the request which is read from the log, lead to the decision which the server has made.
func TestGrantsAllowWhatTheAPIServerAllows(t *testing.T) {
	manifests, err := os.ReadFile("testdata/accounts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	objects, err := audit.ParseObjects(manifests)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"narrow", "wild", "borrower", "nobody"}
	entries := entriesOf(t, string(manifests), names)
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			account := audit.Account{Namespace: "own", Name: name}
			grants, err := objects.Grants(account)
			if err != nil {
				t.Fatal(err)
			}
			decisions := map[audit.Decision]int{}
			for _, e := range entries[account.User()] {
				decisions[e.Decision]++
				covered := false
				for _, g := range grants {
					covered = covered || g.Covers(e.Request)
				}
				// What roles of the system allow to everybody is none of the account's grants.
				allowed := e.Decision == audit.Allowed && !strings.Contains(e.Reason, `ClusterRoleBinding "system:`)
				if covered && e.Decision != audit.Allowed || !covered && allowed {
					t.Errorf("%s: covered is %v, the server says %q: %s", e.Request, covered, e.Decision, e.Reason)
				}
			}
			if all := decisions[audit.Allowed] + decisions[audit.Forbidden]; all != len(calls()) {
				t.Errorf("%d requests were decided, %d were made", all, len(calls()))
			}
			if decisions[audit.Allowed] < 10 || decisions[audit.Forbidden] < 10 {
				t.Errorf("the server's decisions leave little to agree with: %v", decisions)
			}
		})
	}
}

// entriesOf makes all calls as each of the accounts, and returns what the log says of it: user -> entries.
func entriesOf(t *testing.T, manifests string, names []string) map[string][]audit.Entry {
	t.Helper()
	var users []string
	for _, name := range names {
		users = append(users, audit.Account{Namespace: "own", Name: name}.User())
	}
	c := audited(t, users)
	for _, namespace := range []string{"own", "other", "third"} {
		kubectl(t, c, "", "create", "namespace", namespace)
	}
	kubectl(t, c, manifests, "apply", "-f", "-")
	for _, name := range names {
		kubectl(t, c, "", "create", "serviceaccount", "--namespace=own", name)
	}
	awaitInForce(t, c)
	for _, name := range names {
		config, err := c.ServiceAccountConfig(t.Context(), "own", name, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		callAll(t, config)
	}
	log, err := os.Open(c.AuditLog())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }() // it was only read
	entries, err := audit.ReadLog(log)
	if err != nil {
		t.Fatal(err)
	}
	byUser := map[string][]audit.Entry{}
	for _, e := range entries {
		byUser[e.User] = append(byUser[e.User], e)
	}
	return byUser
}

// audited starts a cluster that records what the users ask.
func audited(t *testing.T, users []string) *cluster.Cluster {
	t.Helper()
	c, err := cluster.Start(t.Context(), cluster.Options{AuditUsers: users})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// awaitInForce waits until the server's authorizer has seen each of the bindings, and the role that it speaks of.
func awaitInForce(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	client, err := kubernetes.NewForConfig(c.Config())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []struct {
		account    string
		attributes authorizationv1.ResourceAttributes
	}{
		{"narrow", authorizationv1.ResourceAttributes{Verb: "list", Resource: "nodes"}},
		{"narrow", authorizationv1.ResourceAttributes{Verb: "create", Group: "coordination.k8s.io", Resource: "leases", Namespace: "own"}},
		{"wild", authorizationv1.ResourceAttributes{Verb: "get", Group: "apps", Resource: "deployments"}},
		{"borrower", authorizationv1.ResourceAttributes{Verb: "list", Resource: "pods", Namespace: "other"}},
		{"nobody", authorizationv1.ResourceAttributes{Verb: "list", Resource: "pods", Namespace: "third"}},
	} {
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User: audit.Account{Namespace: "own", Name: r.account}.User(), Groups: []string{"system:serviceaccounts:own"},
			ResourceAttributes: &r.attributes,
		}}
		err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
			answer, err := client.AuthorizationV1().SubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
			return err == nil && answer.Status.Allowed, err
		})
		if err != nil {
			t.Fatalf("waiting until %s may %s %s: %v", r.account, r.attributes.Verb, r.attributes.Resource, err)
		}
	}
}

func kubectl(t *testing.T, c *cluster.Cluster, input string, arguments ...string) {
	t.Helper()
	assets, err := cluster.Assets()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), filepath.Join(assets, "kubectl"), arguments...)
	command.Env = []string{"KUBECONFIG=" + c.Kubeconfig(), "HOME=" + t.TempDir()}
	command.Stdin = strings.NewReader(input)
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("kubectl %v: %v: %s", arguments, err, out)
	}
}

// callAll makes all calls, some at a time, with a body that says nothing.
func callAll(t *testing.T, config *rest.Config) {
	t.Helper()
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	defer client.CloseIdleConnections()
	group, ctx := errgroup.WithContext(t.Context())
	group.SetLimit(16)
	for _, c := range calls() {
		group.Go(func() error {
			request, err := http.NewRequestWithContext(ctx, c.method, config.Host+c.path, strings.NewReader("{}"))
			if err != nil {
				return err
			}
			request.Header.Set("Content-Type", "application/json")
			response, err := client.Do(request)
			if err != nil {
				return err
			}
			return response.Body.Close() // which ends a watch
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
}
