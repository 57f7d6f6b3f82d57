package cluster_test

import (
	"bufio"
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/test/cluster"
)

func TestAuditLogHoldsTheRequestsOfTheUsersNamedAndHowTheyWereDecided(t *testing.T) {
	t.Parallel()
	const user = "system:serviceaccount:default:default"
	c := start(t, cluster.Options{AuditUsers: []string{user}})
	config, err := c.ServiceAccountConfig(t.Context(), corev1.NamespaceDefault, "default", time.Hour)
	must(t, err)
	account := clientFor(t, config)
	if _, err := account.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Fatalf("listing nodes without a grant: %v, want forbidden", err)
	}
	if _, err := account.Discovery().ServerVersion(); err != nil {
		t.Fatal(err)
	}

	log, err := os.Open(c.AuditLog())
	must(t, err)
	defer func() { _ = log.Close() }() // it was only read
	type line struct {
		Level, Verb, RequestURI string
		User                    struct{ Username string }
		Annotations             map[string]string
	}
	var got []string
	for lines := bufio.NewScanner(log); lines.Scan(); {
		var l line
		must(t, json.Unmarshal(lines.Bytes(), &l))
		got = append(got, l.Level+" "+l.User.Username+" "+l.Verb+" "+l.RequestURI+" "+l.Annotations["authorization.k8s.io/decision"])
	}
	want := []string{
		"Metadata " + user + " list /api/v1/nodes forbid",
		"Metadata " + user + " get /version allow",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the audit log (-want +got):\n%s", diff)
	}
}
