package v1alpha1

import (
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// maxTags is what the schema allows, so that its rules stay affordable; EC2 takes fewer.
const maxTags = 200

// validateTags refuses the tags by which kerf, or Karpenter, knows its own. Others that kerf sets cannot be overridden either,
// but objects that have them are about.
func validateTags(path *field.Path, tags map[string]string) field.ErrorList {
	var errs field.ErrorList
	if len(tags) > maxTags {
		errs = append(errs, field.TooMany(path, len(tags), maxTags))
	}
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		switch {
		case key == "":
			errs = append(errs, field.Invalid(path.Key(key), key, "the key of a tag cannot be empty"))
		case isReservedTag(key):
			errs = append(errs, field.Forbidden(path.Key(key), "kerf sets this tag itself: remove it"))
		}
	}
	return errs
}

// isReservedTag reports whether no template may state a tag of that key.
func isReservedTag(key string) bool {
	return key == tagProvisionerName || key == TagManagedBy || isClusterTag(key)
}

// IsOwnTag reports whether kerf sets the tag of that key itself, whatever anybody else wants it to be.
func IsOwnTag(key string) bool {
	switch key {
	case TagClusterUID, TagLaunchGroup, TagLaunchAttempt, TagLaunchTemplateCluster:
		return true
	}
	return isReservedTag(key)
}

// tagProvisionerName is the label of Nodes that instances have as a tag.
const tagProvisionerName = "karpenter.sh/provisioner-name"

// isClusterTag reports whether the key says to which cluster something belongs. Clusters have names of letters, digits, "-"
// and "_" that start with a letter or a digit.
func isClusterTag(key string) bool {
	name, found := strings.CutPrefix(key, TagClusterPrefix)
	if !found || name == "" || name[0] == '-' || name[0] == '_' {
		return false
	}
	return strings.Trim(name, "-_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") == ""
}
