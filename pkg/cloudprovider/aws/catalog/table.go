package catalog

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// row is one line of a table, read by column name. The first bad cell is kept in err, so that a caller checks once per row.
type row struct {
	line    int
	columns map[string]int // column name -> index in cells
	cells   []string
	bare    bool // errors do not name the line: whoever reports them does
	err     error
}

// readTable calls add for each row of an embedded file.
func readTable(file string, add func(*row)) error {
	f, err := files.Open("data/" + file)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // an embedded file holds nothing open
	reader := csv.NewReader(f)
	header, err := reader.Read()
	if err != nil {
		return fmt.Errorf("reading the header: %w", err)
	}
	columns := make(map[string]int, len(header))
	for i, name := range header {
		columns[name] = i
	}
	for line := 2; ; line++ {
		cells, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		r := &row{line: line, columns: columns, cells: cells}
		add(r)
		if r.err != nil {
			return r.err
		}
	}
}

func (r *row) fail(column string, err error) {
	if r.err == nil && r.bare {
		r.err = fmt.Errorf("%s: %w", column, err)
	} else if r.err == nil {
		r.err = fmt.Errorf("line %d, column %s: %w", r.line, column, err)
	}
}

func (r *row) text(column string) string {
	i, ok := r.columns[column]
	if !ok {
		r.fail(column, errors.New("no such column"))
		return ""
	}
	return r.cells[i]
}

// list splits a cell joined by bars; an empty cell is no values.
func (r *row) list(column string) []string {
	s := r.text(column)
	if s == "" {
		return nil
	}
	return strings.Split(s, "|")
}

// integer reads a whole number; an empty cell, which means "not known", is 0.
func (r *row) integer(column string) int {
	s := r.text(column)
	if s == "" {
		return 0
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		r.fail(column, err)
	}
	return n
}

func (r *row) decimal(column string) float64 {
	f, err := strconv.ParseFloat(r.text(column), 64)
	if err != nil {
		r.fail(column, err)
	}
	return f
}

func (r *row) boolean(column string) bool {
	b, err := strconv.ParseBool(r.text(column))
	if err != nil {
		r.fail(column, err)
	}
	return b
}
