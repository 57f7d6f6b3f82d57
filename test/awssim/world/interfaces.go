package world

import (
	"slices"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/catalog"
	"github.com/kerf-autoscaler/kerf/test/awssim/apierror"
)

// Kinds of network interfaces. One for EFA has addresses as well, unless it is for EFA only.
const (
	kindPlain   = "interface"
	kindEFA     = "efa"
	kindEFAOnly = "efa-only"
)

func (n NetworkInterfaceSpec) efa() bool {
	return n.InterfaceType == kindEFA || n.InterfaceType == kindEFAOnly
}

// checkKinds refuses what no instance type could have.
func checkKinds(specs []NetworkInterfaceSpec) error {
	for _, n := range specs {
		if !slices.Contains([]string{"", kindPlain, kindEFA, kindEFAOnly}, n.InterfaceType) {
			return apierror.InvalidValue("NetworkInterface.InterfaceType", n.InterfaceType, "Expecting interface, efa or efa-only.")
		}
	}
	return nil
}

// checkInterfaces refuses interfaces that an instance of the type cannot be launched with.
func checkInterfaces(specs []NetworkInterfaceSpec, t catalog.InstanceType) error {
	type place struct{ card, device int }
	taken, efas, first := map[place]bool{}, map[int]bool{}, len(specs) == 0
	for _, n := range specs {
		at := place{number(n.NetworkCardIndex), number(n.DeviceIndex)}
		first = first || at == place{}
		switch {
		case taken[at]:
			return apierror.New("InvalidParameterValue", "Each network interface requires a unique device index.")
		case at.card < 0 || at.card >= t.Network.Cards:
			return apierror.New("InvalidParameterValue", "Network card index %d exceeds the limit for %s", at.card, t.Name)
		case n.AssociatePublicIP != nil && len(specs) > 1:
			return apierror.Combination("The associatePublicIPAddress parameter cannot be specified when launching with multiple network interfaces.")
		}
		if n.efa() {
			if err := checkEFA(n, efas[at.card], t); err != nil {
				return err
			}
			efas[at.card] = true
		}
		taken[at] = true
	}
	if !first {
		return apierror.New("InvalidParameterValue", "A network interface at device index 0 of network card 0 is required.")
	}
	return nil
}

// checkEFA refuses an interface for EFA that its card does not take; another says that there is one on it.
func checkEFA(n NetworkInterfaceSpec, another bool, t catalog.InstanceType) error {
	card := number(n.NetworkCardIndex)
	switch {
	case t.Network.EFAInterfaces == 0 || card < t.Network.Cards-t.Network.EFAInterfaces:
		return apierror.Combination("EFA interfaces are not supported on network card %d of %s", card, t.Name)
	case another:
		return apierror.Combination("Network card %d of %s takes one EFA interface", card, t.Name)
	case n.InterfaceType == kindEFAOnly && card == 0 && number(n.DeviceIndex) == 0:
		return apierror.Combination("The primary network interface cannot be an EFA-only interface")
	default:
		return nil
	}
}

func number(n *int) int {
	if n == nil {
		return 0
	}
	return *n
}

// moreAddresses is how many addresses interfaces take besides that of the first one.
func moreAddresses(specs []NetworkInterfaceSpec) int {
	with := 0
	for _, n := range specs {
		if n.InterfaceType != kindEFAOnly {
			with++
		}
	}
	return max(with-1, 0)
}

// EFAInterfaces counts the interfaces for EFA that the instance has.
func (i Instance) EFAInterfaces() int {
	count := 0
	for _, n := range i.Data.NetworkInterfaces {
		if n.efa() {
			count++
		}
	}
	return count
}

// release gives back all addresses of an instance. The caller holds the lock.
func (w *World) release(i *Instance) {
	subnet := w.subnets[i.Subnet.ID]
	for _, address := range i.MoreAddresses {
		subnet.release(address)
	}
	subnet.release(i.Address)
}
