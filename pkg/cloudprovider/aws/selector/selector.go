// Package selector is the grammar in which an AWSNodeTemplate selects EC2 resources by tags or ids.
package selector

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// ErrEmpty says that a selector selects nothing because nothing is in it.
var ErrEmpty = errors.New("the selector is empty")

// ErrInvalid says that a selector cannot be read.
var ErrInvalid = errors.New("the selector cannot be read")

// Filters returns the filters of a Describe call that find what the selector selects: tags are ANDed, "*" matches any
// value, a comma separates alternatives, and aws-ids (or aws::ids) lists ids, which idFilter is the filter for.
func Filters(selector map[string]string, idFilter string) ([]ec2types.Filter, error) {
	if len(selector) == 0 {
		return nil, ErrEmpty
	}
	out := make([]ec2types.Filter, 0, len(selector))
	for _, key := range slices.Sorted(maps.Keys(selector)) {
		values, err := Values(selector, key)
		switch {
		case err != nil:
			return nil, err
		case isIDs(key):
			out = append(out, ec2types.Filter{Name: awssdk.String(idFilter), Values: values})
		case slices.Contains(values, "*"):
			out = append(out, ec2types.Filter{Name: awssdk.String("tag-key"), Values: []string{key}})
		default:
			out = append(out, ec2types.Filter{Name: awssdk.String("tag:" + key), Values: values})
		}
	}
	return out, nil
}

func isIDs(key string) bool { return key == "aws-ids" || key == "aws::ids" }

// ByID reports whether a selector names ids.
func ByID(selector map[string]string) bool {
	for key := range selector {
		if isIDs(key) {
			return true
		}
	}
	return false
}

// Values returns the alternatives that a selector lists under a key.
func Values(selector map[string]string, key string) ([]string, error) {
	values := alternatives(selector[key])
	if len(values) == 0 {
		return nil, fmt.Errorf("%w: key %q has no value", ErrInvalid, key)
	}
	return values, nil
}

// String returns the selector as {key: value, ...} in order of key.
func String(selector map[string]string) string {
	parts := make([]string, 0, len(selector))
	for _, key := range slices.Sorted(maps.Keys(selector)) {
		parts = append(parts, key+": "+selector[key])
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

func alternatives(list string) []string {
	var out []string
	for v := range strings.SplitSeq(list, ",") {
		if v = strings.TrimSpace(v); v != "" && !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}
