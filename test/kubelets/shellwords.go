package kubelets

import (
	"errors"
	"strings"
)

// word is a word of a shell command after quotes are removed.
type word struct {
	text string
	// expands is true when the shell would put something else in place of a part of the word.
	expands bool
}

// shellScanner splits a script into commands and words. It knows quotes, escapes, comments and what separates commands;
// it runs and expands nothing.
type shellScanner struct {
	script   string
	commands [][]word
	command  []word
	text     strings.Builder
	inWord   bool
	expands  bool
}

// shellCommands returns the simple commands of a script.
func shellCommands(script string) ([][]word, error) {
	s := &shellScanner{script: script}
	for i := 0; i < len(s.script); {
		next, err := s.scan(i)
		if err != nil {
			return nil, err
		}
		i = next
	}
	s.endCommand()
	return s.commands, nil
}

// scan reads what starts at i and returns where it ends.
func (s *shellScanner) scan(i int) (int, error) {
	c := s.script[i]
	switch {
	case c == '\\':
		return s.escape(i), nil
	case c == '\'':
		return s.singleQuoted(i)
	case c == '"':
		return s.doubleQuoted(i)
	case c == '#' && !s.inWord:
		if end := strings.IndexByte(s.script[i:], '\n'); end >= 0 {
			return i + end, nil
		}
		return len(s.script), nil
	case c == ' ' || c == '\t' || c == '\r':
		s.endWord()
	case strings.IndexByte("\n;&|()", c) >= 0:
		s.endCommand()
	default:
		s.add(c, c == '$' || c == '`')
	}
	return i + 1, nil
}

func (s *shellScanner) add(c byte, expands bool) {
	s.text.WriteByte(c)
	s.inWord = true
	s.expands = s.expands || expands
}

// escape reads a backslash: before a newline both vanish, before anything else it protects the next character.
func (s *shellScanner) escape(i int) int {
	if i+1 == len(s.script) {
		s.add('\\', false)
		return i + 1
	}
	if s.script[i+1] != '\n' {
		s.add(s.script[i+1], false)
	}
	return i + 2
}

func (s *shellScanner) singleQuoted(i int) (int, error) {
	end := strings.IndexByte(s.script[i+1:], '\'')
	if end < 0 {
		return 0, errors.New("the script ends inside single quotes")
	}
	s.inWord = true
	s.text.WriteString(s.script[i+1 : i+1+end])
	return i + end + 2, nil
}

func (s *shellScanner) doubleQuoted(i int) (int, error) {
	s.inWord = true
	for i++; i < len(s.script); i++ {
		switch c := s.script[i]; {
		case c == '"':
			return i + 1, nil
		case c == '\\' && i+1 < len(s.script) && strings.IndexByte("$`\"\\\n", s.script[i+1]) >= 0:
			i++
			if s.script[i] != '\n' {
				s.add(s.script[i], false)
			}
		default:
			s.add(c, c == '$' || c == '`')
		}
	}
	return 0, errors.New("the script ends inside double quotes")
}

func (s *shellScanner) endWord() {
	if s.inWord {
		s.command = append(s.command, word{text: s.text.String(), expands: s.expands})
	}
	s.text.Reset()
	s.inWord, s.expands = false, false
}

func (s *shellScanner) endCommand() {
	s.endWord()
	if len(s.command) > 0 {
		s.commands = append(s.commands, s.command)
	}
	s.command = nil
}
