// Package copies writes the policies in the forms that people install from: a CloudFormation template, files for Terraform,
// and plain JSON.
package copies

import (
	_ "embed" // for the template
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"text/template"

	"github.com/kerf-autoscaler/kerf/hack/iam/policy"
)

//go:embed cloudformation.yaml.tmpl
var cloudFormationTemplate string

// File is a file to write, its path relative to docs/install.
type File struct{ Path, Content string }

// Names of the documents.
const (
	controller       = "controller"
	interruption     = "interruption"
	queueAccess      = "queue"
	nodeTrust        = "node-trust"
	podIdentityTrust = "pod-identity-trust"
	webIdentityTrust = "irsa-trust"
)

// documents maps name -> document.
func documents() map[string]policy.Document {
	return map[string]policy.Document{
		controller: policy.Controller(), interruption: policy.Interruption(), queueAccess: policy.QueueAccess(),
		nodeTrust: policy.NodeTrust(), podIdentityTrust: policy.PodIdentityTrust(), webIdentityTrust: policy.WebIdentityTrust(),
	}
}

// Files returns all copies.
func Files() ([]File, error) {
	stack, err := cloudFormation()
	if err != nil {
		return nil, fmt.Errorf("writing the CloudFormation template: %w", err)
	}
	terraform, err := terraform()
	if err != nil {
		return nil, fmt.Errorf("writing files for Terraform: %w", err)
	}
	plain, err := plain()
	if err != nil {
		return nil, fmt.Errorf("writing plain policies: %w", err)
	}
	return append(append([]File{{"cloudformation.yaml", stack}}, terraform...), plain...), nil
}

// cloudFormationSpelling is in the words of Fn::Sub.
func cloudFormationSpelling() policy.Spelling {
	s := policy.Spelling{
		policy.Partition: "${AWS::Partition}", policy.Domain: "${AWS::URLSuffix}", policy.Region: "${AWS::Region}",
		policy.Account: "${AWS::AccountId}", policy.Cluster: "${ClusterName}", policy.NodeRole: "${NodeRole.Arn}",
		policy.Queue: "${InterruptionQueue.Arn}", policy.Issuer: "${OIDCIssuer}",
		policy.Namespace: "${Namespace}", policy.ServiceAccount: "${ServiceAccount}",
	}
	for _, e := range policy.Events() {
		s[policy.Rule(e.Name)] = "${" + e.Name + "Rule.Arn}"
	}
	return s
}

func cloudFormation() (string, error) {
	rendered := template.New("cloudformation").Funcs(template.FuncMap{
		// policy returns a document indented by so many spaces, as a block of the YAML around it needs it.
		"policy": func(name string, indent int) (string, error) {
			d, ok := documents()[name]
			if !ok {
				return "", fmt.Errorf("there is no policy %q", name)
			}
			text, err := d.Render(cloudFormationSpelling())
			if err != nil {
				return "", err
			}
			margin := strings.Repeat(" ", indent)
			return margin + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n"+margin), nil
		},
	})
	rendered, err := rendered.Parse(cloudFormationTemplate)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	data := struct {
		Events    []policy.Event
		Retention int // seconds
	}{policy.Events(), int(policy.QueueRetention.Seconds())}
	if err := rendered.Execute(&out, data); err != nil {
		return "", err
	}
	return out.String(), nil
}

// terraformSpelling is in the words of templatefile.
func terraformSpelling() policy.Spelling {
	s := policy.Spelling{
		policy.Partition: "${partition}", policy.Domain: "${domain}", policy.Region: "${region}", policy.Account: "${account_id}",
		policy.Cluster: "${cluster_name}", policy.NodeRole: "${node_role_arn}", policy.Queue: "${queue_arn}",
		policy.Issuer: "${oidc_issuer}", policy.Namespace: "${namespace}", policy.ServiceAccount: "${service_account}",
	}
	for _, e := range policy.Events() {
		s[policy.Rule(e.Name)] = "${rule_arns." + e.Name + "}"
	}
	return s
}

func terraform() ([]File, error) {
	var out []File
	for _, name := range []string{controller, interruption, queueAccess, nodeTrust, podIdentityTrust, webIdentityTrust} {
		text, err := documents()[name].Render(terraformSpelling())
		if err != nil {
			return nil, err
		}
		out = append(out, File{"terraform/policies/" + name + ".json.tftpl", text})
	}
	events := map[string]policy.Event{}
	for _, e := range policy.Events() {
		events[e.Name] = e
	}
	text, err := json.MarshalIndent(events, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(out, File{"terraform/policies/events.json", string(text) + "\n"}), nil
}

// plainSpelling is in the words of a shell and envsubst. Names are those that the other copies give.
func plainSpelling() policy.Spelling {
	s := policy.Spelling{
		policy.Partition: "${AWS_PARTITION}", policy.Region: "${AWS_REGION}", policy.Account: "${AWS_ACCOUNT_ID}",
		policy.Cluster: "${CLUSTER_NAME}",
	}
	arns := maps.Clone(s)
	s[policy.NodeRole] = arns.Apply("arn:" + policy.Partition + ":iam::" + policy.Account + ":role/KarpenterNodeRole-" + policy.Cluster)
	s[policy.Queue] = arns.Apply("arn:" + policy.Partition + ":sqs:" + policy.Region + ":" + policy.Account + ":" + policy.QueueName)
	return s
}

func plain() ([]File, error) {
	var out []File
	for _, name := range []string{controller, interruption} {
		text, err := documents()[name].Render(plainSpelling())
		if err != nil {
			return nil, err
		}
		out = append(out, File{name + "-policy.json", text})
	}
	return out, nil
}
