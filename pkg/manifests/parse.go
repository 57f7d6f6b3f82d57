package manifests

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// parse returns the documents of a source and what is wrong with their syntax. Of a stream of YAML documents each is read by
// itself, so that a broken one does not hide the mistakes of the others.
func parse(source Source) ([]*yaml.Node, []Mistake) {
	trimmed := bytes.TrimSpace(source.Content)
	if len(trimmed) > 0 && trimmed[0] == '{' {
		if documents, err := parseJSON(source.Content); err == nil {
			return documents, nil
		} else if json.Valid(trimmed) || !looksLikeYAML(source) {
			return nil, []Mistake{{File: source.Name, Line: err.line, Text: err.text}}
		}
	}
	var out []*yaml.Node
	var mistakes []Mistake
	for _, part := range split(source.Content) {
		document := &yaml.Node{}
		if err := yaml.Unmarshal(part.content, document); err != nil {
			line, text := syntax(err)
			mistakes = append(mistakes, Mistake{File: source.Name, Line: part.line + line, Text: text})
			continue
		}
		if len(document.Content) == 0 {
			continue // comments
		}
		shift(document, part.line)
		out = append(out, document.Content[0])
	}
	return out, mistakes
}

// looksLikeYAML reports whether a source that starts with a brace is the flow style of YAML.
func looksLikeYAML(source Source) bool { return yaml.Unmarshal(source.Content, &yaml.Node{}) == nil }

// chunk is a document of a stream and how many lines are before it.
type chunk struct {
	line    int
	content []byte
}

func split(content []byte) []chunk {
	var out []chunk
	start, startLine, line := 0, 0, 0
	for at := 0; at < len(content); line++ {
		end := len(content)
		if i := bytes.IndexByte(content[at:], '\n'); i >= 0 {
			end = at + i + 1
		}
		if text := string(bytes.TrimRight(content[at:end], "\r\n")); at > start && (text == "---" || strings.HasPrefix(text, "--- ") || strings.HasPrefix(text, "---\t")) {
			out = append(out, chunk{startLine, content[start:at]})
			start, startLine = at, line
		}
		at = end
	}
	return append(out, chunk{startLine, content[start:]})
}

// shift adds the lines before a document to those that its nodes know. An alias leads to a node of the same document.
func shift(n *yaml.Node, lines int) {
	n.Line += lines
	for _, child := range n.Content {
		shift(child, lines)
	}
}

// errorLine finds the line that the YAML library names.
var errorLine = regexp.MustCompile(`^yaml: line ([0-9]+): `)

// syntax returns the line and the text of an error of the YAML library.
func syntax(err error) (int, string) {
	text := err.Error()
	if found := errorLine.FindStringSubmatch(text); found != nil {
		line, _ := strconv.Atoi(found[1]) // a number, says the expression
		return line, "no YAML: " + text[len(found[0]):]
	}
	return 1, "no YAML: " + strings.TrimPrefix(text, "yaml: ")
}

// jsonError is why a source is no JSON.
type jsonError struct {
	line int
	text string
}

// jsonReader makes of JSON the nodes that the YAML library makes of YAML, which itself reads JSON only in part.
type jsonReader struct {
	decoder *json.Decoder
	content []byte
	// line is that of offset.
	line   int
	offset int64
}

// parseJSON reads one JSON value after the other.
func parseJSON(content []byte) ([]*yaml.Node, *jsonError) {
	r := &jsonReader{decoder: json.NewDecoder(bytes.NewReader(content)), content: content, line: 1}
	r.decoder.UseNumber()
	var out []*yaml.Node
	for {
		token, err := r.decoder.Token()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		var n *yaml.Node
		if err == nil {
			n, err = r.node(token, 0)
		}
		if err != nil {
			return nil, r.fail(err)
		}
		out = append(out, n)
	}
}

func (r *jsonReader) fail(err error) *jsonError {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return &jsonError{1 + bytes.Count(r.content, []byte("\n")), "no JSON: the file ends before it is complete"}
	}
	if at := (*json.SyntaxError)(nil); errors.As(err, &at) {
		return &jsonError{1 + bytes.Count(r.content[:min(at.Offset, int64(len(r.content)))], []byte("\n")), "no JSON: " + at.Error()}
	}
	return &jsonError{r.at(), "no JSON: " + err.Error()}
}

// at returns the line of the token that was read last.
func (r *jsonReader) at() int {
	now := r.decoder.InputOffset()
	r.line += bytes.Count(r.content[r.offset:now], []byte("\n"))
	r.offset = now
	return r.line
}

// node returns the value that starts with the token.
func (r *jsonReader) node(token json.Token, depth int) (*yaml.Node, error) {
	if depth > maxDepth {
		return nil, errors.New(tooDeep)
	}
	line := r.at()
	switch v := token.(type) {
	case json.Delim:
		return r.composite(v, line, depth)
	case string:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: v, Style: yaml.DoubleQuotedStyle, Line: line}, nil
	case json.Number:
		tag := "!!int"
		if strings.ContainsAny(v.String(), ".eE") {
			tag = "!!float"
		}
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: v.String(), Line: line}, nil
	case bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: strconv.FormatBool(v), Line: line}, nil
	default:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null", Line: line}, nil
	}
}

func (r *jsonReader) composite(open json.Delim, line, depth int) (*yaml.Node, error) {
	out := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: line}
	if open == '[' {
		out.Kind, out.Tag = yaml.SequenceNode, "!!seq"
	}
	for {
		token, err := r.decoder.Token()
		if err != nil {
			return nil, err
		}
		if end, ok := token.(json.Delim); ok && (end == ']' || end == '}') {
			return out, nil
		}
		child, err := r.node(token, depth+1)
		if err != nil {
			return nil, err
		}
		out.Content = append(out.Content, child)
	}
}

const (
	// maxDepth is how deep values may be within each other; Kubernetes' own kinds are within 30.
	maxDepth = 200
	tooDeep  = "values are within each other too deeply"
	// maxUnfolded is how many values aliases may stand for in all.
	maxUnfolded = 1_000_000
)

// resolved returns the node that an alias stands for.
func resolved(n *yaml.Node) *yaml.Node {
	for range maxDepth {
		if n.Kind != yaml.AliasNode || n.Alias == nil {
			break
		}
		n = n.Alias
	}
	return n
}

// member is a key of a mapping with its value.
type member struct{ key, value *yaml.Node }

// members returns what a mapping says, what it merges in by << last; of a key that is there twice all.
func members(n *yaml.Node) []member {
	out := make([]member, 0, len(n.Content)/2)
	var merged []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		if key := n.Content[i]; key.Kind == yaml.ScalarNode && key.Tag == "!!merge" {
			merged = append(merged, n.Content[i+1])
			continue
		}
		out = append(out, member{n.Content[i], n.Content[i+1]})
	}
	for _, source := range merged {
		source = resolved(source)
		list := []*yaml.Node{source}
		if source.Kind == yaml.SequenceNode {
			list = source.Content
		}
		for _, from := range list {
			if from = resolved(from); from.Kind == yaml.MappingNode {
				out = append(out, absent(out, from)...)
			}
		}
	}
	return out
}

// absent returns the members of a mapping that are not in the list yet.
func absent(list []member, from *yaml.Node) []member {
	var out []member
	for i := 0; i+1 < len(from.Content); i += 2 {
		key := from.Content[i]
		if !slices.ContainsFunc(list, func(m member) bool { return m.key.Value == key.Value }) {
			out = append(out, member{key, from.Content[i+1]})
		}
	}
	return out
}

// get returns the value of a key; nil where it is not there.
func get(n *yaml.Node, key string) *yaml.Node {
	if n = resolved(n); n.Kind != yaml.MappingNode {
		return nil
	}
	for _, m := range members(n) {
		if m.key.Value == key {
			return resolved(m.value)
		}
	}
	return nil
}

// text returns the value of a key that has a string; "" otherwise.
func text(n *yaml.Node, key string) string {
	if v := get(n, key); v != nil && v.Kind == yaml.ScalarNode {
		return v.Value
	}
	return ""
}

// fieldPath splits the path of a field as validation writes it: spec.labels[example.com/team].
var fieldPath = regexp.MustCompile(`([^.\[\]]+)|\[([^\]]*)\]`)

// lineOf returns the line of a field of an object or, where it is not there, of the nearest that leads to it.
func lineOf(object *yaml.Node, path string) int {
	at, line := resolved(object), object.Line
	for _, part := range fieldPath.FindAllStringSubmatch(path, -1) {
		name := part[1]
		if part[2] != "" {
			name = part[2]
		}
		switch at.Kind {
		case yaml.MappingNode:
			i := slices.IndexFunc(members(at), func(m member) bool { return m.key.Value == name })
			if i < 0 {
				return line
			}
			found := members(at)[i]
			at, line = resolved(found.value), found.key.Line
		case yaml.SequenceNode:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(at.Content) {
				return line
			}
			at, line = resolved(at.Content[i]), at.Content[i].Line
		default:
			return line
		}
	}
	return line
}

// Mistake is what is wrong with a file.
type Mistake struct {
	File string
	Line int
	Text string
}

// String writes it as compilers do.
func (m Mistake) String() string { return fmt.Sprintf("%s:%d: %s", m.File, m.Line, m.Text) }
