package mutant

const consolidationDir = "controllers/consolidation/"

// racing are bugs that it takes a race of pods with the end of empty machines to find: they are hunted in worlds of that kind.
func racing() []Mutant {
	return []Mutant{
		{Name: "no-live-check", Race: true, Does: "a machine that was decided on goes whatever has come to its node since", patches: []patch{
			{consolidationDir + "executor.go", "\tonNode, err := machines.LivePods(ctx, e.live, node.Name)\n", "\tif mutant(\"no-live-check\") {\n\t\treturn \"\", \"\", nil\n\t}\n\tonNode, err := machines.LivePods(ctx, e.live, node.Name)\n"},
		}},
		{Name: "delete-untainted", Race: true, Does: "a machine is deleted while its node takes pods", patches: []patch{
			{consolidationDir + "executor.go", "\tstored := node.DeepCopy()\n\tmachines.Disrupt(", "\tif mutant(\"delete-untainted\") {\n\t\treturn 0, nil\n\t}\n\tstored := node.DeepCopy()\n\tmachines.Disrupt("},
		}},
		{Name: "timer-from-birth", Race: true, Does: "the time of an empty machine counts from its making, whatever has come and left since", patches: []patch{
			{consolidationDir + "controller.go", "\tsince := []time.Time{machine.", "\tif mutant(\"timer-from-birth\") {\n\t\tborn := machine.CreationTimestamp\n\t\tmachine, stirred = machine.DeepCopy(), born.Time\n\t\tmachine.Status.LastPodEventTime = &born\n\t}\n\tsince := []time.Time{machine."},
		}},
		{Name: "delete-any-version", Race: true, Does: "a machine is deleted whatever was written to it since it was looked at", patches: []patch{
			{consolidationDir + "executor.go", "\tif err := e.client.Delete(ctx, machine.DeepCopy(), judged);", "\tif mutant(\"delete-any-version\") {\n\t\tjudged.ResourceVersion = nil\n\t}\n\tif err := e.client.Delete(ctx, machine.DeepCopy(), judged);"},
		}},
		{Name: "evict-protected", Race: true, Does: "pods that must not be disrupted are evicted once the machine goes", patches: []patch{
			{"pkg/drain/rules.go", "func saysNo(q *question) verdict {\n", "func saysNo(q *question) verdict {\n\tif q.purpose == deletion && mutant(\"evict-protected\") {\n\t\treturn verdict{}\n\t}\n"},
		}},
		{Name: "drained-for-good", Race: true, Does: "nobody looks at a drained node again before its instance is ended", patches: []patch{
			{terminationDir + "instance.go", "\t\t\treturn i.drain.confirm(ctx, machine, seen)\n", "\t\t\tif mutant(\"drained-for-good\") {\n\t\t\t\treturn nil\n\t\t\t}\n\t\t\treturn i.drain.confirm(ctx, machine, seen)\n"},
		}},
	}
}
