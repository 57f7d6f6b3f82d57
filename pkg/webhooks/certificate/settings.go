package certificate

import (
	"errors"
	"fmt"
	"time"
)

// What is left of an authority's lifetime and the time to propagate when they are not set.
const (
	leavesPerAuthority = 52
	leafParts          = 4
	maxPropagation     = time.Hour
)

// Settings are where things are, and how long they last.
type Settings struct {
	// Namespace and Secret are where the authorities are kept.
	Namespace, Secret string
	// Mutating and Validating are the names of the webhook configurations that call this server.
	Mutating, Validating []string
	// Lifetime is how long a serving certificate is valid; it is renewed after half of it.
	Lifetime time.Duration
	// AuthorityLifetime is how long an authority is valid; it gets a successor after half of it. Zero is 52 times Lifetime.
	AuthorityLifetime time.Duration
	// Propagation is how long an API server may take to learn of a change of a webhook configuration, with an allowance of
	// twice of what the clocks of replicas differ by. Zero is a quarter of Lifetime, and an hour at the most.
	Propagation time.Duration
}

// A serving certificate lives long enough to be renewed in time, as certificates count in seconds, and not for years.
const minLifetime, maxLifetime = 4 * time.Second, 366 * 24 * time.Hour

// Validate returns every setting that cannot work.
func (s Settings) Validate() error {
	var errs []error
	refuse := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	p := s.policy()
	refuse(s.Namespace == "" || s.Secret == "", "no Secret is named")
	refuse(len(s.Mutating)+len(s.Validating) == 0, "no webhook configuration is named")
	refuse(s.Lifetime < minLifetime || s.Lifetime > maxLifetime, "a lifetime of %s is not between %s and %s", s.Lifetime, minLifetime, maxLifetime)
	refuse(p.propagation <= 0 || p.propagation > p.leaf/3, "a propagation time of %s is not between nothing and a third of the lifetime of %s", p.propagation, p.leaf)
	refuse(p.authority < 3*p.leaf, "an authority's lifetime of %s is below three times that of serving certificates, %s", p.authority, p.leaf)
	return errors.Join(errs...)
}

func (s Settings) policy() policy {
	p := policy{leaf: s.Lifetime, authority: s.AuthorityLifetime, propagation: s.Propagation}
	if p.authority == 0 {
		p.authority = leavesPerAuthority * p.leaf
	}
	if p.propagation == 0 {
		p.propagation = min(p.leaf/leafParts, maxPropagation)
	}
	return p
}
