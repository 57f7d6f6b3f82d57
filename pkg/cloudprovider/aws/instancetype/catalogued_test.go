package instancetype

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What is planned offline is what would be bought: both sources lead to the same facts.
func TestTheCatalogueTellsOfEveryTypeWhatEC2Does(t *testing.T) {
	c := facts(t)
	limits := limitsOf(c)
	for _, known := range c.InstanceTypes() {
		description := described(known)
		want, sold := infoFrom(&description, limits(known.Name))
		if !sold {
			continue
		}
		if diff := cmp.Diff(want, infoOf(known)); diff != "" {
			t.Errorf("%s (-EC2 +catalogue):\n%s", known.Name, diff)
		}
	}
}

func TestTheCatalogueOffersWhatARegionHas(t *testing.T) {
	c := facts(t)
	snapshot, err := NewCatalogued(c, "us-west-2").Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	if len(snapshot.Infos) < 1000 {
		t.Errorf("there are %d types", len(snapshot.Infos))
	}
	if _, ok := snapshot.Info("p3.2xlarge"); ok {
		t.Error("p3.2xlarge has been withdrawn, and is there")
	}
	if diff := cmp.Diff([]string{"us-west-2a", "us-west-2b", "us-west-2c", "us-west-2d"}, snapshot.Zones("m5.large")); diff != "" {
		t.Errorf("zones of m5.large: %s", diff)
	}
}
