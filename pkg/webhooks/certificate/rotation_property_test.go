package certificate

import (
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// await lets time pass until something is so.
func (w *world) await(what string, longest time.Duration, so func() bool) {
	w.t.Helper()
	for end := time.Now().Add(longest); !so(); {
		if time.Now().After(end) {
			w.end()
			w.t.Fatalf("after %s there is still no end to waiting until %s\n%s", longest, what, w.logs)
		}
		w.pass(10 * time.Second)
	}
}

func (w *world) pass(d time.Duration) {
	<-time.After(d)
	w.check()
}

// begin starts replicas and waits until handshakes count.
func (w *world) begin(replicas int) {
	w.t.Helper()
	for range replicas {
		w.start(testSettings())
	}
	w.await("the first authority is settled", 2*time.Hour, w.settled)
}

func (w *world) allReady() bool {
	for _, r := range w.replicas {
		if r.keeper.Ready() != nil {
			return false
		}
	}
	return true
}

// restart ends one of the replicas wherever it is, and starts another some time later.
func (w *world) restart(settings Settings) {
	w.t.Helper()
	w.stop(w.replicas[w.random(int64(len(w.replicas)))])
	w.pass(time.Duration(w.random(int64(10 * time.Minute))))
	started := w.start(settings)
	w.await("a new replica is ready", time.Hour, func() bool { return started.keeper.Ready() == nil })
}

// overwriteSecret does what a person or a tool does to the Secret that knows nothing of its content.
func (w *world) overwriteSecret(content string) {
	w.t.Helper()
	var secret corev1.Secret
	if err := w.client.Get(w.t.Context(), testSettings().secretKey(), &secret); err != nil {
		w.t.Fatal(err)
	}
	secret.Data = map[string][]byte{dataKey: []byte(content)}
	if err := w.write(secret.Name, true, func() error { return w.client.Update(w.t.Context(), &secret) }); err != nil {
		w.t.Fatal(err)
	}
}

// overwriteBundle does the same to a webhook configuration.
func (w *world) overwriteBundle(bundle string) {
	w.t.Helper()
	configurations := testSettings().configurations()
	configuration := configurations[w.random(int64(len(configurations)))]
	if err := w.client.Get(w.t.Context(), client.ObjectKeyFromObject(configuration), configuration); err != nil {
		w.t.Fatal(err)
	}
	webhooksOf(configuration).inject([]byte(bundle))
	if err := w.write(configuration.GetName(), true, func() error { return w.client.Update(w.t.Context(), configuration) }); err != nil {
		w.t.Fatal(err)
	}
}

// recovery is how long it takes until a cluster has got over a hard blow. No two of them at once are promised to go unnoticed.
const recovery = 45 * time.Minute

// disturb lets one thing happen that a rotation has to bear.
func (w *world) disturb() {
	w.t.Helper()
	now, hard := time.Now(), w.settled() && time.Now().After(w.recovered)
	switch kind := w.random(10); {
	case kind < 3 && w.settled(): // a replica without a certificate cannot wait
		w.restart(testSettings())
	case kind == 3 && w.settled(): // the setting changes while replicas of the old one run
		other := testSettings()
		other.Lifetime, other.AuthorityLifetime = 2*other.Lifetime, 2*other.AuthorityLifetime
		w.restart(other)
	case kind == 4:
		w.overwriteBundle([]string{"", "garbage"}[w.random(2)])
	case kind == 5 && hard:
		w.recovered = now.Add(recovery)
		w.replicas[w.random(int64(len(w.replicas)))].cutOff.Store(now.Add(recovery / 3).UnixNano())
	case kind == 6 && hard:
		w.recovered = now.Add(recovery)
		w.overwriteSecret([]string{"", "{}", "[]", "garbage", `[{"certificate": "BEGIN", "key": "PRIVATE KEY"}]`}[w.random(5)])
	case kind == 7 && hard:
		w.recovered = now.Add(recovery)
		w.refuse([]string{"cert", "defaulting", "validation"}[w.random(3)], now.Add(recovery/3))
	default: // peace
	}
}

// refuse makes writes of an object fail for a time.
func (w *world) refuse(name string, until time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refused[name] = until
}

// count returns how many authorities have signed a certificate so far, and how many certificates there were.
func (w *world) count() (signers, leaves int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.signers), w.leaves
}

// Whatever comes between the steps of a rotation, every certificate that any replica serves is good for every API server.
func FuzzNoHandshakeFailsWhateverComesBetweenTheStepsOfARotation(f *testing.F) {
	for seed := range uint64(6) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, seed)
			defer w.end()
			w.begin(1 + int(seed%3))
			for end := time.Now().Add(12 * time.Hour); time.Now().Before(end) && !t.Failed(); {
				w.pass(time.Duration(w.random(int64(20 * time.Minute))))
				w.disturb()
				if n := len(w.authorities()); n > 10 {
					t.Fatalf("there are %d authorities", n)
				}
			}
			// When it is quiet again, everything is as it should be, and goes on.
			w.await("the cluster has recovered", 2*time.Hour, w.settled)
			for range len(w.replicas) {
				w.stop(w.replicas[0])
				w.start(testSettings())
			}
			w.await("all replicas are ready", 2*time.Hour, func() bool { return w.settled() && w.allReady() })
			signers, leaves := w.count()
			w.pass(6 * time.Hour)
			newSigners, newLeaves := w.count()
			if newSigners < signers+2 || newLeaves < leaves+6*len(w.replicas) {
				t.Errorf("in 6 quiet hours there were %d new authorities and %d new certificates", newSigners-signers, newLeaves-leaves)
			}
			if n := len(w.authorities()); n > 3 {
				t.Errorf("there are %d authorities after 6 quiet hours", n)
			}
		})
	})
}
