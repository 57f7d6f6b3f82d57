// Package workbench is what a controller stands on in a test: a real API server with kerf's kinds, a clock that only the test
// moves, and a journal that keeps what it is told.
package workbench

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/kerf-autoscaler/kerf/test/cluster"
)

// kubeconfigVariable hands the server that Run started to the tests that it runs: a package of tests has no variables.
const kubeconfigVariable = "KERF_WORKBENCH_KUBECONFIG"

// Run starts an API server, runs the tests of a package against it and stops it. It returns the code to exit with:
//
//	func TestMain(m *testing.M) { os.Exit(workbench.Run(m)) }
func Run(tests interface{ Run() int }) int {
	code, err := run(tests)
	if err != nil {
		fmt.Fprintf(os.Stderr, "workbench: %s\n", err)
		return 1
	}
	return code
}

func run(tests interface{ Run() int }) (code int, err error) {
	assets, err := cluster.Assets()
	if err != nil {
		return 1, err
	}
	definitions, err := FromRoot("config", "crd", "bases")
	if err != nil {
		return 1, err
	}
	environment := &envtest.Environment{
		BinaryAssetsDirectory: assets,
		CRDDirectoryPaths:     []string{definitions},
		ErrorIfCRDPathMissing: true,
		// Several packages start at once on a machine with few cores.
		ControlPlaneStartTimeout: time.Minute,
		ControlPlaneStopTimeout:  time.Minute,
	}
	defer func() {
		if stopErr := environment.Stop(); stopErr != nil {
			code, err = 1, errors.Join(err, fmt.Errorf("stopping the API server: %w", stopErr))
		}
	}()
	if _, err := environment.Start(); err != nil {
		return 1, fmt.Errorf("starting the API server: %w", err)
	}
	file, err := os.CreateTemp("", "kerf-workbench-*")
	if err != nil {
		return 1, fmt.Errorf("making the kubeconfig: %w", err)
	}
	defer func() { _ = os.Remove(file.Name()) }()
	if _, err := file.Write(environment.KubeConfig); err != nil {
		return 1, fmt.Errorf("writing the kubeconfig: %w", err)
	}
	if err := file.Close(); err != nil {
		return 1, fmt.Errorf("writing the kubeconfig: %w", err)
	}
	if err := os.Setenv(kubeconfigVariable, file.Name()); err != nil {
		return 1, fmt.Errorf("naming the kubeconfig: %w", err)
	}
	return tests.Run(), nil
}

// FromRoot returns the path of something in the module, which the working directory of a test is somewhere in.
func FromRoot(elements ...string) (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("looking for the module: %w", err)
	}
	for directory := start; ; directory = filepath.Dir(directory) {
		path := filepath.Join(append([]string{directory}, elements...)...)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
		if directory == filepath.Dir(directory) {
			return "", fmt.Errorf("no %s in or above %s", filepath.Join(elements...), start)
		}
	}
}
