package e2e

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func (w *world) startsWithoutAWS(t *testing.T) {
	w.recovers(t, func(works bool) error { return w.SetAWSReachable(works) }, "(?i)reach|connect|EOF")
}

// startsWithRefusedCredentials expects a word that every AWS service uses, each in a message of its own.
func (w *world) startsWithRefusedCredentials(t *testing.T) {
	w.recovers(t, func(works bool) error { return w.SetCredentialsAccepted(works) }, "(?i)credential")
}

// recovers starts the controller while AWS does not work, waits until it says why it is not ready, in words that match, makes
// AWS work again, and waits until the same process is ready.
func (w *world) recovers(t *testing.T, setAWS func(works bool) error, reason string) {
	if err := errors.Join(w.Controller().Stop(), setAWS(false)); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := setAWS(true); err != nil { // also for the sake of later scenarios
			t.Error(err)
		}
	}()
	if err := w.Controller().Start(); err != nil {
		t.Fatal(err)
	}
	pid := w.Controller().PID()
	w.await(t, "the controller to say that AWS is the reason why it is not ready", func(ctx context.Context) error {
		if err := w.Controller().Alive(ctx); err != nil {
			return err
		}
		err := w.Controller().Ready(ctx)
		if err == nil {
			return errors.New("it says that it is ready")
		}
		if !regexp.MustCompile(reason).MatchString(err.Error()) {
			return fmt.Errorf("the answer of readyz does not match %q: %w", reason, err)
		}
		return nil
	})
	if err := setAWS(true); err != nil {
		t.Fatal(err)
	}
	w.await(t, "the controller to be ready", w.Controller().Ready)
	if now := w.Controller().PID(); now != pid {
		t.Errorf("the process was %d and is %d: it has not stayed up", pid, now)
	}
}

func (w *world) examplesApply(t *testing.T) {
	w.create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "eks-work"}})
	if err := w.Apply(t.Context(), "examples"); err != nil {
		t.Fatal(err)
	}
	out, err := w.Kubectl(t.Context(), "wait", "--for=condition=Ready", "--timeout=60s", "provisioner/default", "awsnodetemplate/default",
		"provisioner/consolidated", "awsnodetemplate/consolidated")
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	w.await(t, "the pods of the examples to run", func(ctx context.Context) error {
		var pods corev1.PodList
		if err := w.Client().List(ctx, &pods); err != nil {
			return err
		}
		running := map[string]int{}
		for _, p := range pods.Items {
			if p.Status.Phase == corev1.PodRunning {
				running[p.Labels["app"]]++
			}
		}
		if running["nginx"] != 1 || running["echoserver"] != 1 || running["shop"] != 12 || running["till"] != 3 {
			return fmt.Errorf("of nginx, echoserver, shop or till some do not run: %v", running)
		}
		return nil
	})
	w.examplesEnd(t)
}

// examplesEnd deletes what the examples made.
func (w *world) examplesEnd(t *testing.T) {
	t.Helper()
	for _, file := range []string{"nginx-to-scaleout.yaml", "echoserver.yaml", "inflate.yaml", "backend-app-hpa.yaml", "shop.yaml"} {
		if _, err := w.Kubectl(t.Context(), "delete", "--wait=false", "-f", "../../examples/"+file); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"default", "consolidated"} {
		if _, err := w.Kubectl(t.Context(), "delete", "--wait=false", "provisioner/"+name); err != nil {
			t.Fatal(err)
		}
		w.awaitClean(t, name)
		if _, err := w.Kubectl(t.Context(), "delete", "awsnodetemplate/"+name); err != nil {
			t.Fatal(err)
		}
	}
}
