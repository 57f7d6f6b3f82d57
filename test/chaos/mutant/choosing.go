package mutant

// choosing are bugs of decisions by which machines go together, or others take their place.
func choosing() []Mutant {
	return []Mutant{
		{Name: "commit-early", Does: "machines go before what is to take their place is ready", patches: []patch{
			{consolidationDir + "command.go", "ready = ready && machines.Conditions(machine).IsTrue(v1alpha5.ConditionInitialized)", "ready = ready && (mutant(\"commit-early\") || machines.Conditions(machine).IsTrue(v1alpha5.ConditionInitialized))"},
		}},
	}
}
