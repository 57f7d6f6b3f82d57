package cluster

import "syscall"

// processAttributes puts the process into a group of its own and has the kernel kill it when its owner dies, even when
// the owner is killed in a way that it cannot react to.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
