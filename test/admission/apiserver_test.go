package admission_test

import (
	"slices"
	"strings"
	"sync"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

func TestAnAPIServerJudgesTheTable(t *testing.T) {
	s, rows := connect(t), table(t)
	if err := s.store(t.Context(), rows); err != nil {
		t.Fatal(err)
	}
	var said reasons
	t.Run("by the schema alone", func(t *testing.T) {
		for _, r := range rows {
			t.Run(r.Name, func(t *testing.T) {
				t.Parallel()
				_, _, err := s.send(t.Context(), r)
				said.add(causes(err))
				if r.CRD == crdRefuses {
					expectRefusal(t, r, err)
				} else if err != nil {
					t.Errorf("refused: %s", err)
				}
			})
		}
	})
	t.Run("and each expression of the schema refuses something", func(t *testing.T) {
		for _, kind := range s.kinds {
			for _, message := range kind.Messages() {
				if !said.include(message) {
					t.Errorf("%s: no row is refused with: %s", kind.Kind, message)
				}
			}
		}
	})
	t.Run("with the webhooks", func(t *testing.T) {
		serveWebhooks(t, s)
		decoder := strictDecoder(t)
		for _, r := range rows {
			t.Run(r.Name, func(t *testing.T) {
				t.Parallel()
				expectVerdict(t, s, decoder, r)
			})
		}
		t.Run("quantities that nobody can read", func(t *testing.T) { expectNoReading(t, s) })
		t.Run("in a terminal", func(t *testing.T) { expectInTerminal(t, decoder, rows) })
	})
}

// reasons collects what the server finds wrong.
type reasons struct {
	mu   sync.Mutex
	list []string
}

func (r *reasons) add(causes []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, causes...)
}

func (r *reasons) include(message string) bool {
	return slices.ContainsFunc(r.list, func(cause string) bool { return strings.Contains(cause, message) })
}

// expectRefusal checks that the schema refused a row, and for what the row is about.
func expectRefusal(t *testing.T, r row, err error) {
	t.Helper()
	found := causes(err)
	if len(found) == 0 || !apierrors.IsInvalid(err) && !apierrors.IsBadRequest(err) {
		t.Errorf("got %v, want that the schema refuses:\n%s", err, strings.Join(r.Errors, "\n"))
	}
	for _, cause := range found {
		if !slices.ContainsFunc(r.Errors, func(expected string) bool { return around(fieldOf(cause), fieldOf(expected)) }) {
			t.Errorf("the schema also says %q, want no more than:\n%s", cause, strings.Join(r.Errors, "\n"))
		}
	}
}

// fieldOf returns the field of an error, or all of it where it is not about one.
func fieldOf(text string) string {
	path, _, _ := strings.Cut(text, ": ")
	return path
}

// around reports whether a field is another one or one that it is in.
func around(outer, inner string) bool {
	rest, found := strings.CutPrefix(inner, outer)
	return found && (rest == "" || rest[0] == '.' || rest[0] == '[')
}
