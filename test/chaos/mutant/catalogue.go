package mutant

// patch is one place that a mutant changes. The old text is there exactly once.
type patch struct{ file, old, new string }

// Mutant is a bug that is put in on purpose.
type Mutant struct {
	Name string
	// Does says what the bug is.
	Does    string
	patches []patch
	// Race says that it is hunted in worlds of the race between emptiness and pods.
	Race bool
}

const (
	lifecycleDir   = "controllers/machine/lifecycle/"
	terminationDir = "controllers/machine/termination/"
	collectionDir  = "controllers/machine/garbagecollection/"
	awsDir         = "pkg/cloudprovider/aws/"
)

// All returns the bugs that the engine has to find.
func All() []Mutant {
	out := launching()
	out = append(out, ending()...)
	out = append(out, collecting()...)
	out = append(out, deciding()...)
	out = append(out, choosing()...)
	return append(out, racing()...)
}

func launching() []Mutant {
	return []Mutant{
		{Name: "no-token", Does: "CreateFleet goes without a token, so that a repeated request launches again", patches: []patch{
			{awsDir + "launch.go", "request.Token = token(request.Token)\n", "request.Token = token(request.Token)\n\t\tif mutant(\"no-token\") {\n\t\t\trequest.Token = string(uuid.NewUUID())\n\t\t}\n"},
			{awsDir + "launch.go", "\t\"sigs.k8s.io/controller-runtime/pkg/log\"\n", "\t\"k8s.io/apimachinery/pkg/util/uuid\"\n\t\"sigs.k8s.io/controller-runtime/pkg/log\"\n"},
		}},
		{Name: "token-of-size", Does: "the token depends on the size of the request alone, so that requests share instances", patches: []patch{
			{lifecycleDir + "intent.go", "\tsum := sha256.Sum256(fmt.Appendf(", "\tif mutant(\"token-of-size\") {\n\t\tintent = &v1alpha5.Launch{Size: intent.Size}\n\t}\n\tsum := sha256.Sum256(fmt.Appendf("},
		}},
		{Name: "attempt-each-try", Does: "each try is another attempt with a token of its own", patches: []patch{
			{lifecycleDir + "launch.go", "\tcreated, err := l.provider.Create(ctx, machine)\n", "\tcreated, err := l.provider.Create(ctx, machine)\n\tif err != nil && mutant(\"attempt-each-try\") {\n\t\tmachine.Status.Launch = alone(machine, machine.Status.Launch.Attempt+1, machine.Status.Launch.RequestHash, l.settings.ClusterUID, l.journal.Clock.Now())\n\t\treturn err\n\t}\n"},
		}},
		{Name: "intent-not-persisted", Does: "the cloud is asked before the intent is written", patches: []patch{
			{lifecycleDir + "launch.go", "\treturn reconcile.Result{}, l.writeIntent(ctx, machine, intent)\n}", "\tif err := l.writeIntent(ctx, machine, intent); err != nil || !mutant(\"intent-not-persisted\") {\n\t\treturn reconcile.Result{}, err\n\t}\n\treturn reconcile.Result{}, l.create(ctx, machine)\n}"},
		}},
		{Name: "finalizer-after-launch", Does: "a machine gets its finalizer once it has its instance", patches: []patch{
			{lifecycleDir + "controller.go", "\tif controllerutil.AddFinalizer(", "\tif (machine.Status.ProviderID != \"\" || !mutant(\"finalizer-after-launch\")) && controllerutil.AddFinalizer("},
			{"controllers/provisioning/machine.go", "\treturn &v1alpha5.Machine{\n\t\tObjectMeta: metav1.ObjectMeta{\n\t\t\tName: machines.NewName(provisioner.Name), Labels: labels, Annotations: annotations,\n\t\t\tFinalizers:      []string{v1alpha5.TerminationFinalizer},", "\tfinalizers := []string{v1alpha5.TerminationFinalizer}\n\tif mutant(\"finalizer-after-launch\") {\n\t\tfinalizers = nil\n\t}\n\treturn &v1alpha5.Machine{\n\t\tObjectMeta: metav1.ObjectMeta{\n\t\t\tName: machines.NewName(provisioner.Name), Labels: labels, Annotations: annotations,\n\t\t\tFinalizers:      finalizers,"},
		}},
		{Name: "instances-unsorted", Does: "places in an answer are given in the order in which EC2 tells the instances, which is any", patches: []patch{
			{awsDir + "fleet/answer.go", "\tanswer.Instances = slices.CompactFunc(answer.Instances, func(a, b Instance) bool { return a.ID == b.ID })\n", "\tanswer.Instances = slices.CompactFunc(answer.Instances, func(a, b Instance) bool { return a.ID == b.ID })\n\tif mutant(\"instances-unsorted\") && len(answer.Instances) > 0 {\n\t\tk := int(answers.Add(1)) % len(answer.Instances)\n\t\tanswer.Instances = slices.Concat(answer.Instances[k:], answer.Instances[:k])\n\t}\n"},
			{awsDir + "fleet/answer.go", "// API is what is asked of EC2.\n", "// answers counts them, for none to have the order of the one before.\nvar answers atomic.Int64\n\n// API is what is asked of EC2.\n"},
			{awsDir + "fleet/answer.go", "\t\"strings\"\n", "\t\"strings\"\n\t\"sync/atomic\"\n"},
		}},
		{Name: "regroup-on-retry", Does: "a machine whose group has not got its answer launches by itself", patches: []patch{
			{lifecycleDir + "launch.go", "\tcreated, err := l.provider.Create(ctx, machine)\n", "\tcreated, err := l.provider.Create(ctx, machine)\n\tif err != nil && machine.Status.Launch.Size > 1 && mutant(\"regroup-on-retry\") {\n\t\tmachine.Status.Launch = alone(machine, 1, machine.Status.Launch.RequestHash, l.settings.ClusterUID, l.journal.Clock.Now())\n\t\treturn err\n\t}\n"},
		}},
		{Name: "lost-is-refused", Does: "an answer that never came counts as a refusal, so that nobody looks for what it made", patches: []patch{
			{lifecycleDir + "launch.go", "\tcase cloudprovider.IsAnswered(err):", "\tcase cloudprovider.IsAnswered(err), mutant(\"lost-is-refused\"):"},
		}},
		{Name: "mismatch-launches-again", Does: "a request that can no longer be repeated is made anew instead of looked for", patches: []patch{
			{awsDir + "launch.go", "\t\treturn p.adopt(ctx, machine, changed)\n", "\t\tif mutant(\"mismatch-launches-again\") {\n\t\t\t_, again, err := p.try(ctx, machine, secondToken)\n\t\t\treturn again, err\n\t\t}\n\t\treturn p.adopt(ctx, machine, changed)\n"},
		}},
	}
}

func ending() []Mutant {
	return []Mutant{
		{Name: "finalizer-without-search", Does: "a machine without an instance on record goes at once", patches: []patch{
			{terminationDir + "instance.go", "\tif intent == nil || intent.Answered {", "\tif intent == nil || intent.Answered || mutant(\"finalizer-without-search\") {"},
		}},
		{Name: "no-visibility-window", Does: "a machine goes as soon as one list shows no instance for it", patches: []patch{
			{terminationDir + "instance.go", "left := since.Add(i.window).Sub(i.clock.Now()); left > 0 {", "left := since.Add(i.window).Sub(i.clock.Now()); left > 0 && !mutant(\"no-visibility-window\") {"},
		}},
		{Name: "terminate-undrained", Does: "an instance is ended while pods run on it", patches: []patch{
			{terminationDir + "drain.go", "\tif conditions.IsTrue(v1alpha5.ConditionDrained) && !slices.ContainsFunc(nodes, unheld) {", "\tif conditions.IsTrue(v1alpha5.ConditionDrained) && !slices.ContainsFunc(nodes, unheld) || mutant(\"terminate-undrained\") {"},
		}},
		{Name: "node-before-instance", Does: "the node and its finalizer go before the instance does", patches: []patch{
			{terminationDir + "controller.go", "\tfor _, step := range c.steps {\n\t\tdone,", "\tsteps := c.steps\n\tif mutant(\"node-before-instance\") {\n\t\tsteps = []step{steps[0], steps[1], steps[3], steps[2]}\n\t}\n\tfor _, step := range steps {\n\t\tdone,"},
		}},
		{Name: "release-at-once", Does: "the finalizer goes once termination has been asked for", patches: []patch{
			{terminationDir + "instance.go", "\t\treturn false, terminationPoll, nil\n", "\t\treturn mutant(\"release-at-once\"), terminationPoll, nil\n"},
		}},
		{Name: "no-uid-on-eviction", Does: "a pod is evicted by its name alone", patches: []patch{
			{"controllers/eviction/queue.go", "\terr := q.client.SubResource(\"eviction\")", "\tif mutant(\"no-uid-on-eviction\") {\n\t\teviction.DeleteOptions = nil\n\t}\n\terr := q.client.SubResource(\"eviction\")"},
		}},
		{Name: "delete-pods", Does: "pods are deleted instead of evicted, whatever their budgets say", patches: []patch{
			{"controllers/eviction/queue.go", "\terr := q.client.SubResource(\"eviction\")", "\tif mutant(\"delete-pods\") {\n\t\treturn client.IgnoreNotFound(q.client.Delete(ctx, pod.DeepCopy()))\n\t}\n\terr := q.client.SubResource(\"eviction\")"},
		}},
		{Name: "node-unseen", Does: "a node that no cache shows yet is not drained", patches: []patch{
			{terminationDir + "controller.go", "\t\treturn machines.LiveNodes(ctx, c.live, machine)\n", "\t\tif mutant(\"node-unseen\") {\n\t\t\treturn nil, nil\n\t\t}\n\t\treturn machines.LiveNodes(ctx, c.live, machine)\n"},
			{terminationDir + "instance.go", "\t\tif len(seen) > 0 {\n", "\t\tif len(seen) > 0 || mutant(\"node-unseen\") {\n"},
		}},
		{Name: "drained-once", Does: "a machine that counted as drained is not looked at again when its node joins after that", patches: []patch{
			{terminationDir + "drain.go", "\ttaint := v1alpha5.DisruptedTaint()\n\treturn !slices", "\tif mutant(\"drained-once\") {\n\t\treturn false\n\t}\n\ttaint := v1alpha5.DisruptedTaint()\n\treturn !slices"},
			{terminationDir + "drain.go", "drained == nil || drained.Reason != v1alpha5.ReasonDrained {", "drained == nil || drained.Reason != v1alpha5.ReasonDrained || mutant(\"drained-once\") {"},
		}},
	}
}

func collecting() []Mutant {
	return []Mutant{
		{Name: "gc-from-cache", Does: "instances without a machine are told by a cache that may lag", patches: []patch{
			{collectionDir + "controller.go", "\tif err := c.live.List(ctx, &list); err != nil {", "\tlive := c.live\n\tif mutant(\"gc-from-cache\") {\n\t\tlive = c.client\n\t}\n\tif err := live.List(ctx, &list); err != nil {"},
		}},
		{Name: "gc-ignores-intents", Does: "instances that a machine has asked for and not recorded count as nobody's, at once", patches: []patch{
			{collectionDir + "difference.go", "(launch != nil && o.awaited[request{launch.Group, launch.Attempt}])", "(launch != nil && o.awaited[request{launch.Group, launch.Attempt}] && !mutant(\"gc-ignores-intents\"))"},
			{collectionDir + "orphans.go", ".first) >= orphanAge\n", ".first) >= orphanAge || mutant(\"gc-ignores-intents\")\n"},
		}},
		{Name: "gc-off", Does: "nobody ends instances that no machine owns", patches: []patch{
			{collectionDir + "orphans.go", "\treturn each(c.unlessWorking(", "\tif mutant(\"gc-off\") {\n\t\tdue = nil\n\t}\n\treturn each(c.unlessWorking("},
		}},
		{Name: "list-is-evidence", Does: "a machine whose instance one list leaves out is given up", patches: []patch{
			{collectionDir + "bereaved.go", "\t\tlist[i] = &missed{machine: found[i], fate: said.fate}\n", "\t\tlist[i] = &missed{machine: found[i], fate: said.fate}\n\t\tif mutant(\"list-is-evidence\") {\n\t\t\tlist[i].fate = ended\n\t\t}\n"},
		}},
		{Name: "foreign-instances", Does: "instances of other clusters are taken for kerf's own", patches: []patch{
			{awsDir + "lifecycle.go", "\t\tfilter(\"tag:\"+awsv1alpha1.TagClusterUID, p.settings.ClusterUID),", "\t\tfilter(\"tag:\"+awsv1alpha1.TagClusterUID, owners(p.settings.ClusterUID)),"},
			{awsDir + "instance.go", "\tcase owner != p.settings.ClusterUID:", "\tcase owner != p.settings.ClusterUID && !mutant(\"foreign-instances\"):"},
			{awsDir + "instance.go", "func filter(name string,", "// owners selects whose instances are listed.\nfunc owners(uid string) string {\n\tif mutant(\"foreign-instances\") {\n\t\treturn \"*\"\n\t}\n\treturn uid\n}\n\nfunc filter(name string,"},
		}},
	}
}

func deciding() []Mutant {
	return []Mutant{
		{Name: "no-assume", Does: "machines that were made and that the watch does not show yet are forgotten", patches: []patch{
			{"controllers/provisioning/controller.go", "\tc.cluster.Assume(machine, now)\n", "\tif !mutant(\"no-assume\") {\n\t\tc.cluster.Assume(machine, now)\n\t}\n"},
		}},
		{Name: "limits-later", Does: "limits count only what has an instance", patches: []patch{
			{"pkg/problem/offer.go", "\t\t\tlimit.Sub(used[name])\n", "\t\t\tif !mutant(\"limits-later\") {\n\t\t\t\tlimit.Sub(used[name])\n\t\t\t} else if had := p.Status.Resources[name]; !had.IsZero() {\n\t\t\t\tlimit.Sub(had)\n\t\t\t}\n"},
		}},
		{Name: "vanished-by-cache", Does: "a node that a cache does not show counts as gone", patches: []patch{
			{lifecycleDir + "registration.go", "\tnode, err := machines.LiveNode(ctx, r.live, machine)\n\treturn node != nil, err\n", "\tnode, err := machines.LiveNode(ctx, r.live, machine)\n\treturn node != nil && !mutant(\"vanished-by-cache\"), err\n"},
			{lifecycleDir + "liveness.go", "\tif err != nil || node != nil {\n", "\tif err != nil || node != nil && !mutant(\"vanished-by-cache\") {\n"},
		}},
		{Name: "empty-by-mark", Does: "a machine marked as empty goes without another look at its pods", patches: []patch{
			{"controllers/consolidation/executor.go", "\tif workload := slices.IndexFunc(onNode, pods.IsReschedulable); workload >= 0 {", "\tif workload := slices.IndexFunc(onNode, pods.IsReschedulable); workload >= 0 && !mutant(\"empty-by-mark\") {"},
		}},
		{Name: "taint-stays", Race: true, Does: "a node that is given back keeps its taint", patches: []patch{
			{"controllers/consolidation/takeback.go", "return t.Key == v1alpha5.DisruptedTaintKey })", "return t.Key == v1alpha5.DisruptedTaintKey && !mutant(\"taint-stays\") })"},
		}},
	}
}
