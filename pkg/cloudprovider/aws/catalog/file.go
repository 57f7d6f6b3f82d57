package catalog

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Mistake is what is wrong with a line of a catalogue that a user wrote.
type Mistake struct {
	Line int
	Text string
}

// entry is one instance type as a user wrote it: column -> cell, a list joined by bars.
type entry struct {
	line  int
	cells map[string]string
}

// Columns of a user's catalogue beside those of the built-in table.
const (
	columnName  = "name"
	columnZones = "zones"
	columnPrice = "usd_per_hour"
	columnSpot  = "spot_usd_per_hour"
)

// Columns returns what a user's catalogue may say of an instance type, in the order in which messages name it.
func Columns() []string {
	return []string{
		columnName, columnZones, columnPrice, columnSpot, "arch", "vcpu", "memory_mib", "enis_default_card", "ipv4_per_eni", "branch_enis",
		"gpu_name", "gpu_manufacturer", "gpu_count", "gpu_memory_mib", "accelerator_name", "accelerator_manufacturer", "accelerator_count",
		"nvme_gb", "network_mbps", "hypervisor", "bare_metal", "encryption_in_transit",
	}
}

// Read returns the catalogue of a region that a user's file describes, CSV with a header line or a JSON array of objects with
// the same names. Only the types that it names are there. What it does not say of a type is as c has it.
func (c *Catalog) Read(content []byte, region string) (*Catalog, []Mistake) {
	read := readCSV
	if trimmed := bytes.TrimSpace(content); len(trimmed) > 0 && (trimmed[0] == '[' || trimmed[0] == '{') {
		read = readJSON
	}
	entries, mistakes := read(content)
	o, err := newOverlay(c, region, entries)
	if err != nil {
		return nil, append(mistakes, Mistake{1, err.Error()})
	}
	for _, e := range entries {
		if err := o.add(e); err != nil {
			mistakes = append(mistakes, Mistake{e.line, err.Error()})
		}
	}
	if len(entries) == 0 && len(mistakes) == 0 {
		mistakes = append(mistakes, Mistake{1, "no instance type is described"})
	}
	slices.SortStableFunc(mistakes, func(a, b Mistake) int { return cmp.Compare(a.Line, b.Line) })
	return o.catalog(), mistakes
}

func readCSV(content []byte) ([]entry, []Mistake) {
	reader := csv.NewReader(bytes.NewReader(content))
	reader.TrimLeadingSpace, reader.Comment, reader.FieldsPerRecord = true, '#', -1
	header, err := reader.Read()
	if err != nil {
		return nil, []Mistake{csvMistake(err)}
	}
	var mistakes []Mistake
	seen := map[string]bool{}
	line, _ := reader.FieldPos(0)
	for i, name := range header {
		header[i] = strings.TrimSpace(name)
		if err := checkColumn(header[i]); err != nil {
			mistakes = append(mistakes, Mistake{line, err.Error()})
		} else if seen[header[i]] {
			mistakes = append(mistakes, Mistake{line, fmt.Sprintf("column %s is there twice", header[i])})
		}
		seen[header[i]] = true
	}
	var out []entry
	for {
		cells, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return out, mistakes
		}
		if err != nil {
			return out, append(mistakes, csvMistake(err)) // what comes after cannot be told apart
		}
		line, _ := reader.FieldPos(0)
		if len(cells) != len(header) {
			mistakes = append(mistakes, Mistake{line, fmt.Sprintf("has %d cells where the header has %d", len(cells), len(header))})
			continue
		}
		e := entry{line: line, cells: map[string]string{}}
		for i, cell := range cells {
			e.cells[header[i]] = strings.TrimSpace(cell)
		}
		out = append(out, e)
	}
}

func csvMistake(err error) Mistake {
	if errors.Is(err, io.EOF) {
		return Mistake{1, "the file is empty"}
	}
	if at, ok := errors.AsType[*csv.ParseError](err); ok {
		return Mistake{at.Line, at.Err.Error()}
	}
	return Mistake{1, err.Error()}
}

func checkColumn(name string) error {
	if slices.Contains(Columns(), name) {
		return nil
	}
	return fmt.Errorf("%q is no column; there are %s", name, strings.Join(Columns(), ", "))
}

func readJSON(content []byte) ([]entry, []Mistake) {
	decoder := json.NewDecoder(bytes.NewReader(content))
	lineAt := func(offset int64) int {
		return 1 + bytes.Count(content[:min(offset, int64(len(content)))], []byte("\n"))
	}
	if token, err := decoder.Token(); err != nil || token != json.Delim('[') {
		return nil, []Mistake{{1, "must be an array of objects, one for each instance type"}}
	}
	var out []entry
	var mistakes []Mistake
	for decoder.More() {
		start := decoder.InputOffset()
		start += int64(len(content[start:]) - len(bytes.TrimLeft(content[start:], ", \t\r\n")))
		members := map[string]json.RawMessage{}
		if err := decoder.Decode(&members); err != nil {
			if mistyped := (*json.UnmarshalTypeError)(nil); errors.As(err, &mistyped) {
				mistakes = append(mistakes, Mistake{lineAt(start), "must be an object"})
				continue
			}
			at := start
			if syntax := (*json.SyntaxError)(nil); errors.As(err, &syntax) {
				at = syntax.Offset
			} else if errors.Is(err, io.ErrUnexpectedEOF) {
				at = int64(len(content))
			}
			return out, append(mistakes, Mistake{lineAt(at), err.Error()}) // nothing can be read after it
		}
		e := entry{line: lineAt(start), cells: map[string]string{}}
		for _, name := range slices.Sorted(maps.Keys(members)) {
			cell, err := cellOf(members[name])
			if err = errors.Join(checkColumn(name), err); err != nil {
				mistakes = append(mistakes, Mistake{e.line, fmt.Sprintf("%s: %s", name, err)})
				continue
			}
			e.cells[name] = cell
		}
		out = append(out, e)
	}
	if _, err := decoder.Token(); err != nil {
		mistakes = append(mistakes, Mistake{lineAt(int64(len(content))), "the array has no end"})
	}
	return out, mistakes
}

// cellOf writes a JSON value as a cell of CSV has it: lists joined by bars, objects as key=value.
func cellOf(raw json.RawMessage) (string, error) {
	var value any
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		return "", err
	}
	var parts []string
	switch v := value.(type) {
	case nil:
		return "", nil
	case string, json.Number, bool:
		return strings.TrimSpace(fmt.Sprint(v)), nil
	case []any:
		for _, item := range v {
			parts = append(parts, fmt.Sprint(item))
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, fmt.Sprintf("%s=%v", key, v[key]))
		}
	}
	return strings.Join(parts, "|"), nil
}
