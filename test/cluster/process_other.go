//go:build unix && !linux

package cluster

import "syscall"

// processAttributes puts the process into a group of its own. Without Linux's parent-death signal, a cluster whose
// owner is killed outright stays behind.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
