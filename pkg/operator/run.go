package operator

import "context"

// Run runs the parts of the process side by side until all have ended, as each does soon after ctx.
//
// A part that fails ends the process at once: the others are not waited for. The failure may be the loss of the leader's
// lease, and what still acts without it must not go on while something else takes its time to end.
func Run(ctx context.Context, parts ...func(context.Context) error) error {
	ended := make(chan error, len(parts))
	for _, part := range parts {
		go func() { ended <- part(ctx) }()
	}
	for range parts {
		if err := <-ended; err != nil {
			return err
		}
	}
	return nil
}
