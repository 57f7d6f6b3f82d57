package cluster

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// ComponentName names a program of the control plane, as its binary is called.
type ComponentName string

// The programs of a cluster.
const (
	Etcd              ComponentName = "etcd"
	APIServer         ComponentName = "kube-apiserver"
	ControllerManager ComponentName = "kube-controller-manager"
	Scheduler         ComponentName = "kube-scheduler"
	Kwok              ComponentName = "kwok"
)

const (
	// ManagedLabel is the label by which kwok takes a Node into its care: it makes the node Ready, repeats its
	// heartbeat, and runs and ends its pods. Removing the label from the Node ends all that at once, which is what
	// the death of a machine looks like to the cluster.
	ManagedLabel = "kwok.x-k8s.io/node"
	// ManagedValue is the value of ManagedLabel.
	ManagedValue = "fake"
	// HeartbeatPeriod is the longest time between two heartbeats of a managed node.
	HeartbeatPeriod = 25 * time.Second
	// PodStartDelay is the annotation of a Pod that says how long it takes to become ready, such as 5s; without it a
	// pod is ready as soon as it is bound.
	PodStartDelay = "pod-ready.stage.kwok.x-k8s.io/delay"
	// PodStopDelay is the annotation of a Pod that says how long it takes to end once it is deleted, such as 5s;
	// without it a pod is gone at once, whatever its grace period.
	PodStopDelay = "pod-delete.stage.kwok.x-k8s.io/delay"
)

// clientRate is the requests per second that controllers may make: high enough that the limit is never what a
// measurement measures.
const clientRate = 5000

// podRange is where kwok takes pod addresses from.
const podRange = "100.64.0.0/10"

// components returns the programs in the order in which they start.
func components(l *layout, a *authority, options Options) []*Component {
	pair := keyPair{
		certificate: filepath.Join(l.pki, adminIdentity+".crt"),
		key:         filepath.Join(l.pki, adminIdentity+".key"),
	}
	all := []*Component{
		{name: Etcd, arguments: etcdArguments(l), probe: probe{url: l.url(etcdClients) + "/readyz"}},
		{
			name:      APIServer,
			arguments: append(apiServerArguments(l), auditArguments(l, options)...),
			probe:     probe{url: l.serverURL() + "/readyz"},
			prepare:   l.auditPolicyWriter(options.AuditUsers),
		},
		{
			name:      ControllerManager,
			arguments: controllerManagerArguments(l, options),
			probe:     probe{url: l.url(controllerManagerPort) + "/healthz"},
		},
		{name: Scheduler, arguments: schedulerArguments(l), probe: probe{url: l.url(schedulerPort) + "/readyz"}},
		{
			name:      Kwok,
			arguments: kwokArguments(l),
			probe:     probe{url: "http://" + loopback(l.ports[kwokPort]) + "/healthz"},
			prepare:   l.writeStages,
		},
	}
	if options.Bare {
		// Nobody makes the accounts that pods run as.
		all[1].arguments = append(all[1].arguments, "--disable-admission-plugins=ServiceAccount")
		all = all[:2]
	}
	for _, c := range all {
		c.layout = l
		c.probe.authority, c.probe.pair = a, pair
		c.arguments = append(c.arguments, options.Arguments[c.name]...)
	}
	return all
}

func etcdArguments(l *layout) []string {
	pair, clients, peers := l.etcdPair(), l.url(etcdClients), l.url(etcdPeers)
	return []string{
		"--name=default",
		"--data-dir=" + l.path("etcd"),
		"--listen-client-urls=" + clients,
		"--advertise-client-urls=" + clients,
		"--listen-peer-urls=" + peers,
		"--initial-advertise-peer-urls=" + peers,
		"--initial-cluster=default=" + peers,
		"--cert-file=" + pair.certificate,
		"--key-file=" + pair.key,
		"--trusted-ca-file=" + caFile(l.pki),
		"--client-cert-auth",
		"--peer-cert-file=" + pair.certificate,
		"--peer-key-file=" + pair.key,
		"--peer-trusted-ca-file=" + caFile(l.pki),
		"--peer-client-cert-auth",
		"--unsafe-no-fsync", // data survives the death of the process, though not that of the machine
		"--log-level=warn",
	}
}

func apiServerArguments(l *layout) []string {
	serving, etcd := l.serving(), l.etcdPair()
	return []string{
		"--bind-address=127.0.0.1",
		"--advertise-address=127.0.0.1",
		fmt.Sprintf("--secure-port=%d", l.ports[apiServerPort]),
		"--tls-cert-file=" + serving.certificate,
		"--tls-private-key-file=" + serving.key,
		"--client-ca-file=" + caFile(l.pki),
		"--etcd-servers=" + l.url(etcdClients),
		"--etcd-cafile=" + caFile(l.pki),
		"--etcd-certfile=" + etcd.certificate,
		"--etcd-keyfile=" + etcd.key,
		"--authorization-mode=Node,RBAC",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + l.serviceAccountKey(),
		"--service-account-signing-key-file=" + l.serviceAccountKey(),
		"--service-cluster-ip-range=" + serviceRange,
		"--endpoint-reconciler-type=none", // a loopback address may not be an endpoint
		"--allow-privileged=true",
	}
}

func controllerManagerArguments(l *layout, options Options) []string {
	kubeconfig, serving := kubeconfigPath(l.directory, string(ControllerManager)), l.serving()
	arguments := []string{
		"--kubeconfig=" + kubeconfig,
		"--authentication-kubeconfig=" + kubeconfig,
		"--authorization-kubeconfig=" + kubeconfig,
		"--bind-address=127.0.0.1",
		fmt.Sprintf("--secure-port=%d", l.ports[controllerManagerPort]),
		"--tls-cert-file=" + serving.certificate,
		"--tls-private-key-file=" + serving.key,
		"--root-ca-file=" + caFile(l.pki),
		"--cluster-signing-cert-file=" + caFile(l.pki),
		"--cluster-signing-key-file=" + caKeyFile(l.pki),
		"--service-account-private-key-file=" + l.serviceAccountKey(),
		"--use-service-account-credentials=true",
		"--leader-elect=false",
		fmt.Sprintf("--kube-api-qps=%d", clientRate),
		fmt.Sprintf("--kube-api-burst=%d", 2*clientRate),
	}
	if options.NodeMonitorGracePeriod != 0 {
		arguments = append(arguments, "--node-monitor-grace-period="+options.NodeMonitorGracePeriod.String())
	}
	return arguments
}

func schedulerArguments(l *layout) []string {
	kubeconfig, serving := kubeconfigPath(l.directory, string(Scheduler)), l.serving()
	return []string{
		"--kubeconfig=" + kubeconfig,
		"--authentication-kubeconfig=" + kubeconfig,
		"--authorization-kubeconfig=" + kubeconfig,
		"--bind-address=127.0.0.1",
		fmt.Sprintf("--secure-port=%d", l.ports[schedulerPort]),
		"--tls-cert-file=" + serving.certificate,
		"--tls-private-key-file=" + serving.key,
		"--leader-elect=false",
		fmt.Sprintf("--kube-api-qps=%d", clientRate),
		fmt.Sprintf("--kube-api-burst=%d", 2*clientRate),
	}
}

func kwokArguments(l *layout) []string {
	return []string{
		"--kubeconfig=" + kubeconfigPath(l.directory, string(Kwok)),
		"--config=" + l.path(stagesFile),
		"--manage-all-nodes=false",
		"--manage-nodes-with-label-selector=" + ManagedLabel + "=" + ManagedValue,
		// Heartbeats go through the Node's status rather than a Lease. With leases kwok serves a node only after it
		// has seen its own lease in a watch, and a pod that is bound before that moment is never looked at again.
		"--node-lease-duration-seconds=0",
		"--cidr=" + podRange,
		"--server-address=" + loopback(l.ports[kwokPort]),
	}
}

// stagesFile is kwok's configuration: the phases that nodes and pods go through.
const stagesFile = "kwok-stages.yaml"

// writeStages has kwok print the configuration that was built into it.
func (l *layout) writeStages(ctx context.Context) error {
	stages, err := exec.CommandContext(ctx, filepath.Join(l.assets, string(Kwok)), "stages").Output()
	if err != nil {
		return fmt.Errorf("asking kwok for its stages: %w", err)
	}
	if err := os.WriteFile(l.path(stagesFile), stages, 0o600); err != nil {
		return fmt.Errorf("writing the stages of kwok: %w", err)
	}
	return nil
}
