package chaos_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/kerf-autoscaler/kerf/test/chaos/invariant"
	"github.com/kerf-autoscaler/kerf/test/chaos/job"
	"github.com/kerf-autoscaler/kerf/test/chaos/world"
)

// work is what a process of "make chaos" is to do; without it, the package's tests are ordinary ones.
//
//nolint:gochecknoglobals // flags of a test binary are
var work = flag.String("chaos.work", "", "seeds FROM TO REMAINDER OF | races FROM TO REMAINDER OF | points MACHINES EVERY ALIKE REMAINDER OF | choices EVERY REMAINDER OF | choice CHOICE POINT PHASE | hunt NAME MOST | hunt-in-race NAME MOST | show SEED | race SEED | show POINT PHASE MACHINES")

// TestWorker does what a process of "make chaos" is told, and reports on the third file that it was given.
func TestWorker(t *testing.T) {
	if *work == "" {
		return
	}
	tell := job.Writer(os.NewFile(3, "reports"))
	kind, rest, _ := strings.Cut(*work, " ")
	var a, b uint64
	var share job.Share
	var name string
	switch kind {
	case "seeds":
		scan(t, rest, &a, &b, &share.Remainder, &share.Of)
		job.Seeds(t, a, b, share, tell)
	case "races":
		scan(t, rest, &a, &b, &share.Remainder, &share.Of)
		job.Races(t, a, b, share, tell)
	case "points":
		var scope job.Scope
		scan(t, rest, &scope.Machines, &scope.Every, &scope.Alike, &share.Remainder, &share.Of)
		job.Points(t, scope, share, tell)
	case "choices":
		var every int
		scan(t, rest, &every, &share.Remainder, &share.Of)
		job.Choices(t, every, share, tell)
	case "choice":
		var call int
		var phase string
		scan(t, rest, &name, &call, &phase)
		_, tape := world.Record(t, world.Choose(world.Choice(name)))
		plan := world.Choose(world.Choice(name))
		plan.Crashes = []world.Crash{{Call: call, Phase: world.Phase(phase)}}
		show(t, plan, world.Resume(t, plan, tape))
	case "hunt", "hunt-in-race":
		var most int
		scan(t, rest, &name, &most)
		draw := world.Draw
		if kind != "hunt" {
			draw = world.DrawRace
		}
		tell(job.Hunt(t, name, most, draw))
	case "show":
		scan(t, rest, &a)
		show(t, world.Draw(a), world.Run(t, world.Draw(a)))
	case "race":
		scan(t, rest, &a)
		show(t, world.DrawRace(a), world.Run(t, world.DrawRace(a)))
	case "point":
		var call, machines int
		scan(t, rest, &call, &name, &machines)
		whole, tape := world.Record(t, world.Launch(machines, true))
		point := job.Point{Crash: world.Crash{Call: call, Phase: world.Phase(name)}, End: call > whole.Launch}
		show(t, point.Plan(machines), world.Resume(t, point.Plan(machines), tape))
	default:
		t.Fatalf("work %q is not known", *work)
	}
}

func scan(t *testing.T, text string, into ...any) {
	t.Helper()
	if _, err := fmt.Sscan(text, into...); err != nil {
		t.Fatalf("reading %q: %v", text, err)
	}
}

// show prints a plan, its history and what that breaks.
func show(t *testing.T, plan world.Plan, result world.Result) {
	t.Helper()
	if err := result.History.Print(os.Stdout); err != nil {
		t.Fatal(err)
	}
	described, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("\nplan: %s\nhits: %v\n", described, result.Hits)
	violations := invariant.Judge(&result.History)
	for _, v := range violations {
		fmt.Println("VIOLATION", v)
	}
	if result.Err != nil || len(violations) > 0 {
		t.Fatalf("%d violations, %v", len(violations), result.Err)
	}
}
