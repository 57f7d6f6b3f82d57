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
	// kubernetes makes the program report the version of the k8s.io/kubernetes module as its own.
	kubernetes bool
	// inputs are the files and directories that the program is made from, beside the modules that they pin. It is
	// rebuilt when they change. A program without them is left to the go command, which finds out by itself.
	inputs []string
}

func artifacts() []artifact {
	const localCluster = "test/localcluster"
	return []artifact{
		{
			name:       "control-plane",
			title:      "etcd, the Kubernetes control plane and kubectl (the first build takes 10 minutes on two cores)",
			directory:  localCluster,
			pkg:        "./cmd/controlplane",
			output:     "bin/k8s/controlplane",
			links:      []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl"},
			kubernetes: true,
			inputs:     moduleInputs(localCluster, "cmd/controlplane"),
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
		{name: "demo", title: "the demonstration", pkg: "./test/demo", output: "bin/demo-runner"},
		{
			name:   "environment",
			title:  "the local environment of make up and make down",
			pkg:    "./test/environment/cmd/environment",
			output: "bin/environment-runner",
		},
		tool("controller-gen", "the generator of deepcopy functions, CRDs and RBAC", "hack/tools.mod",
			"sigs.k8s.io/controller-tools/cmd/controller-gen"),
		tool("benchstat", "the comparison of benchmarks", "hack/tools.mod", "golang.org/x/perf/cmd/benchstat"),
		tool("golangci-lint", "the linters (the first build takes 5 minutes on two cores)", "hack/lint.mod",
			"github.com/golangci/golangci-lint/v2/cmd/golangci-lint"),
	}
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
