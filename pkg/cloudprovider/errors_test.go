package cloudprovider_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
)

func TestOnlyASettledAnswerEndsALaunch(t *testing.T) {
	cause := errors.New("boom")
	for name, tc := range map[string]struct {
		err        error
		want       bool
		wantReason string
	}{
		"no error":         {nil, false, "Fallback"},
		"any other error":  {cause, false, "Fallback"},
		"no capacity":      {cloudprovider.NewInsufficientCapacityError(cause), true, "Fallback"},
		"refused for good": {fmt.Errorf("wrapped: %w", cloudprovider.NewRefusedError("Unauthorized", cause)), true, "Unauthorized"},
		"refused for now":  {cloudprovider.NewCreateError("InvalidRequest", cause), false, "InvalidRequest"},
		"not ready":        {cloudprovider.NewNotReadyError(cause), false, "Fallback"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := cloudprovider.IsAnswered(tc.err); got != tc.want {
				t.Errorf("answered = %t, want %t", got, tc.want)
			}
			if got := cloudprovider.CreateReason(tc.err, "Fallback"); got != tc.wantReason {
				t.Errorf("reason = %q, want %q", got, tc.wantReason)
			}
			if tc.want && !errors.Is(tc.err, cause) {
				t.Errorf("%v does not unwrap to its cause", tc.err)
			}
		})
	}
}
