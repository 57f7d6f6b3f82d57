package history

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Fingerprint is equal for histories that are the same to the last bit.
func (h *History) Fingerprint() (string, error) {
	sum := sha256.New()
	encoder := json.NewEncoder(sum)
	for i := range h.Events {
		if err := encoder.Encode(&h.Events[i]); err != nil {
			return "", fmt.Errorf("encoding event %d: %w", i, err)
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// Print writes a history down, an event a line.
func (h *History) Print(to io.Writer) error {
	var start time.Time
	for i := range h.Events {
		if start.IsZero() {
			start = h.Events[i].At
		}
		if _, err := fmt.Fprintln(to, h.Events[i].Line(start)); err != nil {
			return fmt.Errorf("printing the history: %w", err)
		}
	}
	return nil
}

// Line is an event in words; times count from start.
func (e *Event) Line(start time.Time) string {
	when := fmt.Sprintf("%12s #%d ", e.At.Sub(start).Round(time.Millisecond), e.Process)
	switch {
	case e.Call != nil:
		return when + e.Call.line()
	case e.Write != nil:
		return when + e.Write.line()
	case e.Read != nil:
		return when + "kerf looks at " + e.Read.Kind + " of " + e.Read.Node
	case e.Told != nil:
		return when + "tells " + e.Told.UID + " " + e.Told.Reason + ": " + e.Told.Message
	case e.Mark != nil:
		return when + "=== " + e.Mark.Name + " " + e.Mark.Detail
	default:
		return when
	}
}

func (c *Call) line() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s calls %s", c.By, c.Action)
	if c.Token != "" {
		fmt.Fprintf(&b, " token %.12s size %d group %.12s attempt %s", c.Token, c.Size, c.Group, c.Attempt)
	}
	if len(c.IDs) > 0 {
		fmt.Fprintf(&b, " of %v", c.IDs)
	}
	for _, i := range c.Made {
		fmt.Fprintf(&b, " +%s", i.ID)
	}
	for _, id := range c.Ended {
		fmt.Fprintf(&b, " -%s", id)
	}
	if c.Code != "" {
		b.WriteString(" refused: " + c.Code)
	}
	if c.Lost {
		b.WriteString(" (answer lost)")
	}
	return b.String()
}

func (w *Write) line() string {
	object := w.Object()
	name := object.GetName()
	if object.GetNamespace() != "" {
		name = object.GetNamespace() + "/" + name
	}
	out := fmt.Sprintf("%s %ss %s %s", w.By, w.Verb, w.Kind, name)
	if w.Before == nil || w.After == nil {
		return out
	}
	return out + " " + strings.Join(difference("", tree(w.Before), tree(w.After)), ", ")
}

// tree is an object as JSON has it.
func tree(object client.Object) any {
	encoded, err := json.Marshal(object)
	if err != nil {
		return err.Error()
	}
	var out any
	if err := json.Unmarshal(encoded, &out); err != nil {
		return err.Error()
	}
	return out
}

// difference says in which fields two trees differ; times and versions say little.
func difference(path string, before, after any) []string {
	a, ok := before.(map[string]any)
	b, ok2 := after.(map[string]any)
	if !ok || !ok2 {
		was, is := fmt.Sprint(before), fmt.Sprint(after)
		if was == is {
			return nil
		}
		return []string{path + "=" + is}
	}
	keys := maps.Clone(a)
	maps.Copy(keys, b)
	var out []string
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if key == "resourceVersion" || key == "managedFields" {
			continue
		}
		out = append(out, difference(strings.TrimPrefix(path+"."+key, "."), a[key], b[key])...)
	}
	return out
}
