package cluster

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
)

// Ports come from below the range that systems hand out to outgoing connections, so that none of those can take a port
// between its reservation and the moment its server listens, or while a server is restarted.
const (
	firstPort = 20000
	lastPort  = 29999
)

// portSet reserves TCP ports of the loopback interface against every other portSet on the machine.
type portSet struct {
	mu    sync.Mutex
	locks []*os.File
}

// reserve returns a port on which nothing listens, and which nobody else reserves until release.
func (p *portSet) reserve() (int, error) {
	directory := filepath.Join(os.TempDir(), fmt.Sprintf("kerf-ports-%d", os.Getuid()))
	if err := os.MkdirAll(directory, 0o700); err != nil {
		return 0, fmt.Errorf("making the directory of port reservations: %w", err)
	}
	count := lastPort - firstPort + 1
	offset := rand.IntN(count)
	for i := range count {
		port := firstPort + (offset+i)%count
		lock, err := lockFile(filepath.Join(directory, strconv.Itoa(port)))
		if errors.Is(err, errLocked) {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("reserving port %d: %w", port, err)
		}
		if !portFree(port) || !stillNamed(lock) {
			if err := lock.Close(); err != nil {
				return 0, fmt.Errorf("giving port %d back: %w", port, err)
			}
			continue
		}
		p.mu.Lock()
		p.locks = append(p.locks, lock)
		p.mu.Unlock()
		return port, nil
	}
	return 0, fmt.Errorf("reserving a port: all of %d-%d are taken", firstPort, lastPort)
}

// release gives all reserved ports back.
func (p *portSet) release() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for _, lock := range p.locks {
		// Removed while still locked: whoever opened it meanwhile finds that its name is gone, see stillNamed.
		errs = append(errs, os.Remove(lock.Name()), lock.Close())
	}
	p.locks = nil
	return errors.Join(errs...)
}

func portFree(port int) bool {
	listener, err := net.Listen("tcp", loopback(port))
	if err != nil {
		return false
	}
	return listener.Close() == nil
}

// stillNamed tells whether the locked file is the one that others will find under its name.
func stillNamed(lock *os.File) bool {
	held, err := lock.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(lock.Name())
	return err == nil && os.SameFile(held, named)
}

// loopback returns the address of a port.
func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
