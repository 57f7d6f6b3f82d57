package certificate

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

// admit asks the API server for a Provisioner, for which it asks two webhooks.
func (i *installation) admit(n int64) error {
	provisioner := &v1alpha5.Provisioner{}
	provisioner.Name = fmt.Sprintf("load-%d", n)
	provisioner.Spec.ProviderRef = &v1alpha5.TemplateReference{Name: "default"}
	return i.Client.Create(i.t.Context(), provisioner, client.DryRunAll)
}

// press makes requests until the returned function is called, which tells how many there were. None may fail.
func (i *installation) press() (end func() int64) {
	var requests atomic.Int64
	var running sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		running.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := i.admit(requests.Add(1)); err != nil {
					i.t.Errorf("request %d: %s", requests.Load(), err)
					return
				}
			}
		})
	}
	return func() int64 {
		close(stop)
		running.Wait()
		return requests.Load()
	}
}

// The rights are those of config/rbac, so this also shows that they suffice.
func TestNoRequestFailsWhileEverythingRotatesAndReplicasCome(t *testing.T) {
	i := install(t, Settings{Lifetime: 8 * time.Second, AuthorityLifetime: 24 * time.Second, Propagation: 2500 * time.Millisecond})
	if err := i.admit(0); !apierrors.IsInternalError(err) {
		t.Fatalf("without a replica: %v; want a webhook that does not answer", err)
	}
	i.start()
	i.start()
	i.await("the first authority is known", func() error {
		if _, settled := i.see().authorities.signer(time.Now()); !settled {
			return errors.New("it is not settled")
		}
		return nil
	})
	end := i.press()
	first, signers, leaves := i.see().authorities[0].id, map[string]bool{}, map[*leaf]bool{}
	ticks := time.NewTicker(100 * time.Millisecond)
	defer ticks.Stop()
	// The whole life of an authority: made, known, signing, followed by another, and trusted no more.
	for began, tick := time.Now(), 0; i.see().authorities.find(first) != nil && !t.Failed(); tick++ {
		if time.Since(began) > time.Minute {
			t.Fatalf("after a minute the first authority is still there, of %d that have signed", len(signers))
		}
		<-ticks.C
		for _, r := range i.serving {
			served := r.keeper.served()
			leaves[served], signers[served.authority] = true, true
		}
		if tick%30 == 0 { // somewhere in a rotation
			i.start()
			i.stop(i.serving[0])
		}
	}
	requests := end()
	if len(signers) < 2 || len(leaves) < 10 || requests < 200 {
		t.Errorf("%d requests saw %d certificates of %d authorities", requests, len(leaves), len(signers))
	}
	t.Logf("%d requests saw %d certificates of %d authorities", requests, len(leaves), len(signers))
}

// Certificates last so long here that no clock wakes a replica: it has to see what happens.
func TestWhatIsTakenAwayIsPutBackAtOnce(t *testing.T) {
	i := install(t, Settings{Lifetime: 168 * time.Hour})
	i.start()
	good := func() error {
		v := i.see()
		if len(v.authorities) == 0 {
			return errors.New("the Secret has no authority")
		}
		for _, w := range v.webhooks {
			if string(w.config.CABundle) != string(v.authorities.bundle()) {
				return fmt.Errorf("%s has another bundle", w.name)
			}
		}
		return i.admit(0)
	}
	i.await("requests are answered", good)
	for _, bundle := range []string{"", "garbage"} {
		i.tamper(func(c *admissionregistrationv1.WebhookClientConfig) { c.CABundle = []byte(bundle) })
		i.await("the bundles are mended", good)
	}
	before := i.see().authorities[0].id
	secret := i.see().secret
	secret.Data = nil
	if err := i.Client.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	i.await("an emptied Secret is filled", good)
	if list := i.see().authorities; len(list) != 2 || list[0].id != before {
		t.Errorf("there are %v, want another after %s", list.ids(), short(before))
	}
	if err := i.Client.Delete(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	if err := i.admit(0); err != nil {
		t.Errorf("without the Secret: %s", err)
	}
	again := &corev1.Secret{}
	again.Namespace, again.Name = secret.Namespace, secret.Name
	i.Create(again)
	i.await("a new Secret is filled", good)
}

func TestKerfMayReadNoSecretButItsOwn(t *testing.T) {
	i := install(t, Settings{Lifetime: 168 * time.Hour})
	other := &corev1.Secret{}
	other.Namespace, other.Name = i.settings.Namespace, i.Name("other")
	i.Create(other)
	kerf, err := client.New(i.asKerf(), client.Options{Scheme: i.Client.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"read another":          kerf.Get(t.Context(), client.ObjectKeyFromObject(other), &corev1.Secret{}),
		"list them":             kerf.List(t.Context(), &corev1.SecretList{}, client.InNamespace(i.settings.Namespace)),
		"create one":            kerf.Create(t.Context(), &corev1.Secret{ObjectMeta: other.ObjectMeta}),
		"delete its own":        kerf.Delete(t.Context(), i.see().secret),
		"list configurations":   kerf.List(t.Context(), &admissionregistrationv1.ValidatingWebhookConfigurationList{}),
		"delete configurations": kerf.Delete(t.Context(), i.see().configurations[0]),
	} {
		if !apierrors.IsForbidden(err) {
			t.Errorf("to %s: %v, want that it is forbidden", what, err)
		}
	}
}
