package audit

import (
	"cmp"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
)

// Grant is the least that can be allowed or not: one verb, on one resource or one path. In place of a verb, a group, a resource
// or the end of a path there may be a *, as rules have it.
type Grant struct {
	// Role that says so, for messages.
	Role string
	// Namespace in which alone the grant holds; empty if it holds everywhere.
	Namespace string
	APIGroup  string
	// Resource is followed by / and the subresource if there is one.
	Resource string
	// Name of the only object that the grant is about; empty if it is about all.
	Name string
	// Path is set in place of all the above if the grant is not about a resource.
	Path string
	Verb string
}

func (g Grant) String() string {
	if g.Path != "" {
		return g.Verb + " " + g.Path + " (" + g.Role + ")"
	}
	return g.Verb + " " + place(g.APIGroup, g.Resource, g.Namespace, g.Name) + " (" + g.Role + ")"
}

func (g Grant) compare(other Grant) int {
	return cmp.Or(
		cmp.Compare(g.Role, other.Role), cmp.Compare(g.Namespace, other.Namespace), cmp.Compare(g.APIGroup, other.APIGroup),
		cmp.Compare(g.Resource, other.Resource), cmp.Compare(g.Name, other.Name), cmp.Compare(g.Path, other.Path),
		cmp.Compare(g.Verb, other.Verb),
	)
}

// Union returns the grants sorted and each once.
func Union(grants []Grant) []Grant {
	sorted := slices.SortedFunc(slices.Values(grants), Grant.compare)
	return slices.Compact(sorted)
}

// expand returns the grants that a rule stands for, when its role is bound in the namespace; empty means bound cluster-wide.
func expand(rule rbacv1.PolicyRule, role, namespace string) []Grant {
	var grants []Grant
	names := rule.ResourceNames
	if len(names) == 0 {
		names = []string{""}
	}
	for _, verb := range rule.Verbs {
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				for _, name := range names {
					grants = append(grants, Grant{
						Role: role, Namespace: namespace, APIGroup: group, Resource: resource, Name: name, Verb: verb,
					})
				}
			}
		}
		if namespace != "" {
			continue // what is no resource is in no namespace, and no RoleBinding gives it
		}
		for _, path := range rule.NonResourceURLs {
			grants = append(grants, Grant{Role: role, Path: path, Verb: verb})
		}
	}
	return grants
}

// Covers says whether the grant allows the request, by the rules of the API server's RBAC authorizer.
func (g Grant) Covers(r Request) bool {
	if g.Verb != r.Verb && g.Verb != rbacv1.VerbAll {
		return false
	}
	if r.Path != "" || g.Path != "" {
		return g.coversPath(r.Path)
	}
	return (g.Namespace == "" || g.Namespace == r.Namespace) &&
		(g.APIGroup == r.APIGroup || g.APIGroup == rbacv1.APIGroupAll) &&
		g.coversResource(r.Resource) &&
		(g.Name == "" || g.Name == r.Name)
}

func (g Grant) coversPath(path string) bool {
	if path == "" || g.Path == "" {
		return false
	}
	prefix, open := strings.CutSuffix(g.Path, rbacv1.NonResourceAll)
	return g.Path == path || open && strings.HasPrefix(path, prefix)
}

// coversResource knows * for all resources and all their subresources, and */scale for that subresource of all resources, but
// not deployments/*, which the API server does not know either.
func (g Grant) coversResource(resource string) bool {
	if g.Resource == resource || g.Resource == rbacv1.ResourceAll {
		return true
	}
	_, subresource, has := strings.Cut(resource, "/")
	return has && g.Resource == rbacv1.ResourceAll+"/"+subresource
}

// within says whether every request that g covers is covered by the other grant too.
func (g Grant) within(other Grant) bool {
	if g.Path != "" || other.Path != "" {
		// A path of g that is open at its end lies within one that is open earlier: the * is a character like any other.
		return g.Path != "" && other.Covers(Request{Verb: g.Verb, Path: g.Path})
	}
	// A * of g is a word like any other here: only the same word or a * of the other grant can cover it.
	return other.Covers(Request{Verb: g.Verb, APIGroup: g.APIGroup, Resource: g.Resource, Namespace: g.Namespace, Name: g.Name})
}
