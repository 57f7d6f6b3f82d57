package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// site is where the world that runs in the background leaves its traces: bin/environment of the module.
type site struct {
	root string
}

// state is what is known of a world that is up.
type state struct {
	PID         int    `json:"pid"`
	ClusterName string `json:"clusterName"`
	Region      string `json:"region"`
	Kubeconfig  string `json:"kubeconfig"`
	Kubectl     string `json:"kubectl"`
	AWS         string `json:"aws"`
	AWSAdmin    string `json:"awsAdmin"`
	Log         string `json:"log"`
}

func (s site) path(elem ...string) string {
	return filepath.Join(append([]string{s.root, "bin", "environment"}, elem...)...)
}

// resolve makes paths absolute, because they are printed for use anywhere.
func (s *site) resolve() error {
	root, err := filepath.Abs(s.root)
	if err != nil {
		return fmt.Errorf("resolving the module's directory: %w", err)
	}
	s.root = root
	if err := os.MkdirAll(s.path(), 0o755); err != nil {
		return fmt.Errorf("making the directory of the environment: %w", err)
	}
	return nil
}

// errUp says that a world holds the site.
var errUp = errors.New("already up")

// claim takes the site for a world. The claim ends with the returned file or with the process, whichever is first, so
// that a world that crashed leaves nothing in the way.
func (s site) claim() (*os.File, error) {
	lock, err := os.OpenFile(s.path("lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the lock: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = errUp
		}
		return nil, errors.Join(err, lock.Close())
	}
	return lock, nil
}

// isUp reports whether a world holds the site.
func (s site) isUp() (bool, error) {
	lock, err := s.claim()
	if errors.Is(err, errUp) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	return false, lock.Close()
}

func (s site) read() (state, error) {
	var st state
	content, err := os.ReadFile(s.path("state.json"))
	if err != nil {
		return st, fmt.Errorf("reading the state of the environment: %w", err)
	}
	if err := json.Unmarshal(content, &st); err != nil {
		return st, fmt.Errorf("reading the state of the environment: %w", err)
	}
	return st, nil
}

// write replaces the state in one step, so that a reader never sees half of it.
func (s site) write(st state) error {
	content, err := json.MarshalIndent(st, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the state of the environment: %w", err)
	}
	draft := s.path("state.json.new")
	if err := os.WriteFile(draft, append(content, '\n'), 0o600); err != nil {
		return fmt.Errorf("writing the state of the environment: %w", err)
	}
	if err := os.Rename(draft, s.path("state.json")); err != nil {
		return fmt.Errorf("writing the state of the environment: %w", err)
	}
	return nil
}

// forget removes the state and the access of a world that is no more; its logs stay until the next one.
func (s site) forget() error {
	for _, name := range []string{"state.json", "kubeconfig"} {
		if err := os.Remove(s.path(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("removing the state of the environment: %w", err)
		}
	}
	return nil
}
