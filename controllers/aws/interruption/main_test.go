package interruption

import (
	"os"
	"testing"

	"github.com/kerf-autoscaler/kerf/test/workbench"
)

func TestMain(m *testing.M) { os.Exit(workbench.Run(m)) }
