package selector

import (
	"errors"
	"testing"

	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"
)

func TestSelectorsBecomeFilters(t *testing.T) {
	for name, tc := range map[string]struct {
		selector map[string]string
		want     map[string][]string // filter name -> values
	}{
		"one tag":                    {map[string]string{"env": "prod"}, map[string][]string{"tag:env": {"prod"}}},
		"tags are ANDed":             {map[string]string{"a": "1", "b": "2"}, map[string][]string{"tag:a": {"1"}, "tag:b": {"2"}}},
		"any value":                  {map[string]string{"env": "*"}, map[string][]string{"tag-key": {"env"}}},
		"alternatives":               {map[string]string{"env": "prod, test,prod"}, map[string][]string{"tag:env": {"prod", "test"}}},
		"ids":                        {map[string]string{"aws-ids": "subnet-1,subnet-2"}, map[string][]string{"subnet-id": {"subnet-1", "subnet-2"}}},
		"ids in the other spelling":  {map[string]string{"aws::ids": "subnet-1"}, map[string][]string{"subnet-id": {"subnet-1"}}},
		"a wildcard among the rest":  {map[string]string{"env": "prod,*"}, map[string][]string{"tag-key": {"env"}}},
		"a pattern stays as written": {map[string]string{"Name": "private-*"}, map[string][]string{"tag:Name": {"private-*"}}},
	} {
		t.Run(name, func(t *testing.T) {
			filters, err := Filters(tc.selector, "subnet-id")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, byName(filters)); diff != "" {
				t.Errorf("filters (-want +got):\n%s", diff)
			}
		})
	}
}

func byName(filters []ec2types.Filter) map[string][]string {
	out := map[string][]string{}
	for _, f := range filters {
		out[*f.Name] = f.Values
	}
	return out
}

func TestSelectorsWithoutMeaningAreRefused(t *testing.T) {
	if _, err := Filters(nil, "subnet-id"); !errors.Is(err, ErrEmpty) {
		t.Errorf("error = %v, want %v", err, ErrEmpty)
	}
	if _, err := Filters(map[string]string{"env": " ,"}, "subnet-id"); !errors.Is(err, ErrInvalid) {
		t.Errorf("error = %v, want %v", err, ErrInvalid)
	}
}

func TestASelectorPrintsInOrderOfKey(t *testing.T) {
	if got, want := String(map[string]string{"b": "2", "a": "1"}), "{a: 1, b: 2}"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
