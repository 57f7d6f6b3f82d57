package world

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// idDigits is the length of the hexadecimal part of an EC2 resource id.
const idDigits = 17

func stableHex(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:])
}

// stableID makes an id that depends on the parts alone, so that a world has the same subnets and images whenever it is made.
func stableID(prefix string, parts ...string) string {
	return prefix + "-0" + stableHex(append([]string{prefix}, parts...)...)[:idDigits-1]
}

// KindOf is the kind of a resource in ARNs, by its id; empty for an id of no kind that is known here.
func KindOf(id string) string {
	prefix, _, _ := strings.Cut(id, "-")
	return map[string]string{
		"i": "instance", "lt": "launch-template", "subnet": "subnet", "sg": "security-group", "ami": "image", "fleet": "fleet",
	}[prefix]
}

// newID makes the id of something created while the world runs: never twice in one world, nor in two worlds made at different times.
// The caller holds the lock.
func (w *World) newID(prefix string) string {
	w.sequence++
	return stableID(prefix, w.seed, fmt.Sprint(w.sequence))
}

// newUUID makes an id in UUID form, as fleets and reservations of spot have. The caller holds the lock.
func (w *World) newUUID(prefix string) string {
	w.sequence++
	h := stableHex(prefix, w.seed, fmt.Sprint(w.sequence))
	return fmt.Sprintf("%s-%s-%s-%s-%s-%s", prefix, h[:8], h[8:12], h[12:16], h[16:20], h[20:32])
}
