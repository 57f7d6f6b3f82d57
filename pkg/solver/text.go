package solver

import (
	"strconv"
	"strings"
)

// writeString writes a string after its length, so that no two lists of strings that differ are written alike.
func writeString(s *strings.Builder, v string) {
	writeInt(s, int64(len(v)))
	s.WriteString(v)
}

func writeInt(s *strings.Builder, n int64) {
	var digits [20]byte
	s.Write(strconv.AppendInt(digits[:0], n, 10))
	s.WriteByte(' ')
}
