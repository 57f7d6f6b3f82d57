package audit

import (
	"fmt"
	"slices"
)

// Tally is the first of a number of requests that differ in the names of objects only.
type Tally struct {
	Entry
	Count int
}

// Use is a grant together with what it was used for.
type Use struct {
	Grant
	// Count is how many requests the grant covers.
	Count int
	// Alone is how many of those no other grant covers.
	Alone int
	// Abroad is how many of those were not about the account's own namespace.
	Abroad int
}

// Report is what an account may do held against what it did.
type Report struct {
	// Requests is how many requests of the account were recorded.
	Requests int
	// Uses has an element for each grant, in the order of the grants.
	Uses []Use
	// Forbidden are the requests that the API server has refused to authorize.
	Forbidden []Tally
	// Borrowed are the requests about resources that were allowed though no grant covers them: some other role happens to allow
	// them in this cluster, and need not in the next. Paths that are no resources are not among them: every client asks for
	// those to learn about the API, and may by default.
	Borrowed []Tally
	// Breaches are what is wrong with grants whether they are used or not.
	Breaches []string
}

// Examine holds the entries of an account, whatever others are among them, against the account's grants.
func Examine(a Account, grants []Grant, entries []Entry) Report {
	report := Report{Breaches: Lint(grants, a)}
	uses := make([]Use, len(grants))
	for i, g := range grants {
		uses[i].Grant = g
	}
	var forbidden, borrowed tallies
	for _, e := range entries {
		if e.User != a.User() {
			continue
		}
		report.Requests++
		switch e.Decision {
		case Forbidden:
			forbidden.add(e)
		case Allowed:
			if len(covering(grants, e.Request)) == 0 && e.Path == "" {
				borrowed.add(e)
			}
			for _, r := range e.uses() {
				covering := covering(grants, r)
				for _, i := range covering {
					uses[i].count(r, len(covering) == 1, a)
				}
			}
		case Undecided: // turned away before anybody looked at grants
		}
	}
	report.Uses, report.Forbidden, report.Borrowed = uses, forbidden, borrowed
	return report
}

func (u *Use) count(r Request, alone bool, a Account) {
	u.Count++
	if alone {
		u.Alone++
	}
	if r.Namespace != a.Namespace {
		u.Abroad++
	}
}

// uses returns the requests for which an entry needs grants: a watch that stands for a list needs those of both.
func (e Entry) uses() []Request {
	if !e.Streamed {
		return []Request{e.Request}
	}
	list := e.Request
	list.Verb = "list"
	return []Request{e.Request, list}
}

// tallies are in the order in which their first requests were made.
type tallies []Tally

func (t *tallies) add(e Entry) {
	same := func(other Tally) bool {
		r := other.Request
		r.Name = e.Name
		return r == e.Request
	}
	if i := slices.IndexFunc(*t, same); i >= 0 {
		(*t)[i].Count++
		return
	}
	*t = append(*t, Tally{e, 1})
}

// covering returns the indices of the grants that cover the request.
func covering(grants []Grant, r Request) []int {
	var found []int
	for i, g := range grants {
		if g.Covers(r) {
			found = append(found, i)
		}
	}
	return found
}

// Unused returns the grants without which every request would have been allowed all the same.
func (r Report) Unused() []Use {
	var unused []Use
	for _, u := range r.Uses {
		if u.Alone == 0 {
			unused = append(unused, u)
		}
	}
	return unused
}

// TooWide returns the cluster-wide grants that were used in the account's own namespace only.
func (r Report) TooWide() []Use {
	var wide []Use
	for _, u := range r.Uses {
		if u.Namespace == "" && u.Count > 0 && u.Abroad == 0 {
			wide = append(wide, u)
		}
	}
	return wide
}

// Problems returns what is wrong, one line each. Only a complete run, in which the account did all that it ever does, says
// anything about grants that were not used, or not everywhere.
func (r Report) Problems(complete bool) []string {
	problems := slices.Clone(r.Breaches)
	for _, t := range r.Forbidden {
		problems = append(problems, fmt.Sprintf("forbidden %d times: %s; the API server's reason: %q", t.Count, t.Request, t.Reason))
	}
	for _, t := range r.Borrowed {
		problems = append(problems, fmt.Sprintf("granted by others only, %d times: %s; the API server's reason: %q", t.Count, t.Request, t.Reason))
	}
	if !complete {
		return problems
	}
	if r.Requests == 0 {
		problems = append(problems, "no request was recorded")
	}
	for _, u := range r.Unused() {
		if u.Count == 0 {
			problems = append(problems, fmt.Sprintf("granted, but never used: %s", u.Grant))
		} else {
			problems = append(problems, fmt.Sprintf("granted, but other grants would do: %s", u.Grant))
		}
	}
	for _, u := range r.TooWide() {
		problems = append(problems, fmt.Sprintf("granted everywhere, but used in the own namespace only: %s", u.Grant))
	}
	return problems
}

// Summary returns the numbers in one line.
func (r Report) Summary() string {
	return fmt.Sprintf("%d requests, %d forbidden, %d granted by others; %d grants, %d unused",
		r.Requests, count(r.Forbidden), count(r.Borrowed), len(r.Uses), len(r.Unused()))
}

func count(all []Tally) int {
	sum := 0
	for _, t := range all {
		sum += t.Count
	}
	return sum
}
