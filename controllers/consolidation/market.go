package consolidation

import (
	"context"

	"github.com/kerf-autoscaler/kerf/pkg/disruption"
	"github.com/kerf-autoscaler/kerf/pkg/problem"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
)

// Market is where it is decided on pods, and where machines are bought.
type Market interface {
	// Survey returns what a decision on machines is made on, and its edition.
	Survey(ctx context.Context) (problem.Facts, int64, error)
	// Edition returns that of a survey that would be taken now.
	Edition() int64
	// Foresee returns what would be decided on pods now.
	Foresee(ctx context.Context) (solver.Plan, error)
	// Buy makes machines by an edition of the survey. It reports false, and makes none, if that is out of date.
	Buy(ctx context.Context, edition int64, order disruption.Order) (bool, error)
}
