package copies_test

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// stack is a CloudFormation template with the tags of its YAML, such as !Sub.
type stack struct{ *yaml.Node }

func readStack(t *testing.T) stack {
	t.Helper()
	var document yaml.Node
	if err := yaml.Unmarshal([]byte(read(t, "cloudformation.yaml")), &document); err != nil {
		t.Fatal(err)
	}
	return stack{document.Content[0]}
}

// at returns the node that a path of keys and places in lists leads to; nil where there is none.
func (s stack) at(path ...string) *yaml.Node {
	node := s.Node
	for _, step := range path {
		var next *yaml.Node
		switch node.Kind {
		case yaml.MappingNode:
			for i := 0; i+1 < len(node.Content); i += 2 {
				if node.Content[i].Value == step {
					next = node.Content[i+1]
				}
			}
		case yaml.SequenceNode:
			if i, err := strconv.Atoi(step); err == nil && i < len(node.Content) {
				next = node.Content[i]
			}
		}
		if next == nil {
			return nil
		}
		node = next
	}
	return node
}

// text returns the scalar at a path.
func (s stack) text(t *testing.T, path ...string) string {
	t.Helper()
	node := s.at(path...)
	if node == nil || node.Kind != yaml.ScalarNode {
		t.Fatalf("there is no text at %s", strings.Join(path, "."))
	}
	return node.Value
}

// mapping returns the values of the mapping at a path by their keys.
func (s stack) mapping(t *testing.T, path ...string) map[string]*yaml.Node {
	t.Helper()
	node := s.at(path...)
	if node == nil || node.Kind != yaml.MappingNode {
		t.Fatalf("there is no mapping at %s", strings.Join(path, "."))
	}
	out := map[string]*yaml.Node{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if out[node.Content[i].Value] != nil {
			t.Errorf("%s is there twice at %s", node.Content[i].Value, strings.Join(path, "."))
		}
		out[node.Content[i].Value] = node.Content[i+1]
	}
	return out
}

// visit calls back for a node and all below it.
func visit(node *yaml.Node, see func(*yaml.Node)) {
	see(node)
	for _, n := range node.Content {
		visit(n, see)
	}
}

// Attributes that the kinds of resources of the template return, besides what !Ref returns.
func attributes() map[string][]string {
	return map[string][]string{
		"AWS::IAM::Role": {"Arn", "RoleId"}, "AWS::IAM::InstanceProfile": {"Arn"}, "AWS::IAM::ManagedPolicy": {"PolicyArn"},
		"AWS::SQS::Queue": {"Arn", "QueueName", "QueueUrl"}, "AWS::SQS::QueuePolicy": {"Id"}, "AWS::Events::Rule": {"Arn"},
	}
}

// references returns what a node refers to: names of parameters, resources and conditions, or Resource.Attribute.
func references(node *yaml.Node) (names, conditions []string) {
	switch node.Tag {
	case "!Ref", "!GetAtt":
		names = append(names, node.Value)
	case "!Sub":
		for _, m := range regexp.MustCompile(`\$\{([^}]*)\}`).FindAllStringSubmatch(node.Value, -1) {
			names = append(names, m[1])
		}
	case "!If":
		conditions = append(conditions, node.Content[0].Value)
	}
	return names, conditions
}

func TestEveryReferenceOfTheTemplateIsToSomethingInIt(t *testing.T) {
	s := readStack(t)
	parameters, resources, conditions := s.mapping(t, "Parameters"), s.mapping(t, "Resources"), s.mapping(t, "Conditions")
	pseudo := []string{"AWS::AccountId", "AWS::Partition", "AWS::Region", "AWS::StackName", "AWS::URLSuffix"}
	used := map[string]bool{}
	visit(s.Node, func(node *yaml.Node) {
		names, tested := references(node)
		for _, name := range names {
			used[name] = true
			resource, attribute, dotted := strings.Cut(name, ".")
			switch {
			case !dotted && node.Tag != "!GetAtt" && (parameters[name] != nil || resources[name] != nil || slices.Contains(pseudo, name)):
			case dotted && resources[resource] != nil && slices.Contains(attributes()[s.text(t, "Resources", resource, "Type")], attribute):
			default:
				t.Errorf("line %d: %s %s leads nowhere", node.Line, node.Tag, name)
			}
		}
		for _, name := range tested {
			used[name] = true
			if conditions[name] == nil {
				t.Errorf("line %d: there is no condition %s", node.Line, name)
			}
		}
		if node.Tag != "" && strings.HasPrefix(node.Tag, "!") && !strings.HasPrefix(node.Tag, "!!") &&
			!slices.Contains([]string{"!Ref", "!GetAtt", "!Sub", "!If", "!Equals", "!Not"}, node.Tag) {
			t.Errorf("line %d: this test does not know %s", node.Line, node.Tag)
		}
	})
	for name := range resources {
		if condition := s.at("Resources", name, "Condition"); condition != nil {
			used[condition.Value] = true
			if conditions[condition.Value] == nil {
				t.Errorf("%s: there is no condition %s", name, condition.Value)
			}
		}
	}
	for name := range parameters {
		if !used[name] {
			t.Errorf("parameter %s is for nothing", name)
		}
	}
	for name := range conditions {
		if !used[name] {
			t.Errorf("condition %s is for nothing", name)
		}
	}
}

func TestWhatIsMadeUnderAConditionIsReferredToUnderTheSame(t *testing.T) {
	s := readStack(t)
	for _, section := range []string{"Resources", "Outputs"} {
		for name, node := range s.mapping(t, section) {
			own := s.at(section, name, "Condition")
			visit(node, func(n *yaml.Node) {
				names, _ := references(n)
				for _, referred := range names {
					referred, _, _ = strings.Cut(referred, ".")
					condition := s.at("Resources", referred, "Condition")
					if condition != nil && (own == nil || own.Value != condition.Value) {
						t.Errorf("%s refers to %s, which is only there with %s", name, referred, condition.Value)
					}
				}
			})
		}
	}
}

func TestTheTemplateHasTheShapeThatCloudFormationTakes(t *testing.T) {
	s := readStack(t)
	sections := []string{"AWSTemplateFormatVersion", "Description", "Parameters", "Rules", "Conditions", "Resources", "Outputs"}
	for name := range s.mapping(t) {
		if !slices.Contains(sections, name) {
			t.Errorf("there is no section %s", name)
		}
	}
	if n := len(s.text(t, "Description")); n > 1024 {
		t.Errorf("the description has %d bytes, more than 1024", n)
	}
	if n := len(read(t, "cloudformation.yaml")); n > 51200 {
		t.Errorf("the template has %d bytes, more than 51200", n)
	}
	for _, section := range []string{"Parameters", "Conditions", "Resources", "Outputs", "Rules"} {
		for name := range s.mapping(t, section) {
			if !regexp.MustCompile(`^[A-Za-z0-9]{1,255}$`).MatchString(name) {
				t.Errorf("%q is no name for something in %s", name, section)
			}
		}
	}
	for name := range s.mapping(t, "Parameters") {
		if s.at("Resources", name) != nil {
			t.Errorf("%s is a parameter and a resource", name)
		}
		initial, allowed := s.at("Parameters", name, "Default"), s.at("Parameters", name, "AllowedValues")
		if initial != nil && allowed != nil && !slices.ContainsFunc(allowed.Content, func(n *yaml.Node) bool { return n.Value == initial.Value }) {
			t.Errorf("the default of parameter %s is not allowed", name)
		}
		if pattern := s.at("Parameters", name, "AllowedPattern"); initial != nil && pattern != nil &&
			!regexp.MustCompile("^(?:"+pattern.Value+")$").MatchString(initial.Value) {
			t.Errorf("the default of parameter %s does not match its pattern", name)
		}
	}
	for name := range s.mapping(t, "Resources") {
		if kind := s.text(t, "Resources", name, "Type"); attributes()[kind] == nil {
			t.Errorf("%s: this test does not know %s", name, kind)
		}
	}
}
