package workbench

import (
	"fmt"

	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/kerf-autoscaler/kerf/pkg/operator"
	"github.com/kerf-autoscaler/kerf/pkg/options"
)

// Manage runs controllers on a manager of their own, with the caches, watches and queues that they have in a cluster, until
// the test ends. They see the objects of all tests of the package.
func (b *Bench) Manage(register ...func(mgr ctrl.Manager) error) {
	b.t.Helper()
	if err := b.manage(register); err != nil {
		b.t.Fatal(err)
	}
}

func (b *Bench) manage(register []func(mgr ctrl.Manager) error) error {
	config, err := Config()
	if err != nil {
		return err
	}
	ctx := b.t.Context() // it ends before the cleanup
	mgr, err := operator.NewManager(ctx, config, options.Options{})
	if err != nil {
		return fmt.Errorf("making the manager: %w", err)
	}
	for _, add := range register {
		if err := add(mgr); err != nil {
			return fmt.Errorf("registering a controller: %w", err)
		}
	}
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	b.t.Cleanup(func() {
		if err := <-ended; err != nil {
			b.t.Errorf("the manager ended with: %s", err)
		}
	})
	if !mgr.GetCache().WaitForCacheSync(ctx) {
		return fmt.Errorf("the caches did not fill")
	}
	return nil
}
