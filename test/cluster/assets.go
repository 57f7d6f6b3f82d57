package cluster

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// assetsVariable is where envtest looks for its programs; a directory named there is used if it holds all of them.
const assetsVariable = "KUBEBUILDER_ASSETS"

// moduleLine is the first line of the go.mod beside which the built programs are.
const moduleLine = "module github.com/kerf-autoscaler/kerf\n"

// kubectl is beside the programs of a cluster, but is no part of one.
const kubectl ComponentName = "kubectl"

// Assets returns the directory of the programs of a cluster: the one that KUBEBUILDER_ASSETS names if it holds all of
// them, or else bin/k8s of the module that the working directory is in.
func Assets() (string, error) {
	return assets(Etcd, APIServer, ControllerManager, Scheduler, Kwok)
}

// EnvtestAssets returns, in the same way, the directory of the programs that envtest starts.
func EnvtestAssets() (string, error) {
	return assets(Etcd, APIServer, kubectl)
}

func assets(programs ...ComponentName) (string, error) {
	if directory := os.Getenv(assetsVariable); directory != "" && checkAssets(directory, programs...) == nil {
		return filepath.Abs(directory)
	}
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	directory := filepath.Join(root, "bin", "k8s")
	if err := checkAssets(directory, programs...); err != nil {
		return "", fmt.Errorf("%w; run \"make control-plane\" in %s to build it", err, root)
	}
	return directory, nil
}

// checkAssets returns an error that names the first of the programs that the directory lacks.
func checkAssets(directory string, programs ...ComponentName) error {
	for _, program := range programs {
		path := filepath.Join(directory, string(program))
		info, err := os.Stat(path)
		if err != nil {
			return fmt.Errorf("looking for the control plane: %w", err)
		}
		if info.IsDir() || info.Mode()&0o111 == 0 {
			return fmt.Errorf("looking for the control plane: %s is not a program", path)
		}
	}
	return nil
}

// moduleRoot walks up from the working directory, which is a package directory in tests.
func moduleRoot() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("looking for the module: %w", err)
	}
	for directory := start; ; directory = filepath.Dir(directory) {
		content, err := os.ReadFile(filepath.Join(directory, "go.mod"))
		if err == nil && strings.HasPrefix(string(content), moduleLine) {
			return directory, nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("looking for the module: %w", err)
		}
		if directory == filepath.Dir(directory) {
			return "", fmt.Errorf("looking for the control plane: %s is not inside the kerf module; set %s",
				start, assetsVariable)
		}
	}
}
