package operator

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestTheProcessEndsWhenItsLastPartHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		release, ended := make(chan struct{}), make(chan error, 1)
		go func() {
			ended <- Run(ctx, time.Hour,
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

func TestWhenAPartFailsTheOthersEndAndGiveTheirLastAnswers(t *testing.T) {
	for name, tc := range map[string]struct {
		takes, want time.Duration
	}{
		"at once":     {0, 0},
		"in time":     {5 * time.Second, 5 * time.Second},
		"not in time": {time.Hour, 15 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				lost, began := errors.New("leader election lost"), time.Now()
				err := Run(t.Context(), 15*time.Second,
					func(ctx context.Context) error {
						<-ctx.Done()
						<-time.After(tc.takes)
						return errors.New("not the first")
					},
					func(context.Context) error { return lost },
				)
				if took := time.Since(began); !errors.Is(err, lost) || took != tc.want {
					t.Errorf("got %v after %s, want %v after %s", err, took, lost, tc.want)
				}
				<-time.After(tc.takes) // until the other part has ended as well
			})
		})
	}
}

func TestAPartThatFailsAtTheEndCutsNoOtherOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		answered, failed := false, errors.New("leader election lost")
		err := Run(ctx, 15*time.Second,
			func(context.Context) error { return failed },
			func(context.Context) error { <-time.After(5 * time.Second); answered = true; return nil },
		)
		if !errors.Is(err, failed) || !answered {
			t.Errorf("got %v, and the last requests were answered: %t", err, answered)
		}
	})
}
