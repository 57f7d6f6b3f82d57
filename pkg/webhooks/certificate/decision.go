package certificate

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// restingTime is how long nothing is looked at when nothing is to be expected: watches and clocks can fail.
const restingTime = 10 * time.Minute

// policy is how long things last.
type policy struct {
	// leaf is the lifetime of serving certificates, authority that of authorities.
	leaf, authority time.Duration
	// propagation is how long API servers may take to learn of a change. It includes what the clocks of replicas differ by, twice.
	propagation time.Duration
}

// view is what one look at the cluster saw.
type view struct {
	// now is a time before anything was read, seen one when the webhooks had been read and the Secret had not.
	now, seen time.Time
	// configurations are those that exist, webhooks those in them.
	configurations []client.Object
	webhooks       webhooks
	secret         *corev1.Secret
	// authorities are those of the Secret; none where it is empty, or unusable for a reason.
	authorities authorities
	unusable    error
}

// Steps of a rotation, as people read of them.
const (
	stepMade      = "made a certificate authority"
	stepPublished = "all webhooks trust the new certificate authority"
	stepDropped   = "dropped a certificate authority that nothing valid is signed by"
)

// rotate returns the authorities that are to be written and the step that this is; the empty step is for when none is due.
// An authority is made and trusted everywhere long before it signs, and is trusted until all that it signed has expired.
func (p policy) rotate(v view, make func(now time.Time) (authority, error)) (authorities, string, error) {
	if newest := v.authorities.newest(); newest == nil || !v.now.Before(newest.successorAt(p.authority)) {
		made, err := make(v.now)
		if err != nil {
			return nil, "", err
		}
		return append(v.known(p.leaf), made), stepMade, nil
	}
	if needed := v.authorities.needed(v.now); len(needed) < len(v.authorities) {
		return needed, stepDropped, nil
	}
	for i, a := range v.authorities {
		if a.key == nil || !a.published.IsZero() || !v.webhooks.trust(a.id) {
			continue
		}
		list := slices.Clone(v.authorities)
		list[i].published, list[i].signsFrom = v.seen, v.seen.Add(p.propagation)
		return list, stepPublished, nil
	}
	return nil, "", nil
}

// known returns the authorities of the Secret. When its content is lost, the webhooks tell which ones replicas may still serve
// certificates of: these stay trusted, so that the loss is not felt.
func (v view) known(leafLifetime time.Duration) authorities {
	if len(v.authorities) > 0 {
		return slices.Clone(v.authorities)
	}
	var out authorities
	for _, w := range v.webhooks {
		for _, a := range adopted(w.config.CABundle, leafLifetime) {
			if out.find(a.id) == nil && v.now.Before(a.expires) && len(out) < maxAuthorities-1 {
				out = append(out, a)
			}
		}
	}
	return out
}

// renewal returns the authority that is to sign a new serving certificate now, or nil while the one there is has to do.
func (p policy) renewal(v view, have *leaf) *authority {
	hosts := v.webhooks.hosts()
	signer, settled := v.authorities.signer(v.now)
	// A certificate is of no use where its authority is not trusted. Whoever took that trust away is being corrected.
	if signer == nil || len(hosts) == 0 || !v.webhooks.trust(signer.id) {
		return nil
	}
	switch {
	case have == nil, !v.now.Before(have.expires), !have.covers(hosts):
		return signer
	case have.authority != signer.id:
		// An authority that is not settled comes second to a certificate that every API server trusts, as long as that lasts.
		if settled || !v.webhooks.trust(have.authority) || !v.now.Before(have.urgentAt()) {
			return signer
		}
	case !v.now.Before(have.renewAt()) && p.leafEnd(signer, v.now).After(have.expires):
		return signer
	}
	return nil
}

// leafEnd returns when a serving certificate ends that is made now, in the seconds that certificates have.
func (p policy) leafEnd(signer *authority, now time.Time) time.Time {
	end := now.Add(min(p.leaf, signer.leafLifetime))
	if signer.expires.Before(end) {
		end = signer.expires
	}
	return end.Truncate(time.Second)
}

// wait returns how long it is until something is due, as far as time alone decides that.
func (p policy) wait(v view, have *leaf) time.Duration {
	var due []time.Time
	for i, a := range v.authorities {
		due = append(due, a.signsFrom, v.authorities.obsoleteAt(i))
	}
	if newest := v.authorities.newest(); newest != nil {
		due = append(due, newest.successorAt(p.authority))
	}
	if have != nil {
		due = append(due, have.renewAt(), have.urgentAt(), have.expires)
	}
	wait := restingTime
	for _, t := range due {
		if left := t.Sub(v.now); left > 0 && left < wait { // what is past is either done or waits for something else
			wait = left
		}
	}
	return wait
}
