package schema

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Generator makes up objects that a schema admits. The same seed makes the same objects.
type Generator struct {
	random *rand.Rand
	// words that strings and keys are drawn from, the strangest among them.
	words []string
	// Unknown is what every other object is like of which the schema does not say what it is like; nil for none.
	Unknown Schema
}

// NewGenerator returns a generator that also draws from some words of the tests.
func NewGenerator(seed uint64, words ...string) *Generator {
	return &Generator{random: rand.New(rand.NewPCG(seed, seed)), words: append(strange(), words...)}
}

// strange returns strings that have broken programs.
func strange() []string {
	return []string{
		"", " ", "a", "-", "*", ",", "0", "-1", "1", "3", "100%", "-5%", "NaN%", "1e400", "9223372036854775808", "0.5", "2Gi", "10m", "1m30s",
		"'", "\"", "`id`", "$(id)", "a\nb", "\x00", "\u202e", "ä", "🪚", "\ufeff", "--//", "{}", "null", "../..", "a/b/c", "/", "a/",
		"In", "Gt", "NoSchedule", "kubernetes.io/os", "karpenter.sh/provisioner-name", "karpenter.k8s.aws/instance-family",
		"beta.kubernetes.io/arch", "foo.k8s.io/bar", "node.kubernetes.io/instance-type", "aws-ids", "aws::ids", "aws::owners", "subnet-1",
		"sg-1,sg-2", "ami-1", "cpu", "memory", "pid", "memory.available", "nodefs.inodesFree", "AL2", "Custom", "aws:x",
		"kubernetes.io/cluster/a", strings.Repeat("x", 64), strings.Repeat("é", 300), strings.Repeat("a.", 200) + "io/x",
	}
}

// durations returns some that the expression language of the API server reads, from the least to the most that Go can hold.
func durations() []string {
	return []string{"0", "0s", "1ns", "1m30s", "1.5h", "+2h", "720h", "2562047h47m16.854775807s"}
}

// Value returns a value that the schema admits.
func (g *Generator) Value(s Schema) (any, error) {
	if list, ok := s["enum"].([]any); ok {
		return list[g.random.IntN(len(list))], nil
	}
	if s.is("int-or-string") {
		if g.coin() {
			return g.integer(s), nil
		}
		return g.text(s)
	}
	switch kind := s.kind(); kind {
	case "object":
		return g.object(s)
	case "array":
		return g.list(s)
	case "string":
		return g.text(s)
	case "integer":
		return g.integer(s), nil
	case "boolean":
		return g.coin(), nil
	default:
		return nil, fmt.Errorf("no generator for type %q", kind)
	}
}

// Mutate changes one thing somewhere in a value that the schema admits: takes it away, adds it or makes it up anew.
func (g *Generator) Mutate(s Schema, value any) (any, error) {
	switch v := value.(type) {
	case map[string]any:
		if fields := s.properties(); len(fields) > 0 {
			return g.mutateField(s, fields, v)
		}
	case []any:
		if len(v) > 0 && g.random.IntN(4) > 0 {
			i := g.random.IntN(len(v))
			changed, err := g.Mutate(s.items(), v[i])
			out := slices.Clone(v)
			out[i] = changed
			return out, err
		}
	}
	return g.Value(s)
}

func (g *Generator) mutateField(s Schema, fields map[string]Schema, value map[string]any) (any, error) {
	names := slices.Sorted(maps.Keys(fields))
	name := names[g.random.IntN(len(names))]
	out := maps.Clone(value)
	old, there := out[name]
	if there && g.random.IntN(4) == 0 && !slices.Contains(s.strings("required"), name) {
		delete(out, name)
		return out, nil
	}
	made, err := g.Value(fields[name])
	if there && g.coin() {
		made, err = g.Mutate(fields[name], old)
	}
	out[name] = made
	return out, err
}

func (g *Generator) coin() bool { return g.random.IntN(2) == 0 }

func (g *Generator) object(s Schema) (any, error) {
	out := map[string]any{}
	fields := s.properties()
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if !slices.Contains(s.strings("required"), name) && g.coin() {
			continue
		}
		value, err := g.Value(fields[name])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out[name] = value
	}
	if entries := s.entries(); entries != nil {
		for range g.count(s, "minProperties", "maxProperties") {
			value, err := g.Value(entries)
			if err != nil {
				return nil, err
			}
			out[g.word()] = value
		}
	}
	if s.is("preserve-unknown-fields") && g.Unknown != nil && g.coin() {
		return g.object(g.Unknown)
	}
	if s.is("preserve-unknown-fields") {
		for range g.random.IntN(4) {
			out[g.word()] = g.anything(3)
		}
	}
	return out, nil
}

func (g *Generator) list(s Schema) (any, error) {
	out := []any{}
	for range g.count(s, "minItems", "maxItems") {
		value, err := g.Value(s.items())
		if err != nil {
			return nil, err
		}
		out = append(out, value)
	}
	return out, nil
}

// count returns how many entries a list or a map gets: a few, within its bounds.
func (g *Generator) count(s Schema, least, most string) int64 {
	minimum, _ := s.number(least)
	maximum, bounded := s.number(most)
	if !bounded {
		maximum = math.MaxInt64
	}
	return min(minimum+g.random.Int64N(5), maximum)
}

func (g *Generator) integer(s Schema) int64 {
	minimum, maximum := int64(math.MinInt64), int64(math.MaxInt64)
	if s["format"] == "int32" {
		minimum, maximum = math.MinInt32, math.MaxInt32
	}
	if bound, ok := s.number("minimum"); ok {
		minimum = bound
	}
	if bound, ok := s.number("maximum"); ok {
		maximum = bound
	}
	candidates := []int64{minimum, maximum, 0, 1, 2, 30, 100, 3000, 100_000_000_000, g.random.Int64()}
	for {
		if n := candidates[g.random.IntN(len(candidates))]; n >= minimum && n <= maximum {
			return n
		}
	}
}

// text returns a word that fits; it is an error if none does.
func (g *Generator) text(s Schema) (any, error) {
	if s["format"] == "date-time" {
		return time.Unix(g.random.Int64N(1<<32), 0).UTC().Format(time.RFC3339), nil
	}
	if s.isDuration() {
		return durations()[g.random.IntN(len(durations()))], nil
	}
	pattern, _ := s["pattern"].(string)
	fits, err := regexp.Compile(pattern)
	if err != nil {
		return nil, fmt.Errorf("compiling a pattern: %w", err)
	}
	longest, bounded := s.number("maxLength")
	shortest, _ := s.number("minLength")
	start := g.random.IntN(len(g.words))
	for i := range g.words {
		w := g.words[(start+i)%len(g.words)]
		length := int64(utf8.RuneCountInString(w))
		if length >= shortest && (!bounded || length <= longest) && fits.MatchString(w) {
			return w, nil
		}
	}
	return nil, fmt.Errorf("no word matches %q", pattern)
}

func (g *Generator) word() string { return g.words[g.random.IntN(len(g.words))] }

// anything returns any JSON that is nested no deeper than that.
func (g *Generator) anything(depth int) any {
	switch g.random.IntN(6) {
	case 0:
		return nil
	case 1:
		return g.coin()
	case 2:
		return g.integer(Schema{})
	case 3:
		if depth == 0 {
			return g.random.NormFloat64()
		}
		return []any{g.anything(depth - 1), g.anything(depth - 1)}
	case 4:
		if depth == 0 {
			return ""
		}
		return map[string]any{g.word(): g.anything(depth - 1), g.word(): g.anything(depth - 1)}
	default:
		return g.word()
	}
}
