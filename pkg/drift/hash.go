// Package drift says when a machine no longer is what its Provisioner and its template ask for.
package drift

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/samber/lo"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

// HashVersion names the way in which hashes are made. It changes when another version of kerf would hash the same spec to another
// value: machines that were planned before are then not compared by their hashes.
const HashVersion = "1"

// ProvisionerHash is a hash over those fields of a Provisioner that its machines carry for life: annotations, labels, taints,
// startup taints and the kubelet's configuration. The rest is compared with the machine itself, or says nothing of it. It is
// a decimal number, and the same for two specs that mean the same: the order of taints, an empty list in place of none, the
// unit of a quantity and a default that is written out do not count. A field that a later version adds changes no hash as long as it is not set.
func ProvisionerHash(p *v1alpha5.Provisioner) (string, error) {
	return hash(map[string]any{
		"annotations":          p.Spec.Annotations,
		"labels":               p.Spec.Labels,
		"taints":               sorted(p.Spec.Taints),
		"startupTaints":        sorted(p.Spec.StartupTaints),
		"kubeletConfiguration": p.Spec.KubeletConfiguration.WithoutDefaults(),
	})
}

// TemplateHash is the same for a template: all that it says of its machines, but for what is looked up by selectors or by the
// name of a launch template, which is compared with what is found there. Only a default that holds everywhere may be written out
// and not count: most of a template's follow from the cluster, the image or the account.
func TemplateHash(t *awsv1alpha1.AWSNodeTemplate) (string, error) {
	spec := t.Spec.DeepCopy()
	spec.APIVersion, spec.Kind, spec.LaunchTemplate = "", "", ""
	spec.SubnetSelector, spec.SecurityGroupSelector, spec.AMISelector = nil, nil, nil
	if !lo.FromPtr(spec.DetailedMonitoring) {
		spec.DetailedMonitoring = nil
	}
	slices.SortStableFunc(spec.BlockDeviceMappings, func(a, b awsv1alpha1.BlockDeviceMapping) int {
		return cmp.Compare(lo.FromPtr(a.DeviceName), lo.FromPtr(b.DeviceName))
	})
	return hash(spec)
}

// Basis is a short hash over all that has a say in whether the machines of a Provisioner come to anything: its spec, its template
// and the images that this stands for. The template may be nil.
func Basis(p *v1alpha5.Provisioner, t *awsv1alpha1.AWSNodeTemplate) string {
	from := fmt.Sprintf("%s %d", p.UID, p.Generation)
	if t != nil {
		ids := lo.Map(t.Status.AMIs, func(a awsv1alpha1.AMI, _ int) string { return a.ID })
		slices.Sort(ids)
		from += fmt.Sprintf(" %s %d %q", t.UID, t.Generation, ids)
	}
	sum := sha256.Sum256([]byte(from))
	return hex.EncodeToString(sum[:4])
}

// sorted returns taints in an order of their own, without the time that means nothing.
func sorted(taints []v1alpha5.Taint) []v1alpha5.Taint {
	out := slices.SortedFunc(slices.Values(taints), func(a, b v1alpha5.Taint) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Effect, b.Effect), cmp.Compare(a.Value, b.Value))
	})
	for i := range out {
		out[i].TimeAdded = nil
	}
	return out
}

// hash returns the first 64 bits of the SHA-256 sum over the JSON of a value, without what is empty in it.
func hash(value any) (string, error) {
	encoded, err := json.Marshal(value)
	if err != nil {
		return "", fmt.Errorf("encoding what is hashed: %w", err)
	}
	var tree any
	if err := json.Unmarshal(encoded, &tree); err != nil {
		return "", fmt.Errorf("decoding what is hashed: %w", err)
	}
	if encoded, err = json.Marshal(withoutEmpty(tree)); err != nil { // keys of maps in order
		return "", fmt.Errorf("encoding what is hashed: %w", err)
	}
	sum := sha256.Sum256(encoded)
	return strconv.FormatUint(binary.BigEndian.Uint64(sum[:8]), 10), nil
}

// withoutEmpty returns a decoded JSON value without empty objects, empty lists and nulls inside of objects. Zero, false and ""
// stay where they are said: for an optional field they are not the same as nothing.
func withoutEmpty(value any) any {
	object, ok := value.(map[string]any)
	if !ok {
		return value
	}
	out := make(map[string]any, len(object))
	for key, child := range object {
		child = withoutEmpty(child)
		switch c := child.(type) {
		case nil:
			continue
		case map[string]any:
			if len(c) == 0 {
				continue
			}
		case []any:
			if len(c) == 0 {
				continue
			}
		}
		out[key] = child
	}
	return out
}
