package mutant

// choosing are bugs of decisions by which machines go together, or others take their place.
func choosing() []Mutant {
	return []Mutant{
		{Name: "commit-early", Does: "machines go before what is to take their place is ready", patches: []patch{
			{consolidationDir + "command.go", "\t\tdefault:\n\t\t\tready = false\n", "\t\tdefault:\n\t\t\tready = mutant(\"commit-early\")\n"},
		}},
	}
}
