package environment

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/kerf-autoscaler/kerf/hack/iam/policy"
	"github.com/kerf-autoscaler/kerf/test/awssim"
	"github.com/kerf-autoscaler/kerf/test/awssim/admin"
	"github.com/kerf-autoscaler/kerf/test/awssim/sqs"
	"github.com/kerf-autoscaler/kerf/test/kubelets"
)

// startSimulator starts AWS as it would be around this cluster: EKS knows its endpoint, authority and version, and IAM lets the controller do what
// the policy that kerf ships allows.
func (e *Environment) startSimulator(_ context.Context, options Options) error {
	w, err := awssim.DefaultWorld(options.Region, e.clusterName)
	if err != nil {
		return err
	}
	w.Cluster.Endpoint = e.cluster.Server()
	w.Cluster.CertificateAuthority = base64.StdEncoding.EncodeToString(e.cluster.Config().CAData)
	w.Cluster.Version = minor(e.version)
	if options.BootDelay > 0 {
		w.BootDelay = options.BootDelay
	}
	if options.ShutdownDelay > 0 {
		w.ShutdownDelay = options.ShutdownDelay
	}
	e.region, e.accessKeys = w.Region, w.AccessKeyIDs
	if options.CredentialsRefused {
		w.AccessKeyIDs = nil
	}
	w.Roles = map[string]string{InstanceProfile: "KarpenterNodeRole-" + e.clusterName} // as the installation makes them
	shipped, err := e.shippedPolicies(w.AccountID)
	if err != nil {
		return err
	}
	queue, err := e.shippedQueue(w.AccountID)
	if err != nil {
		return err
	}
	if e.aws, err = awssim.Start(awssim.Config{World: w, Policies: shipped, Queues: []sqs.Config{queue}}); err != nil {
		return err
	}
	return e.SetAWSReachable(!options.AWSUnreachable)
}

// shippedQueue describes the queue as the installation makes it, with the rules that write to it and the policy that lets them.
func (e *Environment) shippedQueue(account string) (sqs.Config, error) {
	queue := sqs.Config{Name: e.queueName(), Retention: policy.QueueRetention}
	spelled := policy.Spelling{policy.Queue: fmt.Sprintf("arn:aws:sqs:%s:%s:%s", e.region, account, queue.Name)}
	for _, event := range policy.Events() {
		rule := sqs.Rule{ARN: fmt.Sprintf("arn:aws:events:%s:%s:rule/%s", e.region, account, event.Name), DetailType: event.DetailType}
		queue.Rules = append(queue.Rules, rule)
		spelled[policy.Rule(event.Name)] = rule.ARN
	}
	var err error
	if queue.Policy, err = policy.QueueAccess().Render(spelled); err != nil {
		return sqs.Config{}, err
	}
	return queue, nil
}

// queueName is how the installation names the queue of interruptions.
func (e *Environment) queueName() string {
	return policy.Spelling{policy.Cluster: e.clusterName}.Apply(policy.QueueName)
}

// shippedPolicies returns the controller's IAM policies as users get them, with what the documentation has them fill in.
func (e *Environment) shippedPolicies(account string) ([]string, error) {
	var all []string
	for _, name := range []string{"controller-policy.json", "interruption-policy.json"} {
		text, err := os.ReadFile(filepath.Join(e.root, "docs", "install", name))
		if err != nil {
			return nil, fmt.Errorf("reading a policy: %w", err)
		}
		all = append(all, strings.NewReplacer(
			"${AWS_PARTITION}", "aws", "${AWS_REGION}", e.region, "${AWS_ACCOUNT_ID}", account, "${CLUSTER_NAME}", e.clusterName,
		).Replace(string(text)))
	}
	return all, nil
}

// minor returns the part of a version that EKS speaks of: 1.36 of v1.36.3.
func minor(version string) string {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	return strings.Join(parts[:min(2, len(parts))], ".")
}

// AWS returns the simulated account.
func (e *Environment) AWS() *awssim.Server { return e.aws }

// SetAWSReachable cuts the connections to AWS, or lets them through again.
func (e *Environment) SetAWSReachable(reachable bool) error {
	outage := admin.OutageDrop
	if reachable {
		outage = admin.OutageNone
	}
	return e.aws.Configure(admin.Config{Outage: &outage})
}

// SetCredentialsAccepted makes AWS know the controller's credentials, or refuse them.
func (e *Environment) SetCredentialsAccepted(accepted bool) error {
	keys := []string{}
	if accepted {
		keys = e.accessKeys
	}
	return e.aws.Configure(admin.Config{AccessKeyIDs: &keys})
}

// Instances lists the simulated instances as the bridge wants to see them.
func (e *Environment) instances(context.Context) ([]kubelets.Instance, error) {
	all := e.aws.Instances()
	out := make([]kubelets.Instance, 0, len(all))
	for _, i := range all {
		userData, err := base64.StdEncoding.DecodeString(i.UserData)
		if err != nil {
			return nil, fmt.Errorf("decoding the user data of %s: %w", i.ID, err)
		}
		out = append(out, kubelets.Instance{
			ID: i.ID, Type: i.Type, Zone: i.Zone, Region: e.region, State: i.State,
			PrivateDNSName: i.PrivateDNSName, PrivateIP: i.PrivateIP, UserData: string(userData), RootVolumeGiB: podVolumeGiB(i),
			Boot: i.Boot, Reboots: i.Reboots, EFAInterfaces: i.EFAInterfaces,
		})
	}
	return out, nil
}

// podVolumeGiB returns the size of the volume that the image puts the pods' files on: the system's, which is the first of the
// image, but for Bottlerocket, which has a second one for them.
func podVolumeGiB(i admin.Instance) int {
	at := 0
	if strings.HasPrefix(i.ImageName, "bottlerocket-") {
		at = 1
	}
	if at >= len(i.Volumes) {
		return 0
	}
	return i.Volumes[at].SizeGiB
}
