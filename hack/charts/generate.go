package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// Where things come from and go to, relative to the root of the repository.
const (
	definitions = "config/crd/bases"
	roles       = "config/rbac/role.yaml"
	webhooks    = "config/webhook/manifests.yaml"
	policy      = "config/poddeletioncost/policy.yaml"

	chart               = "charts/kerf"
	embeddedDefinitions = chart + "/crds"
	upgradedDefinitions = "charts/kerf-crd/templates"

	// namespace is where config/ installs kerf; the chart puts the namespace of its release in its place.
	namespace = "karpenter"
	// notKerf is the condition by which no webhook of kerf's is asked about what kerf writes; the chart puts the service
	// account of its release into it.
	notKerf = `request.userInfo.username != "system:serviceaccount:karpenter:karpenter"`
	// byKerf is the condition of a policy that is about nobody else.
	byKerf = `request.userInfo.username == "system:serviceaccount:karpenter:karpenter"`
)

// generate returns the generated files of the charts: path -> content.
func generate(root fs.FS) (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, part := range []func(fs.FS, map[string][]byte) error{addDefinitions, addRoles, addWebhooks, addPolicy, addValues} {
		if err := part(root, files); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// addDefinitions puts the definitions into both charts. Helm installs those that are embedded in the chart kerf when they
// are missing, and never touches them again; from a template it upgrades them, but then an uninstall must not delete
// them, since all objects of their kinds would go with them.
func addDefinitions(root fs.FS, files map[string][]byte) error {
	names, err := fs.Glob(root, definitions+"/*.yaml")
	if err != nil {
		return fmt.Errorf("listing definitions: %w", err)
	}
	if len(names) == 0 {
		return fmt.Errorf("there are no definitions in %s", definitions)
	}
	for _, name := range names {
		content, err := fs.ReadFile(root, name)
		if err != nil {
			return fmt.Errorf("reading a definition: %w", err)
		}
		kept, err := keepOnUninstall(content)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		files[path.Join(embeddedDefinitions, path.Base(name))] = content
		files[path.Join(upgradedDefinitions, path.Base(name))] = kept
	}
	return nil
}

// keepOnUninstall returns a definition as a template of which helm never deletes the object.
func keepOnUninstall(definition []byte) ([]byte, error) {
	const annotations = "\n  annotations:\n"
	if bytes.Count(definition, []byte(annotations)) != 1 {
		return nil, errors.New("it has no annotations where controller-gen writes them")
	}
	escaped := bytes.ReplaceAll(definition, []byte("{{"), []byte("{{`{{`}}"))
	return bytes.Replace(escaped, []byte(annotations), []byte(annotations+"    helm.sh/resource-policy: keep\n"), 1), nil
}

// addRoles puts the rules of kerf's roles into the chart.
func addRoles(root fs.FS, files map[string][]byte) error {
	documents, err := readDocuments(root, roles)
	if err != nil {
		return err
	}
	rules := map[string][]rbacv1.PolicyRule{}
	for _, document := range documents {
		var role rbacv1.Role // a ClusterRole without aggregation has the same fields
		if err := yaml.UnmarshalStrict(document, &role); err != nil {
			return fmt.Errorf("%s: %w", roles, err)
		}
		key := places()[[2]string{role.Kind, role.Namespace}]
		if key == "" || rules[key] != nil {
			return fmt.Errorf("%s: the chart has no place for %s %s/%s", roles, role.Kind, role.Namespace, role.Name)
		}
		rules[key] = role.Rules
	}
	return addYAML(files, chart+"/files/rbac.yaml", roles, rules)
}

// places are where the chart has the rules of a role: its kind and namespace -> key in files/rbac.yaml.
func places() map[[2]string]string {
	return map[[2]string]string{
		{"ClusterRole", ""}: "clusterRole", {"Role", namespace}: "role", {"Role", corev1.NamespaceNodeLease}: "leaseRole",
	}
}

// addWebhooks puts the webhook configurations into the chart, which says by itself how the API server reaches kerf.
func addWebhooks(root fs.FS, files map[string][]byte) error {
	documents, err := readDocuments(root, webhooks)
	if err != nil {
		return err
	}
	var configurations []webhookConfiguration
	for _, document := range documents {
		configuration, err := readWebhookConfiguration(document)
		if err != nil {
			return fmt.Errorf("%s: %w", webhooks, err)
		}
		configurations = append(configurations, configuration)
	}
	return addYAML(files, chart+"/files/webhooks.yaml", webhooks, configurations)
}

// addPolicy puts the rules into the chart that keep kerf to what deleting pods costs.
func addPolicy(root fs.FS, files map[string][]byte) error {
	documents, err := readDocuments(root, policy)
	if err != nil {
		return err
	}
	if len(documents) == 0 {
		return fmt.Errorf("%s: there is no policy", policy)
	}
	var typed admissionregistrationv1.ValidatingAdmissionPolicy
	if err := yaml.UnmarshalStrict(documents[0], &typed); err != nil {
		return fmt.Errorf("%s: %w", policy, err)
	}
	if len(typed.Spec.MatchConditions) != 1 || typed.Spec.MatchConditions[0].Expression != byKerf {
		return fmt.Errorf("%s: it lacks the condition %s", policy, byKerf)
	}
	return addYAML(files, chart+"/files/poddeletioncost.yaml", policy, typed.Spec)
}

// webhookConfiguration is a configuration of either kind, without what is not the chart's to take over.
type webhookConfiguration struct {
	metav1.TypeMeta `json:",inline"`
	Metadata        struct {
		Name string `json:"name"`
	} `json:"metadata"`
	Webhooks any `json:"webhooks"`
}

func readWebhookConfiguration(document []byte) (webhookConfiguration, error) {
	var c webhookConfiguration
	if err := yaml.Unmarshal(document, &c); err != nil {
		return c, fmt.Errorf("reading a configuration: %w", err)
	}
	var hooks []admissionregistrationv1.ValidatingWebhook
	switch c.Kind {
	case "MutatingWebhookConfiguration":
		var typed admissionregistrationv1.MutatingWebhookConfiguration
		if err := yaml.UnmarshalStrict(document, &typed); err != nil {
			return c, fmt.Errorf("reading %s: %w", c.Metadata.Name, err)
		}
		for _, hook := range typed.Webhooks {
			hooks = append(hooks, admissionregistrationv1.ValidatingWebhook{
				Name: hook.Name, ClientConfig: hook.ClientConfig, MatchConditions: hook.MatchConditions,
			})
		}
	case "ValidatingWebhookConfiguration":
		var typed admissionregistrationv1.ValidatingWebhookConfiguration
		if err := yaml.UnmarshalStrict(document, &typed); err != nil {
			return c, fmt.Errorf("reading %s: %w", c.Metadata.Name, err)
		}
		hooks = typed.Webhooks
	default:
		return c, fmt.Errorf("%q is no kind of webhook configuration", c.Kind)
	}
	for _, hook := range hooks {
		if err := fitsChart(hook); err != nil {
			return c, fmt.Errorf("%s: %w", hook.Name, err)
		}
	}
	return c, nil
}

// fitsChart refuses a webhook that the chart would not install as it has to be.
func fitsChart(hook admissionregistrationv1.ValidatingWebhook) error {
	switch client := hook.ClientConfig; {
	case client.CABundle != nil:
		return errors.New("it has a caBundle, which an upgrade would put back")
	case client.Service == nil || client.Service.Path == nil:
		return errors.New("it names no path of a Service")
	case !slices.ContainsFunc(hook.MatchConditions, func(m admissionregistrationv1.MatchCondition) bool { return m.Expression == notKerf }):
		return fmt.Errorf("it lacks the condition %s", notKerf)
	}
	return nil
}

// readDocuments returns the documents of a file of YAML.
func readDocuments(root fs.FS, name string) ([][]byte, error) {
	content, err := fs.ReadFile(root, name)
	if err != nil {
		return nil, fmt.Errorf("reading manifests: %w", err)
	}
	var documents [][]byte
	for document := range bytes.SplitSeq(append([]byte("\n"), content...), []byte("\n---\n")) {
		if len(bytes.TrimSpace(document)) > 0 {
			documents = append(documents, document)
		}
	}
	return documents, nil
}

// addYAML adds a file that says where its content comes from.
func addYAML(files map[string][]byte, name, source string, content any) error {
	text, err := yaml.Marshal(content)
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	files[name] = append(fmt.Appendf(nil, "# Generated by \"make manifests\" from %s. DO NOT EDIT.\n", source), text...)
	return nil
}
