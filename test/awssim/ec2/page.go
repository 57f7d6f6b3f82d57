package ec2

import (
	"encoding/base64"
	"sort"
	"strings"

	"github.com/kerf-autoscaler/kerf/test/awssim/apierror"
)

// paged is part of the input of a call whose answer comes in pages.
type paged struct {
	MaxResults *int   `query:"MaxResults"`
	NextToken  string `query:"NextToken"`
}

// pageBounds are the values of MaxResults that a call takes, and the size of its pages when none is given.
type pageBounds struct{ least, most, otherwise int }

// tokenPrefix tells a token of ours from rubbish.
const tokenPrefix = "kerf-awssim/"

// page cuts one page out of a list sorted by key. The token holds the last key that was given, so a list that changes between two pages neither
// repeats nor loses what was there all the time.
func page[T any](list []T, key func(T) string, p paged, bounds pageBounds) ([]T, string, error) {
	size := bounds.otherwise
	if p.MaxResults != nil {
		size = *p.MaxResults
		if size < bounds.least || size > bounds.most {
			return nil, "", apierror.New("InvalidParameterValue",
				"Value ( %d ) for parameter maxResults is invalid. Expecting a value between %d and %d.", size, bounds.least, bounds.most)
		}
	}
	if p.NextToken != "" {
		decoded, err := base64.RawURLEncoding.DecodeString(p.NextToken)
		last, ours := strings.CutPrefix(string(decoded), tokenPrefix)
		if err != nil || !ours {
			return nil, "", apierror.InvalidValue("NextToken", p.NextToken, "The token is invalid.")
		}
		list = list[sort.Search(len(list), func(i int) bool { return key(list[i]) > last }):]
	}
	if len(list) <= size {
		return list, "", nil
	}
	return list[:size], base64.RawURLEncoding.EncodeToString([]byte(tokenPrefix + key(list[size-1]))), nil
}

// excludes refuses paging of a request that names its resources.
func (p paged) excludes(parameter string, given int) error {
	if p.MaxResults != nil && given > 0 {
		return apierror.Combination("The parameter %s cannot be used with the parameter maxResults", parameter)
	}
	return nil
}
