package aws_test

import (
	"slices"
	"testing"
	"time"

	"github.com/kerf-autoscaler/kerf/test/awssim/world"
)

func TestAnImageOfAStrangerIsTakenOnlyWhereItsOwnerIsNamed(t *testing.T) {
	const name, stranger = "amazon-eks-node-1.32-v20260520", "666666666666"
	s := startSim(t, func(c *world.Config) {
		i := slices.IndexFunc(c.Images, func(i world.Image) bool { return i.Name == name })
		if i < 0 {
			t.Fatalf("no image %s", name)
		}
		lure := c.Images[i]
		lure.ID, lure.OwnerID, lure.OwnerAlias, lure.Created = "ami-0000000000000lure", stranger, "", lure.Created.Add(24*time.Hour)
		c.Images = append(c.Images, lure)
	})
	for what, tc := range map[string]struct {
		selector map[string]string
		want     bool
	}{
		"by name":                   {map[string]string{"aws::name": name}, false},
		"by a pattern":              {map[string]string{"aws::name": "amazon-eks-node-*"}, false},
		"by name, of Amazon":        {map[string]string{"aws::name": name, "aws::owners": "amazon"}, false},
		"by name and owner":         {map[string]string{"aws::name": name, "aws::owners": stranger}, true},
		"by name and an owner list": {map[string]string{"aws::name": name, "aws::owners": "self," + stranger}, true},
	} {
		found, err := s.provider.Discovery().Images.Select(t.Context(), tc.selector)
		if err != nil || len(found) == 0 {
			t.Errorf("%s: %v, %v", what, found, err)
			continue
		}
		if got := found[0].ID == "ami-0000000000000lure"; got != tc.want {
			t.Errorf("%s: the stranger's is taken: %t, want %t", what, got, tc.want)
		}
	}
}
