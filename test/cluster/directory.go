package cluster

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

const (
	directoryPattern = "kerf-cluster-"
	lockName         = "lock"
)

// errLocked means that another process, or another cluster of this one, holds a lock.
var errLocked = errors.New("in use by another cluster")

// lockFile takes an exclusive lock on the file, which it makes, without waiting. The lock ends with the returned file
// or with the process, whichever is first, so a crashed owner leaves nothing that is locked.
func lockFile(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the lock: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = errLocked
		}
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// temporaryDirectory makes and locks a directory for one cluster, after clearing those whose owner died before it could.
func temporaryDirectory() (string, *os.File, error) {
	if err := removeAbandoned(os.TempDir()); err != nil {
		return "", nil, err
	}
	directory, err := os.MkdirTemp("", directoryPattern)
	if err != nil {
		return "", nil, fmt.Errorf("making a temporary directory: %w", err)
	}
	// The lock gets its name only once it is held: another start must not find it free and take the directory for an
	// abandoned one.
	lock, err := lockFile(filepath.Join(directory, lockName+".new"))
	if err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(directory))
	}
	if err := os.Rename(lock.Name(), filepath.Join(directory, lockName)); err != nil {
		return "", nil, errors.Join(fmt.Errorf("naming the lock: %w", err), lock.Close(), os.RemoveAll(directory))
	}
	return directory, lock, nil
}

// removeAbandoned removes the cluster directories below parent that nobody holds the lock of. A directory without a
// lock is one that is just being made, and stays.
func removeAbandoned(parent string) error {
	locks, err := filepath.Glob(filepath.Join(parent, directoryPattern+"*", lockName))
	if err != nil {
		return fmt.Errorf("looking for abandoned clusters: %w", err)
	}
	for _, path := range locks {
		lock, err := lockFile(path)
		if err != nil {
			continue // in use, or another user's
		}
		if err := errors.Join(os.RemoveAll(filepath.Dir(path)), lock.Close()); err != nil {
			return fmt.Errorf("removing an abandoned cluster: %w", err)
		}
	}
	return nil
}
