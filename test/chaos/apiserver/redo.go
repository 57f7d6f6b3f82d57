package apiserver

import (
	"fmt"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// UIDs returns how many UIDs the store has given away.
func (s *Store) UIDs() int { return s.uids }

// Redo makes a write as another store committed it, which was where this one is now, and goes on with UIDs where that one did.
func (s *Store) Redo(change Change, uids int) error {
	if revision := int64(len(s.changes) + 1); change.Revision != revision {
		return fmt.Errorf("write %d cannot be made as write %d", change.Revision, revision)
	}
	key := client.ObjectKeyFromObject(change.Object())
	if s.objects[change.Kind] == nil {
		s.objects[change.Kind] = map[types.NamespacedName]client.Object{}
	}
	if change.After != nil {
		s.objects[change.Kind][key] = change.After
	} else {
		delete(s.objects[change.Kind], key)
	}
	change.At, s.uids = s.now(), uids
	s.changes = append(s.changes, change)
	return nil
}
