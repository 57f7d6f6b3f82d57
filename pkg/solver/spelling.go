package solver

import (
	"path"
	"slices"

	"github.com/kerf-autoscaler/kerf/pkg/spelling"
)

// nearestWord returns the word that a person most likely meant by a misspelt one: the first of those that take the fewest edits, at
// most two, and one for every three letters after the domain; "" if there is none.
func nearestWord(misspelt string, words []string) string {
	best, least := "", min(2, len(path.Base(misspelt))/3)+1
	for _, word := range words {
		if n := spelling.Edits(misspelt, word); n > 0 && n < least {
			best, least = word, n
		}
	}
	return best
}

// meant suggests the nearest word, or nothing.
func meant(misspelt string, words []string) string {
	if word := nearestWord(misspelt, slices.Compact(slices.Sorted(slices.Values(words)))); word != "" {
		return "; did you mean " + word + "?"
	}
	return ""
}
