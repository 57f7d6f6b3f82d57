package operator

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

func TestTheProcessEndsWhenItsLastPartHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		release, ended := make(chan struct{}), make(chan error, 1)
		go func() {
			ended <- Run(ctx,
				func(ctx context.Context) error { <-ctx.Done(); return nil },
				func(context.Context) error { <-release; return nil },
			)
		}()
		cancel()
		synctest.Wait()
		if len(ended) > 0 {
			t.Fatalf("it ended with %v before its slow part", <-ended)
		}
		close(release)
		synctest.Wait()
		if len(ended) == 0 {
			t.Fatal("it goes on without any part")
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestAPartThatFailsEndsTheProcessAtOnce(t *testing.T) {
	lost := errors.New("leader election lost")
	err := Run(t.Context(),
		func(ctx context.Context) error { <-ctx.Done(); return nil }, // never ends by itself
		func(context.Context) error { return lost },
	)
	if !errors.Is(err, lost) {
		t.Errorf("got %v", err)
	}
}
