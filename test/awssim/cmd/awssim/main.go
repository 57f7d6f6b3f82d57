// Command awssim runs the AWS simulator until it is interrupted.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/kerf-autoscaler/kerf/test/awssim"
	"github.com/kerf-autoscaler/kerf/test/awssim/admin"
	"github.com/kerf-autoscaler/kerf/test/awssim/faults"
	"github.com/kerf-autoscaler/kerf/test/awssim/sqs"
	"github.com/kerf-autoscaler/kerf/test/awssim/world"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command().ExecuteContext(ctx)
	stop()
	if err != nil {
		os.Exit(1)
	}
}

const long = `awssim simulates the parts of AWS that a node provisioner uses, on the real wire protocols: EC2, SSM (image
parameters), Pricing, EKS (DescribeCluster), STS and SQS. Any AWS client works with it, unchanged.

It simulates one region of one account, with an EKS cluster, a VPC with a private and a public subnet in every zone,
and the instance types, zones and on-demand prices that EC2 really has. Spot prices, images and ids are made up.
Instances start, run and end by the clock, but nothing runs in them.

Two ports are opened: one speaks AWS; the other one, for tests, shows and changes what the simulator holds:

  GET  /instances  /launch-templates  /fleets  /calls
  GET  /iam                      what the policies of --policy were asked about, used for, and have denied
  GET  /faults                   the plan of faults, and how often each has taken effect
  POST /faults                   another plan, from now on; {} ends all faults
  POST /instances/ID/WHAT        have something happen that no client asked for: terminate, fail (the hardware), stop,
                                 start, reboot, or interrupt (the warning to spot, which is reclaimed two minutes later)
  POST /capacity   {"instanceType": "m5.large", "zone": "us-east-1a", "capacityType": "spot", "instances": 0}
  GET  /queues                   how full the queues of --queue are, which hear of warnings and changes of state
  POST /events     {"source": "aws.ec2", "detailType": "EC2 Instance Rebalance Recommendation", "detail": {"instance-id": "i-..."}}
  POST /config     {"bootDelay": "30s", "accessKeyIds": [], "outage": "unavailable"}   (or none, drop, hang)

A plan of faults makes AWS as unreliable as it can be. It is JSON, in the file that --faults names or posted as above:
lost answers of work that was done, instances that are not visible yet, odd fleets, pools without capacity, throttling,
outages, and more; test/awssim/README.md lists all of it. Its seed makes the same decisions every time:

  {"seed": 1,
   "ambiguous":  [{"actions": ["CreateFleet"], "kind": "drop", "share": 0.3}],
   "visibility": {"byId": {"most": "1m"}, "byFilter": {"most": "5m"}},
   "ice":        [{"share": 0.88, "after": "10m", "for": "30m"}],
   "throttle":   {}}`

const example = `  awssim --region us-west-2 --cluster-name demo --address 127.0.0.1:4566 --admin-address 127.0.0.1:4567

  # In another shell, point a client at it:
  export AWS_ENDPOINT_URL=http://127.0.0.1:4566 AWS_REGION=us-west-2 AWS_DEFAULT_REGION=us-west-2
  export AWS_ACCESS_KEY_ID=` + world.DefaultAccessKeyID + ` AWS_SECRET_ACCESS_KEY=not-checked
  aws sts get-caller-identity
  aws ec2 describe-subnets --filters Name=tag:karpenter.sh/discovery,Values=demo
  aws ec2 describe-instance-types --filters Name=vcpu-info.default-vcpus,Values=4 --query 'InstanceTypes[].InstanceType'
  aws ssm get-parameter --name /aws/service/eks/optimized-ami/1.32/amazon-linux-2023/x86_64/standard/recommended/image_id

  # And look behind the scenes:
  curl http://127.0.0.1:4567/instances
  curl -d '{"down": [{"kind": "error", "share": 0.5}]}' http://127.0.0.1:4567/faults`

// flags are the command line's values.
type flags struct {
	region, cluster, endpoint, certificate, version string
	plan                                            string
	address, adminAddress                           string
	accessKeys, policies, queues                    []string
	bootDelay, shutdownDelay, retention, latency    time.Duration
}

func command() *cobra.Command {
	var f flags
	c := &cobra.Command{
		Use:          "awssim",
		Short:        "Simulate EC2, SSM, Pricing, EKS, STS and SQS for AWS clients",
		Long:         long,
		Example:      example,
		Args:         cobra.NoArgs,
		SilenceUsage: true,
		RunE:         func(c *cobra.Command, _ []string) error { return run(c, f) },
	}
	set := c.Flags()
	set.StringVar(&f.region, "region", "us-east-1", "region to simulate")
	set.StringVar(&f.cluster, "cluster-name", "kerf", "name of the EKS cluster, and value of the karpenter.sh/discovery tags")
	set.StringVar(&f.endpoint, "cluster-endpoint", "", "URL of the cluster's API server (default made up)")
	set.StringVar(&f.certificate, "cluster-ca", "", "certificate authority of the cluster as base64 (default made up)")
	set.StringVar(&f.version, "cluster-version", "", "Kubernetes minor version of the cluster, e.g. 1.34")
	set.StringVar(&f.address, "address", "127.0.0.1:4566", "where AWS clients connect; port 0 picks a free one")
	set.StringVar(&f.adminAddress, "admin-address", "127.0.0.1:4567", "where tests connect; port 0 picks a free one")
	set.StringSliceVar(&f.accessKeys, "access-key-id", []string{world.DefaultAccessKeyID}, "access key ids that calls may be signed with")
	set.DurationVar(&f.bootDelay, "boot-delay", 5*time.Second, "how long an instance is pending")
	set.DurationVar(&f.shutdownDelay, "shutdown-delay", 2*time.Second, "how long an instance is shutting-down")
	set.DurationVar(&f.latency, "latency", awssim.DefaultLatency, "the least time that an answer takes")
	set.StringArrayVar(&f.policies, "policy", nil, "file with an IAM policy of the caller, may be repeated; without any, everything is allowed")
	set.StringArrayVar(&f.queues, "queue", nil, "name of an SQS queue that hears what becomes of instances, may be repeated")
	set.StringVar(&f.plan, "faults", "", "file with a plan of faults to begin with")
	set.DurationVar(&f.retention, "terminated-retention", time.Hour, "how long a terminated instance is still listed")
	return c
}

func run(c *cobra.Command, f flags) error {
	config, err := awssim.DefaultWorld(f.region, f.cluster)
	if err != nil {
		return err
	}
	for _, option := range []struct {
		into *string
		from string
	}{
		{&config.Cluster.Endpoint, f.endpoint}, {&config.Cluster.CertificateAuthority, f.certificate}, {&config.Cluster.Version, f.version},
	} {
		if option.from != "" {
			*option.into = option.from
		}
	}
	config.AccessKeyIDs = f.accessKeys
	config.BootDelay, config.ShutdownDelay, config.TerminatedRetention = f.bootDelay, f.shutdownDelay, f.retention
	plan, err := readPlan(f.plan)
	if err != nil {
		return err
	}
	policies := make([]string, len(f.policies))
	for i, path := range f.policies {
		text, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("reading a policy: %w", err)
		}
		policies[i] = string(text)
	}
	server, err := awssim.Start(awssim.Config{
		World: config, Plan: plan, Policies: policies, Address: f.address, AdminAddress: f.adminAddress, Latency: f.latency, Queues: hearing(f.queues),
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.OutOrStdout(), "AWS   %s\nadmin %s\n\nexport %s\n", server.URL(), server.AdminURL(), strings.Join(server.Environment(), " "))
	if err == nil {
		<-c.Context().Done()
	}
	return errors.Join(err, server.Close())
}

// hearing describes queues that are told of warnings and changes of state.
func hearing(names []string) []sqs.Config {
	all := make([]sqs.Config, 0, len(names))
	for _, name := range names {
		all = append(all, sqs.Config{Name: name, Rules: []sqs.Rule{{DetailType: admin.DetailSpotWarning}, {DetailType: admin.DetailStateChange}}})
	}
	return all
}

// readPlan reads a plan of faults; no file is a plan without any.
func readPlan(path string) (faults.Plan, error) {
	if path == "" {
		return faults.Plan{}, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return faults.Plan{}, fmt.Errorf("reading the plan of faults: %w", err)
	}
	return faults.Parse(text)
}
