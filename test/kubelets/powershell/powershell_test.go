package powershell

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func bare(text string) Word       { return Word{Bare, text} }
func literal(text string) Word    { return Word{Literal, text} }
func expandable(text string) Word { return Word{Expandable, text} }

func TestScriptsAreReadAsCommandsOfWords(t *testing.T) {
	for name, tc := range map[string]struct {
		script string
		want   [][]Word
	}{
		"nothing":                  {" \r\n\t", nil},
		"two lines":                {"Get-Date\nStop-Computer -Force", [][]Word{{bare("Get-Date")}, {bare("Stop-Computer"), bare("-Force")}}},
		"one line of two":          {"a;b | c", [][]Word{{bare("a")}, {bare("b")}, {bare("c")}}},
		"a call":                   {`& "$env:X\y.ps1" -Name 'z'`, [][]Word{{bare("&"), expandable(`$env:X\y.ps1`), bare("-Name"), literal("z")}}},
		"quotes in quotes":         {`w 'it''s' "say ""hi""" 'a"b'`, [][]Word{{bare("w"), literal("it's"), expandable(`say "hi"`), literal(`a"b`)}}},
		"typographic quotes":       {"w 'a\u2019\u2019b' \u2018c\u2019", [][]Word{{bare("w"), literal("a\u2019b"), literal("c")}}},
		"an escape":                {"w \"a`\"b\" c`;d", [][]Word{{bare("w"), expandable(`a"b`), bare("c;d")}}},
		"a line that is continued": {"w a `\n b", [][]Word{{bare("w"), bare("a"), bare("b")}}},
		"comments":                 {"# w 'x\nv <# a\nb #> c\n", [][]Word{{bare("v"), bare("c")}}},
		"a number sign in a word":  {"w a#b", [][]Word{{bare("w"), bare("a#b")}}},
		"separators in a literal":  {"w 'a;b|c\nd`e$f'", [][]Word{{bare("w"), literal("a;b|c\nd`e$f")}}},
		"a block":                  {"if ($x) { w }", [][]Word{{bare("if")}, {bare("$x")}, {bare("w")}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Commands(tc.script)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("commands (-want +got):\n%s", diff)
			}
		})
	}
}

func TestScriptsThatAreLeftOpenAreRefused(t *testing.T) {
	for _, script := range []string{"w 'a", `w "a`, "w <# a", "w `", "w 'a''", "w @'\na\n'@"} {
		if got, err := Commands(script); err == nil {
			t.Errorf("%q is read as %v", script, got)
		}
	}
}
