package iam

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Auditor judges requests by the policies of one identity and remembers what came of it. It is safe for concurrent use.
type Auditor struct {
	documents []Document
	observe   func(Request, Decision)

	mu     sync.Mutex
	judged int
	uses   map[Place]map[string]int // statement -> action -> requests
	denied map[string]*Denial       // the request as text -> it
}

// NewAuditor reads the policies. Whoever observes, which nobody need, is told of every request.
func NewAuditor(policies []string, observe func(Request, Decision)) (*Auditor, error) {
	if observe == nil {
		observe = func(Request, Decision) {}
	}
	a := &Auditor{observe: observe, uses: map[Place]map[string]int{}, denied: map[string]*Denial{}}
	for _, text := range policies {
		document, err := Parse(text)
		if err != nil {
			return nil, err
		}
		for _, s := range document.Statement {
			if !s.ofAnIdentity {
				return nil, errors.New("a policy of an identity has no Principal")
			}
		}
		a.documents = append(a.documents, document)
	}
	return a, nil
}

// Authorize judges a request.
func (a *Auditor) Authorize(r Request) Decision {
	decision := Evaluate(a.documents, r)
	a.observe(r, decision)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.judged++
	for _, place := range decision.Statements {
		if a.uses[place] == nil {
			a.uses[place] = map[string]int{}
		}
		a.uses[place][r.Action]++
	}
	if !decision.Allowed {
		a.deny(r, decision)
	}
	return decision
}

func (a *Auditor) deny(r Request, d Decision) {
	key := r.Key()
	if a.denied[key] == nil {
		a.denied[key] = &Denial{Request: r, Explicit: d.Denied}
	}
	a.denied[key].Count++
}

// Report is what an identity may do held against what it did.
type Report struct {
	Requests   int      `json:"requests"`
	Statements []Use    `json:"statements"`
	Denied     []Denial `json:"denied"`
}

// Use is a statement and what it was used for.
type Use struct {
	Sid    string `json:"sid"`
	Effect string `json:"effect"`
	// Actions maps each action that the statement names -> the requests that it decided. A pattern is there as it stands.
	Actions map[string]int `json:"actions"`
}

// Denial is a request that was not allowed, and how often.
type Denial struct {
	Request
	Explicit bool `json:"explicit,omitempty"` // some statement denies it
	Count    int  `json:"count"`
}

// Report tells what was judged so far.
func (a *Auditor) Report() Report {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := Report{Requests: a.judged, Statements: []Use{}, Denied: []Denial{}}
	for d, document := range a.documents {
		for s, statement := range document.Statement {
			use := Use{Sid: cmp.Or(statement.Sid, fmt.Sprintf("%d.%d", d+1, s+1)), Effect: statement.Effect, Actions: map[string]int{}}
			for _, pattern := range slices.Concat(statement.Action, statement.NotAction) {
				use.Actions[pattern] = 0
				for action, count := range a.uses[Place{d, s}] {
					if like(strings.ToLower(pattern), strings.ToLower(action)) || len(statement.NotAction) > 0 {
						use.Actions[pattern] += count
					}
				}
			}
			out.Statements = append(out.Statements, use)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(a.denied)) {
		out.Denied = append(out.Denied, *a.denied[key])
	}
	return out
}

// Merge adds the reports of several runs under the same policies up.
func Merge(reports ...Report) Report {
	out := Report{Statements: []Use{}, Denied: []Denial{}}
	for _, r := range reports {
		out.Requests += r.Requests
		out.Denied = append(out.Denied, r.Denied...)
		for _, use := range r.Statements {
			i := slices.IndexFunc(out.Statements, func(u Use) bool { return u.Sid == use.Sid })
			if i < 0 {
				out.Statements = append(out.Statements, Use{Sid: use.Sid, Effect: use.Effect, Actions: maps.Clone(use.Actions)})
				continue
			}
			for action, count := range use.Actions {
				out.Statements[i].Actions[action] += count
			}
		}
	}
	return out
}

// Unused lists the actions of statements that allow which no request has needed, each as its statement and the action.
func (r Report) Unused() []string {
	var out []string
	for _, use := range r.Statements {
		for _, action := range slices.Sorted(maps.Keys(use.Actions)) {
			if use.Effect == allow && use.Actions[action] == 0 {
				out = append(out, use.Sid+" "+action)
			}
		}
	}
	return out
}

// String is a request in one line.
func (d Denial) String() string {
	return fmt.Sprintf("%d x %s on %s, with %v", d.Count, d.Action, d.Resource, d.Context)
}
