package e2e

import (
	"context"
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// startsWithoutAWS begins with the controller stopped and the way to AWS shut, as the world is made.
func (w *world) startsWithoutAWS(t *testing.T) {
	w.recovers(t, func() error { return w.SetAWSReachable(true) })
}

func (w *world) startsWithRefusedCredentials(t *testing.T) {
	if err := errors.Join(w.Controller().Stop(), w.SetCredentialsAccepted(false)); err != nil {
		t.Fatal(err)
	}
	// EC2 says AuthFailure where STS says InvalidClientTokenId; either tells a user what is wrong.
	w.recovers(t, func() error { return w.SetCredentialsAccepted(true) }, "credential")
}

// recovers starts the controller, waits until it says why it is not ready, mends the world, and waits until it is ready.
func (w *world) recovers(t *testing.T, mend func() error, mentions ...string) {
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
		said := strings.ToLower(err.Error())
		return mentionsAll("the answer of readyz", said, append([]string{"aws"}, mentions...))
	})
	if err := mend(); err != nil {
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
	out, err := w.Kubectl(t.Context(), "wait", "--for=condition=Ready", "--timeout=60s", "provisioner/default", "awsnodetemplate/default")
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
		if running["nginx"] != 1 || running["echoserver"] != 1 {
			return errors.New("nginx or echoserver does not run")
		}
		return nil
	})
	for _, file := range []string{"nginx-to-scaleout.yaml", "echoserver.yaml", "inflate.yaml", "backend-app-hpa.yaml"} {
		if _, err := w.Kubectl(t.Context(), "delete", "--wait=false", "-f", "../../examples/"+file); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Kubectl(t.Context(), "delete", "--wait=false", "provisioner/default"); err != nil {
		t.Fatal(err)
	}
	w.awaitClean(t, "default")
	if _, err := w.Kubectl(t.Context(), "delete", "awsnodetemplate/default"); err != nil {
		t.Fatal(err)
	}
}
