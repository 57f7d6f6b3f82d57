package ec2

import (
	"slices"
	"strings"

	"github.com/kerf-autoscaler/kerf/test/awssim/apierror"
	"github.com/kerf-autoscaler/kerf/test/awssim/world"
)

// maxFilterValues is EC2's bound on the values of one request's filters.
const maxFilterValues = 200

// filter is one filter of a request. Filters must all hold; of a filter's values one must match.
type filter struct {
	Name   string   `query:"Name"`
	Values []string `query:"Value"`
}

// attributes maps filter name -> the values that a resource has under it.
type attributes[T any] map[string]func(T) []string

// one makes an attribute of a single value; an empty one is no value.
func one[T any](value func(T) string) func(T) []string {
	return func(resource T) []string {
		if v := value(resource); v != "" {
			return []string{v}
		}
		return nil
	}
}

// flag makes an attribute of a boolean.
func flag[T any](value func(T) bool) func(T) []string {
	return func(resource T) []string {
		if value(resource) {
			return []string{"true"}
		}
		return []string{"false"}
	}
}

// fixed makes an attribute that every resource has alike.
func fixed[T any](value string) func(T) []string {
	return func(T) []string { return []string{value} }
}

const tagPrefix = "tag:"

func keys(tags world.Tags) []string {
	var all []string
	for _, tag := range tags.List() {
		all = append(all, tag.Key)
	}
	return all
}

func values(tags world.Tags) []string {
	var all []string
	for _, tag := range tags.List() {
		all = append(all, tag.Value)
	}
	return all
}

// selectBy keeps the resources that pass all filters. tags is nil for a kind of resource without tags.
func selectBy[T any](resources []T, filters []filter, known attributes[T], tags func(T) world.Tags) ([]T, error) {
	checks := make([]func(T) bool, 0, len(filters))
	count := 0
	for _, f := range filters {
		attribute, ok := lookup(f.Name, known, tags)
		if !ok {
			return nil, apierror.New("InvalidParameterValue", "The filter '%s' is invalid", f.Name)
		}
		if len(f.Values) == 0 {
			return nil, apierror.New("InvalidParameterValue", "The filter '%s' has no values", f.Name)
		}
		count += len(f.Values)
		checks = append(checks, func(resource T) bool { return anyMatches(f.Values, attribute(resource)) })
	}
	if count > maxFilterValues {
		return nil, apierror.New("FilterLimitExceeded", "The maximum number of filter values specified on a single call is %d", maxFilterValues)
	}
	return slices.DeleteFunc(resources, func(resource T) bool {
		return slices.ContainsFunc(checks, func(check func(T) bool) bool { return !check(resource) })
	}), nil
}

func lookup[T any](name string, known attributes[T], tags func(T) world.Tags) (func(T) []string, bool) {
	if key, ok := strings.CutPrefix(name, tagPrefix); ok && tags != nil && key != "" {
		return func(resource T) []string {
			if value, ok := tags(resource)[key]; ok {
				return []string{value}
			}
			return nil
		}, true
	}
	switch {
	case name == "tag-key" && tags != nil:
		return func(resource T) []string { return keys(tags(resource)) }, true
	case name == "tag-value" && tags != nil:
		return func(resource T) []string { return values(tags(resource)) }, true
	}
	attribute, ok := known[name]
	return attribute, ok
}

func anyMatches(patterns, values []string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		return slices.ContainsFunc(values, func(value string) bool { return matches(pattern, value) })
	})
}

// matches compares a value with a pattern in which * stands for any run of characters, ? for any one, and a backslash takes the next one as it is.
func matches(pattern, value string) bool {
	if pattern == "" {
		return value == ""
	}
	switch pattern[0] {
	case '*':
		return matches(pattern[1:], value) || value != "" && matches(pattern, value[1:])
	case '?':
		return value != "" && matches(pattern[1:], value[1:])
	case '\\':
		if len(pattern) > 1 {
			pattern = pattern[1:]
		}
	}
	return value != "" && value[0] == pattern[0] && matches(pattern[1:], value[1:])
}
