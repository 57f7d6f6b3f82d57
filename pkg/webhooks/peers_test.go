package webhooks

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

// reader lists Provisioners of these names, or fails.
type reader struct {
	client.Reader
	names []string
	err   error
}

func (r reader) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	for _, name := range r.names {
		provisioners := list.(*v1alpha5.ProvisionerList)
		provisioners.Items = append(provisioners.Items, v1alpha5.Provisioner{ObjectMeta: metav1.ObjectMeta{Name: name}})
	}
	return r.err
}

func TestPeersAreAllThatTheWatchHasShown(t *testing.T) {
	for name, tc := range map[string]struct {
		reader reader
		synced bool
		want   []string
	}{
		"some":                   {reader{names: []string{"a", "b"}}, true, []string{"a", "b"}},
		"none":                   {reader{}, true, nil},
		"before all were shown":  {reader{names: []string{"a"}}, false, nil},
		"when they are not told": {reader{names: []string{"a"}, err: errors.New("no")}, true, nil},
	} {
		t.Run(name, func(t *testing.T) {
			found := &CachedPeers{reader: tc.reader, synced: func() bool { return tc.synced }}
			var got []string
			for _, p := range found.Known(t.Context()) {
				got = append(got, p.Name)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("peers (-want +got):\n%s", diff)
			}
		})
	}
}
