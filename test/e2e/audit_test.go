package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/test/audit"
	"github.com/kerf-autoscaler/kerf/test/environment"
)

// recordsVariable hands the directory that TestMain collects records in to the worlds: a package of tests has no variables.
const recordsVariable = "KERF_E2E_RECORDS"

// Files of a record: what one world allows to whom, and what kerf did in it.
const (
	objectsFile = "rbac.json"
	logFile     = "audit.log"
	iamFile     = "iam.json"
)

// TestMain runs the tests and then holds what kerf has asked of the API servers of all worlds against what it may ask.
func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard()) // warnings of the API server are for kerf's users, and tests that look for one ask kubectl
	code, err := runAudited(m)
	if err != nil {
		fmt.Fprintf(os.Stderr, "FAIL: kerf's permissions, as they were used: %s\n", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

func runAudited(m *testing.M) (code int, err error) {
	records, err := os.MkdirTemp("", "kerf-e2e-*")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(records)) }()
	if err := os.Setenv(recordsVariable, records); err != nil {
		return 1, err
	}
	code = m.Run()
	if flagValue("test.list") != "" {
		return code, nil // nothing has run
	}
	complete := code == 0 && everythingRan()
	return code, errors.Join(judge(os.Stdout, records, complete), judgeIAM(os.Stdout, records, complete))
}

// everythingRan says whether kerf had reason to do all that it ever does: no flag has picked some tests out of all.
func everythingRan() bool {
	return flagValue("test.run") == "" && flagValue("test.skip") == ""
}

func flagValue(name string) string {
	f := flag.Lookup(name)
	if f == nil {
		return ""
	}
	return f.Value.String()
}

// judge reads the records of all worlds and prints the numbers. What an incomplete run has not used says nothing.
func judge(out io.Writer, records string, complete bool) error {
	account := audit.Account{Namespace: environment.Namespace, Name: environment.ServiceAccount}
	worlds, err := os.ReadDir(records)
	if err != nil {
		return err
	}
	var grants []audit.Grant
	var entries []audit.Entry
	for _, world := range worlds {
		allowed, done, err := readRecord(filepath.Join(records, world.Name()), account)
		if err != nil {
			return err
		}
		grants, entries = append(grants, allowed...), append(entries, done...)
	}
	report := audit.Examine(account, audit.Union(grants), entries)
	note := ""
	if !complete {
		note = " (not everything has run, so unused grants are not held against kerf)"
	}
	_, _ = fmt.Fprintf(out, "kerf's RBAC in %d worlds: %s%s\n", len(worlds), report.Summary(), note)
	if testing.Verbose() {
		for _, u := range report.Uses {
			_, _ = fmt.Fprintf(out, "%8d %s\n", u.Count, u.Grant)
		}
	}
	if problems := report.Problems(complete); len(problems) > 0 {
		return errors.New(strings.Join(problems, "\n\t"))
	}
	return nil
}

// readRecord returns what the account was allowed to do in a world, and what was done.
func readRecord(directory string, account audit.Account) ([]audit.Grant, []audit.Entry, error) {
	manifests, err := os.ReadFile(filepath.Join(directory, objectsFile))
	if err != nil {
		return nil, nil, err
	}
	objects, err := audit.ParseObjects(manifests)
	if err != nil {
		return nil, nil, err
	}
	grants, err := objects.Grants(account)
	if err != nil {
		return nil, nil, err
	}
	log, err := os.Open(filepath.Join(directory, logFile))
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = log.Close() }() // it was only read
	entries, err := audit.ReadLog(log)
	return grants, entries, err
}

// listsWhatIsNotStreamed has kerf fill its caches in the way of API servers that are older than this one: by list requests rather
// than by watches that begin with what there is. The next start of the controller is an ordinary one again.
func (w *world) listsWhatIsNotStreamed(t *testing.T) {
	const name = "listed"
	if err := w.Controller().Stop(); err != nil {
		t.Fatal(err)
	}
	if err := w.Controller().StartWith("KUBE_FEATURE_WatchListClient=false"); err != nil {
		t.Fatal(err)
	}
	w.await(t, "the controller to be ready", w.Controller().Ready)
	w.create(t, w.template(name), provisioner(name))
	w.awaitProvisioner(t, name, v1alpha5.ConditionReady, metav1.ConditionTrue, "")
	w.end(t, name)
}

// record keeps what kerf was allowed to do in this world and what it did. It ends kerf first, so that nothing is missing. It is for
// after the test, when the context of the test is over.
func (w *world) record(t *testing.T) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	directory := filepath.Join(os.Getenv(recordsVariable), filepath.Base(w.Directory()))
	if err := os.Mkdir(directory, 0o700); err != nil {
		t.Fatal(err)
	}
	objects, err := w.Kubectl(ctx, "get", "clusterroles,clusterrolebindings,roles,rolebindings", "--all-namespaces", "--output=json")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(directory, objectsFile), []byte(objects), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := w.Controller().Stop(); err != nil {
		t.Error(err)
	}
	authorizations, err := json.Marshal(w.AWS().Authorizations())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(directory, iamFile), authorizations, 0o600); err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(w.Cluster().AuditLog())
	if err != nil {
		t.Fatal(err)
	}
	log = log[:bytes.LastIndexByte(log, '\n')+1] // what comes after that is still being written, about a call that nobody waits for
	if err := os.WriteFile(filepath.Join(directory, logFile), log, 0o600); err != nil {
		t.Fatal(err)
	}
}
