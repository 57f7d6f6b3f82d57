package operator

import (
	"context"
	"time"
)

// Run runs the parts of the process side by side until all have ended, as each does soon after ctx.
//
// A part that fails ends the process: the others are asked to end at once, and have a time for it, in which those that answer
// requests give their last answers. Nothing acts in that time. The failure may be the loss of the leader's lease, but all that
// the controllers call has a context, which has ended then.
func Run(ctx context.Context, last time.Duration, parts ...func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, len(parts))
	for _, part := range parts {
		go func() { ended <- part(ctx) }()
	}
	var failure error
	var over <-chan time.Time
	for range parts {
		select {
		case err := <-ended:
			if err != nil && failure == nil {
				failure, over = err, time.After(last)
				cancel()
			}
		case <-over:
			return failure
		}
	}
	return failure
}
