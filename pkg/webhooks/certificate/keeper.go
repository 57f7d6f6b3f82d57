// Package certificate keeps the serving certificate of kerf's webhooks: every replica makes its own, signed by an authority
// that all replicas share through a Secret, and the webhooks are told to trust it.
//
// Three facts carry it. The Secret has the authorities, each with the time at which all webhooks were seen to trust it and the
// time from which it therefore signs. The webhook configurations have the bundle of these authorities. The serving certificate
// itself is in memory only. What to do follows from these facts and the time, so that any replica may do it, and be stopped
// at any point.
//
// That no handshake fails while all of this is renewed rests on three rules:
//   - A new authority signs nothing until all webhooks were seen to trust it and every API server had the time to learn of it.
//   - A certificate is signed only right after the Secret was read, and expires a lifetime after the moment before that. So the
//     time at which the last certificate of an old authority has expired is known, and it is trusted until then.
//   - A bundle is written only where the configuration was read before the Secret was, and is as it was then. So no replica
//     can put an older bundle in place of a newer one.
//
// The bundles are kerf's own: what anybody else writes there is overwritten. A Secret that is emptied or unusable gets a new
// authority, while those that the webhooks trust stay trusted for as long as their certificates can be served. To end that trust
// at once, empty the bundles together with the Secret.
package certificate

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/kerf-autoscaler/kerf/pkg/metrics"
)

var (
	_ manager.Runnable               = (*Keeper)(nil)
	_ manager.LeaderElectionRunnable = (*Keeper)(nil)
)

// pause is how long to let changes gather before looking at them: it bounds what a fight over a bundle costs.
const pause = 100 * time.Millisecond

// What fails is tried again after firstRetry, then after twice as long each time up to lastRetry.
const firstRetry, lastRetry = 500 * time.Millisecond, 30 * time.Second

// Keeper keeps the serving certificate of one replica, and with the others what is needed to trust it.
type Keeper struct {
	settings Settings
	policy   policy
	cluster  cluster
	clock    clock.WithTicker
	metrics  *metrics.Metrics
	// changed has an item when something may have to be looked at.
	changed chan struct{}

	mu sync.Mutex
	// leaf is served; nil until there is one.
	leaf *leaf
	// uncalled is set while no webhook configuration calls kerf.
	uncalled bool
	// trouble is why the leaf is missing or not trusted; nil when all is well.
	trouble error
	// failure is why the last look did not succeed, or not all could be done that it saw to be due; nil when all was done.
	failure error
}

// New returns a keeper that has nothing to serve yet. The reader has to be live: a cache of Secrets would hold keys, and the
// rules of the package need what the API server has now.
func New(settings Settings, live client.Reader, writer client.Writer, recorded *metrics.Metrics, clock clock.WithTicker) (*Keeper, error) {
	if err := settings.Validate(); err != nil {
		return nil, fmt.Errorf("checking the settings of the serving certificate: %w", err)
	}
	return &Keeper{
		settings: settings, policy: settings.policy(), cluster: cluster{settings: settings, live: live, writer: writer}, clock: clock,
		metrics: recorded, changed: make(chan struct{}, 1), trouble: errors.New("kerf has not looked at its webhook configurations yet"),
	}, nil
}

// NeedLeaderElection is false: every replica answers webhooks.
func (k *Keeper) NeedLeaderElection() bool { return false }

// Start keeps the certificate until ctx ends.
func (k *Keeper) Start(ctx context.Context) error {
	log := ctrl.LoggerFrom(ctx).WithName("webhooks.certificate")
	retry, said := firstRetry, ""
	for {
		wait, err := k.keep(ctx, log)
		switch {
		case err == nil:
			if said != "" {
				log.Info("keeping the serving certificate succeeded again")
			}
			retry, said = firstRetry, ""
		case ctx.Err() == nil: // the end of the process is no failure
			if reason := err.Error(); reason != said {
				said = reason
				log.Error(err, "keeping the serving certificate failed and will be tried again")
			}
			wait, retry = retry, min(2*retry, lastRetry)
		}
		if !k.rest(ctx, wait) {
			return nil
		}
	}
}

// rest waits for a time, or until something changes, but at least until changes had the time to gather. It reports false when
// ctx ends.
func (k *Keeper) rest(ctx context.Context, wait time.Duration) bool {
	return k.sleep(ctx, pause, nil) && k.sleep(ctx, wait-pause, k.changed)
}

func (k *Keeper) sleep(ctx context.Context, duration time.Duration, wake <-chan struct{}) bool {
	timer := k.clock.NewTimer(max(duration, 0))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-wake:
	case <-timer.C():
	}
	return true
}

// wake makes the keeper look again soon.
func (k *Keeper) wake() {
	select {
	case k.changed <- struct{}{}:
	default: // it will look anyway
	}
}

// maxLooks bounds how often in a row the keeper acts on what it sees. A rotation takes fewer steps.
const maxLooks = 10

// keep looks and acts until there is nothing left to do, and returns how long that will be so.
func (k *Keeper) keep(ctx context.Context, log logr.Logger) (time.Duration, error) {
	for range maxLooks {
		v, err := k.cluster.look(ctx, k.clock)
		if err != nil {
			k.report(v, err, log)
			return 0, err
		}
		if acted, err := k.act(ctx, v, log); !acted {
			k.report(v, err, log)
			return k.policy.wait(v, k.served()), err
		}
	}
	err := errors.New("the Secret or the webhook configurations keep changing")
	k.report(view{}, err, log)
	return 0, err
}

// act takes the first step that is due and reports whether it took one, after which everything has to be looked at again. A step
// that cannot be taken keeps no later one from being taken. The serving certificate comes first: it needs no other call of the API
// server, and so does not expire while a slow one takes its time for the others.
func (k *Keeper) act(ctx context.Context, v view, log logr.Logger) (bool, error) {
	var errs []error
	for _, step := range []func(context.Context, view, logr.Logger) (bool, error){k.renew, k.rotate, k.inject} {
		acted, err := step(ctx, v, log)
		if acted {
			return true, nil // what failed will fail again
		}
		errs = append(errs, err)
	}
	return false, errors.Join(errs...)
}

// rotate writes the authorities as they should be.
func (k *Keeper) rotate(ctx context.Context, v view, log logr.Logger) (bool, error) {
	list, step, err := k.policy.rotate(v, func(now time.Time) (authority, error) {
		return newAuthority(now, k.policy.authority, k.policy.leaf)
	})
	if err != nil || step == "" {
		return false, err
	}
	if err := k.cluster.writeAuthorities(ctx, v.secret, list); err != nil {
		return outdated(err), err
	}
	if v.unusable != nil {
		log.Info("replaced the content of the Secret, which was unusable", "reason", v.unusable.Error())
	}
	log.Info(step, "authorities", list.ids())
	return true, nil
}

// inject makes the webhooks trust the authorities.
func (k *Keeper) inject(ctx context.Context, v view, log logr.Logger) (bool, error) {
	if len(v.authorities) == 0 {
		return false, nil // they could not be written
	}
	acted, bundle := false, v.authorities.bundle()
	var errs []error
	for _, configuration := range v.configurations {
		written, err := k.cluster.writeBundle(ctx, configuration, bundle)
		if written {
			log.Info("told webhooks which certificate authorities to trust", "configuration", configuration.GetName(), "authorities", v.authorities.ids())
		}
		acted = acted || written || outdated(err)
		errs = append(errs, err)
	}
	return acted, errors.Join(errs...)
}

// renew makes a new serving certificate.
func (k *Keeper) renew(_ context.Context, v view, log logr.Logger) (bool, error) {
	have := k.served()
	signer := k.policy.renewal(v, have)
	if signer == nil {
		return false, nil
	}
	hosts := v.webhooks.hosts()
	made, err := newLeaf(signer, have.namesFor(hosts), v.now, k.policy.leafEnd(signer, v.now))
	if err != nil {
		return false, err
	}
	made.hosts = hosts
	k.mu.Lock()
	k.leaf = made
	k.mu.Unlock()
	k.metrics.CertificateExpiration.WithLabelValues(metrics.CertificateServing).Set(float64(made.expires.Unix()))
	k.metrics.CertificateExpiration.WithLabelValues(metrics.CertificateAuthority).Set(float64(signer.expires.Unix()))
	log.Info("serving a new certificate", "authority", short(signer.id), "names", made.names, "expires", made.expires)
	return true, nil
}

// served returns the certificate that is served, or nil.
func (k *Keeper) served() *leaf {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.leaf
}

// report keeps why webhooks cannot be answered, as far as a look tells, and whether all was done. An error alone is no reason not
// to answer: what is served is served.
func (k *Keeper) report(v view, err error, log logr.Logger) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.failure = err
	if v.seen.IsZero() { // nothing is known of the webhooks
		if k.leaf == nil {
			k.trouble = err
		}
		return
	}
	before := k.uncalled
	k.uncalled = len(v.webhooks) == 0
	switch {
	case k.uncalled:
		k.trouble = nil // nobody waits for an answer
		if !before {
			log.Info("no webhook configuration calls kerf: objects are stored without defaults and checks of it; install the configurations, or set --disable-webhook")
		}
	case len(v.webhooks.hosts()) == 0:
		k.trouble = errors.New("no webhook configuration has a host that a certificate can be made for")
	case k.leaf == nil:
		k.trouble = because("there is no certificate yet that every webhook trusts", err)
	default:
		k.trouble = nil
		if name := v.webhooks.distrust(k.leaf.authority); name != "" {
			k.trouble = because(fmt.Sprintf("webhook %s does not trust the serving certificate", name), err)
		}
	}
}

// because returns an error with its cause, where that is known.
func because(trouble string, cause error) error {
	if cause == nil {
		return errors.New(trouble)
	}
	return fmt.Errorf("%s: %w", trouble, cause)
}

// Ready returns why webhooks cannot be answered; nil when they can, and when nobody calls them.
func (k *Keeper) Ready() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.uncalled:
		return nil
	case k.trouble != nil:
		return k.trouble
	case !k.clock.Now().Before(k.leaf.expires):
		return because("the serving certificate expired at "+k.leaf.expires.Format(time.RFC3339), k.failure)
	default:
		return nil
	}
}

// Kept returns why the serving certificate has not been renewed although that is due; nil while all goes well. It tells in time
// what Ready tells when it is too late. It is no reason to send requests elsewhere: the certificate that is served is good, and
// no replica has a better one.
func (k *Keeper) Kept() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.failure == nil || k.uncalled || k.leaf == nil || k.clock.Now().Before(k.leaf.renewAt()) {
		return nil
	}
	return fmt.Errorf("the serving certificate, which expires at %s, could not be renewed: %w", k.leaf.expires.Format(time.RFC3339), k.failure)
}

// certificate returns what to serve to a client. An expired certificate is served too: it tells the client what is wrong.
func (k *Keeper) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.leaf == nil {
		return nil, because("there is no certificate to serve", k.trouble)
	}
	return k.leaf.certificate, nil
}
