package solver

import (
	"path"
	"slices"
)

// nearestWord returns the word that a person most likely meant by a misspelt one: the first of those that take the fewest edits, at
// most two, and one for every three letters after the domain; "" if there is none.
func nearestWord(misspelt string, words []string) string {
	best, least := "", min(2, len(path.Base(misspelt))/3)+1
	for _, word := range words {
		if n := edits(misspelt, word); n > 0 && n < least {
			best, least = word, n
		}
	}
	return best
}

// edits counts the letters to insert, drop or replace to make b of a.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// meant suggests the nearest word, or nothing.
func meant(misspelt string, words []string) string {
	if word := nearestWord(misspelt, slices.Compact(slices.Sorted(slices.Values(words)))); word != "" {
		return "; did you mean " + word + "?"
	}
	return ""
}
