package main

import "path/filepath"

// artifact is one program under bin/. Paths are relative to the root of the repository.
type artifact struct {
	name string
	// title says what the program is, and how long the first build takes where that is long.
	title string
	// directory is where the go command runs; empty means the root.
	directory string
	// modfile stands in for go.mod, for programs that are no part of the product.
	modfile string
	// pkg is the main package.
	pkg string
	// output is where the program goes.
	output string
	// links are names beside output that lead to it.
	links []string
	// reports make the program tell versions of modules as its own.
	reports []report
	// inputs are the files and directories that the program is made from, beside the modules that they pin. It is
	// rebuilt when they change. A program without them is left to the go command, which finds out by itself.
	inputs []string
}

// report hands the version of a module to variables of a program, which the linker sets. Without it, clients cannot parse
// what the servers tell them, and helm takes itself for a client of Kubernetes 1.20.
type report struct {
	// module is one that the program is made from.
	module string
	// whole lists the variables that get the version as it is, major and minor those that get its first two numbers.
	whole, major, minor []string
}

func artifacts() []artifact {
	const localCluster, peer = "test/localcluster", "test/peer"
	return []artifact{
		{
			name:      "control-plane",
			title:     "etcd, the Kubernetes control plane and kubectl (the first build takes 10 minutes on two cores)",
			directory: localCluster,
			pkg:       "./cmd/controlplane",
			output:    "bin/k8s/controlplane",
			links:     []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl"},
			reports: []report{{
				module: "k8s.io/kubernetes",
				whole:  []string{"k8s.io/component-base/version.gitVersion"},
				major:  []string{"k8s.io/component-base/version.gitMajor"},
				minor:  []string{"k8s.io/component-base/version.gitMinor"},
			}},
			inputs: moduleInputs(localCluster, "cmd/controlplane"),
		},
		{
			name:      "kwok",
			title:     "kwok, which plays the kubelets of a local cluster",
			directory: localCluster,
			pkg:       "./cmd/kwok",
			output:    "bin/k8s/kwok",
			inputs:    moduleInputs(localCluster, "cmd/kwok"),
		},
		{name: "controller", title: "kerf itself", pkg: "./cmd/controller", output: "bin/controller"},
		{name: "kerf", title: "the command that plans without a cluster", pkg: "./cmd/kerf", output: "bin/kerf"},
		{name: "demo", title: "the demonstration", pkg: "./test/demo", output: "bin/demo-runner"},
		{
			name:   "environment",
			title:  "the local environment of make up and make down",
			pkg:    "./test/environment/cmd/environment",
			output: "bin/environment-runner",
		},
		{
			name:      "conformance",
			title:     "the comparison of plans with the real scheduler",
			directory: "test/conformance",
			pkg:       ".",
			output:    "bin/conformance-runner",
		},
		{name: "scale", title: "the launch and end of many machines", pkg: "./test/scale", output: "bin/scale-runner"},
		{name: "webhookload", title: "the load on the webhook", pkg: "./test/webhookload", output: "bin/webhookload-runner"},
		{
			name:      "peer",
			title:     "the comparison with Karpenter (the first build takes 3 minutes on two cores)",
			directory: peer,
			pkg:       ".",
			output:    "bin/peer-runner",
			inputs:    append(moduleInputs(peer, "."), "go.mod", "go.sum", "apis", "pkg", "test/builders", "test/region"),
		},
		tool("controller-gen", "the generator of deepcopy functions, CRDs and RBAC", "hack/tools.mod",
			"sigs.k8s.io/controller-tools/cmd/controller-gen"),
		tool("benchstat", "the comparison of benchmarks", "hack/tools.mod", "golang.org/x/perf/cmd/benchstat"),
		tool("golangci-lint", "the linters (the first build takes 5 minutes on two cores)", "hack/lint.mod",
			"github.com/golangci/golangci-lint/v2/cmd/golangci-lint"),
		helm(),
	}
}

// helm is the program that installs the charts. The minor version of client-go is that of the Kubernetes it speaks for.
func helm() artifact {
	a := tool("helm", "helm, which installs the charts (the first build takes 3 minutes on two cores)", "hack/helm.mod",
		"helm.sh/helm/v3/cmd/helm")
	a.reports = []report{
		{module: "helm.sh/helm/v3", whole: []string{"helm.sh/helm/v3/internal/version.version"}},
		{module: "k8s.io/client-go", minor: []string{
			"helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor",
			"helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor",
		}},
	}
	return a
}

// moduleInputs are what a program of a module below the root is made from.
func moduleInputs(module, pkg string) []string {
	return []string{
		filepath.Join(module, "go.mod"),
		filepath.Join(module, "go.sum"),
		filepath.Join(module, pkg),
	}
}

// tool is a program that works on the repository and comes whole from pinned modules.
func tool(name, title, modfile, pkg string) artifact {
	sums := modfile[:len(modfile)-len(filepath.Ext(modfile))] + ".sum"
	return artifact{
		name: name, title: title, modfile: modfile, pkg: pkg,
		output: "bin/" + name,
		inputs: []string{modfile, sums},
	}
}
