package world

import (
	"time"

	"github.com/kerf-autoscaler/kerf/test/awssim/apierror"
)

// maxToken is the bound on a client token.
const maxToken = 64

// remembered is the answer that a client token once got. It is kept for the life of the world, unless a fault bounds it; EC2 keeps it for at least
// a day.
type remembered struct {
	fingerprint string
	first       time.Time
	answer      any
}

// recall does the work once per client token: the same token with the same parameters gets the first answer again, with other parameters it is
// refused. A failed call leaves no memory, so its token can be used again. The caller holds the lock.
func recall[T any](w *World, action, token, fingerprint string, do func() (T, error)) (T, error) {
	var none T
	if token == "" {
		return do()
	}
	if len(token) > maxToken {
		return none, apierror.InvalidValue("ClientToken", token, "A client token has at most 64 characters.")
	}
	key := action + "/" + token
	if before, ok := w.tokens[key]; ok {
		answer, same := before.answer.(T)
		same = same && before.fingerprint == fingerprint
		switch {
		case !w.config.Faults.Recalled(before.first, w.Now(), same):
		case same:
			return answer, nil
		default:
			return none, apierror.New("IdempotentParameterMismatch",
				"The client token you have provided has already been used with different parameters: %s", token)
		}
	}
	answer, err := do()
	if err != nil {
		return none, err
	}
	w.tokens[key] = remembered{fingerprint: fingerprint, first: w.Now(), answer: answer}
	return answer, nil
}
