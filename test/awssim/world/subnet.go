package world

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/kerf-autoscaler/kerf/test/awssim/apierror"
)

// AWS keeps the first four addresses of a subnet and the last one for itself.
const (
	reservedFirst = 4
	reservedAll   = 5
	// maxRecycled bounds how many addresses that were given back are remembered.
	maxRecycled = 64
)

// subnetState hands out the addresses of a subnet. It goes round, so that an address, and with it a node name, is not soon used again.
type subnetState struct {
	prefix netip.Prefix
	used   map[netip.Addr]bool
	next   netip.Addr
	last   []netip.Addr // given back, the latest last
}

func newSubnetState(prefix netip.Prefix) *subnetState {
	s := &subnetState{prefix: prefix, used: map[netip.Addr]bool{}}
	s.next = s.first()
	return s
}

func (s *subnetState) first() netip.Addr {
	address := s.prefix.Addr()
	for range reservedFirst {
		address = address.Next()
	}
	return address
}

func (s *subnetState) size() int { return 1<<(s.prefix.Addr().BitLen()-s.prefix.Bits()) - reservedAll }

func (s *subnetState) free() int { return max(s.size()-len(s.used), 0) }

// reuse returns the address that was given back last, or false when all of those are taken again.
func (s *subnetState) reuse() (netip.Addr, bool) {
	for ; len(s.last) > 0; s.last = s.last[:len(s.last)-1] {
		if address := s.last[len(s.last)-1]; !s.used[address] {
			s.used[address] = true
			return address, true
		}
	}
	return netip.Addr{}, false
}

// take returns a free address, or false when there is none.
func (s *subnetState) take() (netip.Addr, bool) {
	if s.free() == 0 {
		return netip.Addr{}, false
	}
	for {
		address := s.next
		s.next = address.Next()
		// The next address being outside makes this one the last of the subnet, which AWS keeps.
		if !s.prefix.Contains(s.next) {
			s.next = s.first()
			continue
		}
		if !s.used[address] {
			s.used[address] = true
			return address, true
		}
	}
}

func (s *subnetState) release(address netip.Addr) {
	delete(s.used, address)
	s.last = append(s.last, address)
	s.last = s.last[max(len(s.last)-maxRecycled, 0):]
}

// SubnetStatus is a subnet with what is left of it.
type SubnetStatus struct {
	Subnet
	FreeAddresses int
}

// Subnets lists the subnets sorted by id.
func (w *World) Subnets() []SubnetStatus {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sweep()
	list := make([]SubnetStatus, 0, len(w.config.Subnets))
	for _, subnet := range w.config.Subnets {
		list = append(list, SubnetStatus{Subnet: subnet, FreeAddresses: w.subnets[subnet.ID].free()})
	}
	slices.SortFunc(list, func(a, b SubnetStatus) int { return strings.Compare(a.ID, b.ID) })
	return list
}

// findSubnet returns the subnet of an id. The caller holds the lock.
func (w *World) findSubnet(id string) (Subnet, error) {
	for _, subnet := range w.config.Subnets {
		if subnet.ID == id {
			return subnet, nil
		}
	}
	return Subnet{}, apierror.New("InvalidSubnetID.NotFound", "The subnet ID '%s' does not exist", id)
}
