package audit

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// Kinds of roles, as references name them.
const (
	kindRole        = "Role"
	kindClusterRole = "ClusterRole"
)

// Account is a ServiceAccount.
type Account struct {
	Namespace string
	Name      string
}

// User returns the name by which the API server knows the account.
func (a Account) User() string {
	return "system:serviceaccount:" + a.Namespace + ":" + a.Name
}

// is says whether a subject of a binding that is in the namespace means the account. Groups that hold accounts of other
// namespaces too are not meant: what they may do is no business of kerf's.
func (a Account) is(s rbacv1.Subject, namespace string) bool {
	switch s.Kind {
	case rbacv1.ServiceAccountKind:
		in := s.Namespace
		if in == "" {
			in = namespace
		}
		return in == a.Namespace && s.Name == a.Name
	case rbacv1.UserKind:
		return s.Name == a.User()
	case rbacv1.GroupKind:
		return s.Name == "system:serviceaccounts:"+a.Namespace
	}
	return false
}

// Objects are the RBAC objects of a set of manifests.
type Objects struct {
	// roles maps the identity of a role -> what it allows.
	roles    map[roleKey]role
	bindings []binding
}

// role is a Role or a ClusterRole.
type role struct {
	rules []rbacv1.PolicyRule
	// aggregated roles are made of the rules of others, whatever those are.
	aggregated bool
}

// roleKey identifies a Role, or a ClusterRole, which has no namespace.
type roleKey struct {
	kind, namespace, name string
}

func (k roleKey) String() string { return k.kind + " " + k.name }

// binding is a RoleBinding, or a ClusterRoleBinding, which has no namespace.
type binding struct {
	namespace, name string
	subjects        []rbacv1.Subject
	role            rbacv1.RoleRef
}

// ParseObjects reads the RBAC objects from manifests: documents of YAML or JSON, lists of objects among them. Objects of other
// kinds are passed over.
func ParseObjects(manifests []byte) (*Objects, error) {
	o := &Objects{roles: map[roleKey]role{}}
	documents := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(manifests)))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return o, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading manifests: %w", err)
		}
		if err := o.add(document); err != nil {
			return nil, err
		}
	}
}

// add takes up one document, or one object of a list.
func (o *Objects) add(document []byte) error {
	var meta metav1.TypeMeta
	if err := yaml.Unmarshal(document, &meta); err != nil {
		return fmt.Errorf("reading manifests: %w", err)
	}
	switch {
	case meta.APIVersion == "v1" && meta.Kind == "List":
		var list struct {
			Items []runtime.RawExtension `json:"items"`
		}
		if err := yaml.Unmarshal(document, &list); err != nil {
			return fmt.Errorf("reading a list of manifests: %w", err)
		}
		for _, item := range list.Items {
			if err := o.add(item.Raw); err != nil {
				return err
			}
		}
		return nil
	case meta.APIVersion == rbacv1.SchemeGroupVersion.String():
		return o.addRBAC(meta.Kind, document)
	}
	return nil
}

// addRBAC takes up one object of the RBAC API. A field that it does not know may change what the object means, and is refused.
func (o *Objects) addRBAC(kind string, document []byte) error {
	switch kind {
	case kindRole:
		var r rbacv1.Role
		if err := yaml.UnmarshalStrict(document, &r); err != nil {
			return fmt.Errorf("reading a Role: %w", err)
		}
		o.roles[roleKey{kindRole, r.Namespace, r.Name}] = role{rules: r.Rules}
	case kindClusterRole:
		var r rbacv1.ClusterRole
		if err := yaml.UnmarshalStrict(document, &r); err != nil {
			return fmt.Errorf("reading a ClusterRole: %w", err)
		}
		o.roles[roleKey{kindClusterRole, "", r.Name}] = role{rules: r.Rules, aggregated: r.AggregationRule != nil}
	case "RoleBinding":
		var b rbacv1.RoleBinding
		if err := yaml.UnmarshalStrict(document, &b); err != nil {
			return fmt.Errorf("reading a RoleBinding: %w", err)
		}
		o.bindings = append(o.bindings, binding{b.Namespace, b.Name, b.Subjects, b.RoleRef})
	case "ClusterRoleBinding":
		var b rbacv1.ClusterRoleBinding
		if err := yaml.UnmarshalStrict(document, &b); err != nil {
			return fmt.Errorf("reading a ClusterRoleBinding: %w", err)
		}
		o.bindings = append(o.bindings, binding{"", b.Name, b.Subjects, b.RoleRef})
	default:
		return fmt.Errorf("reading manifests: unknown kind %s of RBAC object", kind)
	}
	return nil
}

// Grants returns, sorted and each once, what the objects allow the account to do. A binding to a role that is not there is an
// error: it would allow whatever somebody puts there.
func (o *Objects) Grants(a Account) ([]Grant, error) {
	var grants []Grant
	for _, b := range o.bindings {
		if !slices.ContainsFunc(b.subjects, func(s rbacv1.Subject) bool { return a.is(s, b.namespace) }) {
			continue
		}
		key := roleKey{b.role.Kind, "", b.role.Name}
		if key.kind == kindRole {
			key.namespace = b.namespace
		}
		bound, ok := o.roles[key]
		switch {
		case !ok:
			return nil, fmt.Errorf("following binding %s: there is no %s", b.name, key)
		case bound.aggregated:
			return nil, fmt.Errorf("following binding %s: %s is made of other roles, so what it allows is for others to say", b.name, key)
		}
		for _, rule := range bound.rules {
			grants = append(grants, expand(rule, key.String(), b.namespace)...)
		}
	}
	return Union(grants), nil
}
