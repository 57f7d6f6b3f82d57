package v1alpha1

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Keys of a selector that are no tags.
const (
	// SelectorIDs and SelectorIDsAlias take a comma-separated list of ids. No other key stands beside them.
	SelectorIDs      = "aws-ids"
	SelectorIDsAlias = "aws::ids"
	// SelectorName takes names of images; only in spec.amiSelector.
	SelectorName = "aws::name"
	// SelectorOwners takes accounts that own images; only in spec.amiSelector.
	SelectorOwners = "aws::owners"
)

// maxSelectorKeys is how many filters a Describe call of EC2 takes.
const maxSelectorKeys = 50

// selected is what a selector finds; the value is what the ids of it start with.
type selected string

const (
	selectsSubnets        selected = "subnet-"
	selectsSecurityGroups selected = "sg-"
	selectsAMIs           selected = "ami-"
)

// validate returns what is wrong with a selector, in order of key.
func (s selected) validate(path *field.Path, selector map[string]string) field.ErrorList {
	var errs field.ErrorList
	if len(selector) > maxSelectorKeys {
		errs = append(errs, field.TooMany(path, len(selector), maxSelectorKeys))
	}
	for _, key := range slices.Sorted(maps.Keys(selector)) {
		value, at := selector[key], path.Key(key)
		switch {
		case key == "":
			errs = append(errs, field.Invalid(at, key, "the key is the name of a tag and cannot be empty"))
		case value == "":
			errs = append(errs, field.Invalid(at, value, `must not be empty; "*" stands for any value of the tag`))
		case isIDs(key):
			errs = append(errs, s.validateIDs(at, value)...)
			if len(selector) > 1 {
				errs = append(errs, field.Forbidden(at, "ids say all there is to select: remove them, or every other key"))
			}
		}
	}
	return errs
}

func (s selected) validateIDs(path *field.Path, list string) field.ErrorList {
	var errs field.ErrorList
	for id := range strings.SplitSeq(list, ",") {
		if id = strings.TrimSpace(id); !s.namedIn(id) {
			errs = append(errs, field.Invalid(path, id, fmt.Sprintf("must be an id such as %s0123456789abcdef0", string(s))))
		}
	}
	return errs
}

// namedIn reports whether an id is somewhere in the text: what Karpenter lets pass, passes.
func (s selected) namedIn(text string) bool {
	for {
		_, after, found := strings.Cut(text, string(s))
		if !found {
			return false
		}
		if after != "" && (after[0] >= '0' && after[0] <= '9' || after[0] >= 'a' && after[0] <= 'z') {
			return true
		}
		text = after
	}
}

func isIDs(key string) bool { return key == SelectorIDs || key == SelectorIDsAlias }
