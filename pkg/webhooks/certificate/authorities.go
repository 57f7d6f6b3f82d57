package certificate

import (
	"bytes"
	"slices"
	"time"
)

// authorities are all that are known, the oldest first.
type authorities []authority

// find returns the authority of an id, or nil.
func (l authorities) find(id string) *authority {
	if i := slices.IndexFunc(l, func(a authority) bool { return a.id == id }); i >= 0 {
		return &l[i]
	}
	return nil
}

// newest returns the authority made last, or nil.
func (l authorities) newest() *authority {
	if len(l) == 0 {
		return nil
	}
	return &l[len(l)-1]
}

// bundle returns what webhooks have to trust.
func (l authorities) bundle() []byte {
	var out bytes.Buffer
	for _, a := range l {
		out.Write(encodeCertificate(a.certificate))
	}
	return out.Bytes()
}

// ids returns the short forms of all ids, for people.
func (l authorities) ids() []string {
	out := make([]string, 0, len(l))
	for _, a := range l {
		out = append(out, short(a.id))
	}
	return out
}

func short(id string) string { return id[:min(len(id), 12)] }

// signer returns the authority that serving certificates are to be signed by, or nil. That is the newest one that is settled:
// every API server has learnt to trust it. Only where there is none, as at the first start or after the Secret was lost, it
// is one that some may not know yet, because the alternative is to serve nothing.
func (l authorities) signer(now time.Time) (signer *authority, settled bool) {
	for i := range slices.Backward(l) {
		if a := &l[i]; a.signs(now) && a.settledAt(now) {
			return a, true
		}
	}
	for i := range l {
		if a := &l[i]; a.signs(now) {
			return a, false
		}
	}
	return nil, false
}

func (a *authority) signs(now time.Time) bool { return a.key != nil && now.Before(a.expires) }

func (a *authority) settledAt(now time.Time) bool {
	return !a.signsFrom.IsZero() && !now.Before(a.signsFrom)
}

// successorAt returns when an authority is to get a successor: halfway, which leaves the other half to mend what hinders it.
func (a *authority) successorAt(lifetime time.Duration) time.Time {
	return a.created.Add(min(lifetime, a.expires.Sub(a.created)) / 2)
}

// obsoleteAt returns when nothing that the authority at an index has signed can be valid any more. From the moment that a
// successor signs, it signs nothing, wherever the clocks of the replicas agree; where they do not, they are allowed as much
// time as the API servers are to learn of a change.
func (l authorities) obsoleteAt(index int) time.Time {
	a, end := l[index], l[index].expires
	for _, successor := range l[index+1:] {
		if successor.key == nil || successor.signsFrom.IsZero() {
			continue
		}
		allowance := successor.signsFrom.Sub(successor.published)
		if last := successor.signsFrom.Add(a.leafLifetime).Add(allowance); last.Before(end) {
			end = last
		}
	}
	return end
}

// needed returns the authorities without those that nothing valid is signed by.
func (l authorities) needed(now time.Time) authorities {
	var out authorities
	for i, a := range l {
		if now.Before(l.obsoleteAt(i)) {
			out = append(out, a)
		}
	}
	return out
}
