package history

import (
	"path"
	"strconv"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

// RequestOf returns the request that an intent is about.
func RequestOf(launch *v1alpha5.Launch) Request {
	return Request{launch.Group, strconv.FormatInt(int64(launch.Attempt), 10)}
}

// InstanceID returns the id of an instance, of which a provider id is made; "" of none.
func InstanceID(providerID string) string {
	if providerID == "" {
		return ""
	}
	return path.Base(providerID)
}
