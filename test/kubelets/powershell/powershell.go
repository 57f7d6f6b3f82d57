// Package powershell reads as much of PowerShell as scripts at first boot have: commands of words, quoted or not. It runs
// nothing.
package powershell

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// Kind says how a word is written.
type Kind int

// The kinds of words.
const (
	// Bare is a word without quotes: the name of a command, a parameter, an operator, a variable.
	Bare Kind = iota
	// Literal stands between single quotes, and nothing in it means anything.
	Literal
	// Expandable stands between double quotes, and variables in it are replaced.
	Expandable
)

// Word is a word of a command, quotes removed.
type Word struct {
	Kind Kind
	Text string
}

// Marks that count as the same quote.
const (
	singleQuotes = "'\u2018\u2019\u201a\u201b"
	doubleQuotes = "\"\u201c\u201d\u201e"
)

// errOpen says that a script ends within something.
var errOpen = errors.New("the script ends within")

// Commands returns the commands of a script, each as its words.
func Commands(script string) ([][]Word, error) {
	s := &scanner{rest: []rune(script)}
	for len(s.rest) > 0 {
		if err := s.next(); err != nil {
			return nil, err
		}
	}
	s.endCommand()
	return s.commands, nil
}

type scanner struct {
	rest     []rune
	bare     strings.Builder
	command  []Word
	commands [][]Word
}

// next reads one thing off the rest.
func (s *scanner) next() error {
	r := s.rest[0]
	switch {
	case s.at("@'"), s.at(`@"`):
		return errors.New("here-strings are not read")
	case s.at("<#"):
		return s.blockComment()
	case r == '#' && s.bare.Len() == 0:
		s.rest = s.rest[s.index("\n"):]
	case strings.ContainsRune(singleQuotes, r):
		return s.quoted(Literal, singleQuotes)
	case strings.ContainsRune(doubleQuotes, r):
		return s.quoted(Expandable, doubleQuotes)
	case r == '`':
		return s.escape()
	case strings.ContainsRune("\n;|(){}", r):
		s.endCommand()
		s.rest = s.rest[1:]
	case r == '&':
		s.endWord()
		s.bare.WriteRune(r)
		s.endWord()
		s.rest = s.rest[1:]
	case unicode.IsSpace(r):
		s.endWord()
		s.rest = s.rest[1:]
	default:
		s.bare.WriteRune(r)
		s.rest = s.rest[1:]
	}
	return nil
}

func (s *scanner) at(text string) bool {
	want := []rune(text)
	return len(s.rest) >= len(want) && string(s.rest[:len(want)]) == text
}

// index returns where the text is found in the rest, or its length.
func (s *scanner) index(text string) int {
	before, _, _ := strings.Cut(string(s.rest), text)
	return len([]rune(before))
}

func (s *scanner) blockComment() error {
	end := s.index("#>")
	if end == len(s.rest) {
		return fmt.Errorf("%w a comment", errOpen)
	}
	s.endWord()
	s.rest = s.rest[end+2:]
	return nil
}

// escape reads a backtick: before a newline it continues the line, before anything else it protects the next character.
func (s *scanner) escape() error {
	switch {
	case len(s.rest) == 1:
		return fmt.Errorf("%w an escape", errOpen)
	case s.rest[1] == '\n':
		s.endWord()
	default:
		s.bare.WriteRune(s.rest[1])
	}
	s.rest = s.rest[2:]
	return nil
}

// quoted reads a quoted word. Two marks in a row stand for the second of them.
func (s *scanner) quoted(kind Kind, marks string) error {
	s.endWord()
	var text strings.Builder
	for i := 1; i < len(s.rest); i++ {
		r := s.rest[i]
		switch {
		case kind == Expandable && r == '`' && i+1 < len(s.rest):
			i++
			text.WriteRune(s.rest[i])
		case !strings.ContainsRune(marks, r):
			text.WriteRune(r)
		case i+1 < len(s.rest) && strings.ContainsRune(marks, s.rest[i+1]):
			i++
			text.WriteRune(s.rest[i])
		default:
			s.command = append(s.command, Word{kind, text.String()})
			s.rest = s.rest[i+1:]
			return nil
		}
	}
	return fmt.Errorf("%w quotes", errOpen)
}

func (s *scanner) endWord() {
	if s.bare.Len() > 0 {
		s.command = append(s.command, Word{Bare, s.bare.String()})
		s.bare.Reset()
	}
}

func (s *scanner) endCommand() {
	s.endWord()
	if len(s.command) > 0 {
		s.commands = append(s.commands, s.command)
		s.command = nil
	}
}
