package world

import (
	"maps"
	"slices"
	"strings"

	"github.com/kerf-autoscaler/kerf/test/awssim/apierror"
)

// EC2's bounds on tags.
const (
	maxTags        = 50
	maxTagKey      = 127
	maxTagValue    = 255
	reservedPrefix = "aws:"
)

// Tags are key -> value. They are never changed in place, so copies of a resource may share them.
type Tags map[string]string

// With returns the tags with one more.
func (t Tags) With(key, value string) Tags {
	return t.Merge(Tags{key: value})
}

// Merge returns the tags with others added; theirs win.
func (t Tags) Merge(others Tags) Tags {
	merged := make(Tags, len(t)+len(others))
	maps.Copy(merged, t)
	maps.Copy(merged, others)
	return merged
}

// Tag is one tag on the wire.
type Tag struct {
	Key   string `query:"Key,required" xml:"key"`
	Value string `query:"Value" xml:"value"`
}

// List is the tags sorted by key.
func (t Tags) List() []Tag {
	list := make([]Tag, 0, len(t))
	for _, key := range slices.Sorted(maps.Keys(t)) {
		list = append(list, Tag{Key: key, Value: t[key]})
	}
	return list
}

// CheckTags turns tags of a request into Tags, or says what EC2 would refuse in them.
func CheckTags(list []Tag) (Tags, error) {
	tags := make(Tags, len(list))
	for _, tag := range list {
		switch {
		case tag.Key == "" || len(tag.Key) > maxTagKey:
			return nil, apierror.New("InvalidParameterValue", "Tag keys must be between 1 and %d characters long", maxTagKey)
		case len(tag.Value) > maxTagValue:
			return nil, apierror.New("InvalidParameterValue", "Tag values must be at most %d characters long", maxTagValue)
		case strings.HasPrefix(strings.ToLower(tag.Key), reservedPrefix):
			return nil, apierror.New("InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use")
		}
		if _, dup := tags[tag.Key]; dup {
			return nil, apierror.New("InvalidParameterValue", "Duplicate tag key '%s' specified.", tag.Key)
		}
		tags[tag.Key] = tag.Value
	}
	return tags, checkTagCount(tags)
}

// checkTagCount does not count AWS's own tags, as EC2 does not.
func checkTagCount(tags Tags) error {
	count := 0
	for key := range tags {
		if !strings.HasPrefix(key, reservedPrefix) {
			count++
		}
	}
	if count > maxTags {
		return apierror.New("TagLimitExceeded", "You have reached the maximum number of tags allowed for a resource: %d", maxTags)
	}
	return nil
}

// TagSpecification is tags for one kind of resource that a call creates.
type TagSpecification struct {
	ResourceType string `query:"ResourceType" xml:"resourceType"`
	Tags         []Tag  `query:"Tag" xml:"tagSet>item"`
}

// CheckTagSpecifications sorts the tags by kind of resource and refuses the kinds that the operation cannot tag.
func CheckTagSpecifications(specifications []TagSpecification, allowed ...string) (map[string]Tags, error) {
	byType := map[string]Tags{}
	for _, specification := range specifications {
		kind := specification.ResourceType
		if kind == "" {
			return nil, apierror.Missing("TagSpecification.ResourceType")
		}
		if !slices.Contains(allowed, kind) {
			return nil, apierror.New("InvalidParameterValue", "'%s' is not a valid taggable resource type for this operation.", kind)
		}
		if _, dup := byType[kind]; dup {
			return nil, apierror.New("InvalidParameterValue", "The resource type '%s' is given tags twice.", kind)
		}
		if len(specification.Tags) == 0 {
			return nil, apierror.New("InvalidParameterValue", "Tag specification must have at least one tag")
		}
		tags, err := CheckTags(specification.Tags)
		if err != nil {
			return nil, err
		}
		byType[kind] = tags
	}
	return byType, nil
}
