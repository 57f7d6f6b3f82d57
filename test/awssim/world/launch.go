package world

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/kerf-autoscaler/kerf/test/awssim/apierror"
	"github.com/kerf-autoscaler/kerf/test/awssim/faults"
)

// start launches one instance from a pool, or says why the pool cannot give one now. The caller holds the lock.
func (w *World) start(fleet *Fleet, capacityType string, p pool, tags map[string]Tags) (*Instance, error) {
	key := poolKey{p.facts.Name, p.subnet.Zone, capacityType}
	if w.room(key) == 0 {
		w.countShortage(key)
		return nil, errShort(key)
	}
	boot := w.boot(w.launches + 1)
	address, ok := w.address(p.subnet.ID, boot)
	if !ok {
		return nil, apierror.New("InsufficientFreeAddressesInSubnet",
			"There are not enough free addresses in subnet '%s' to satisfy the requested number of instances.", p.subnet.ID)
	}
	now := w.Now()
	w.launches++
	instance := &Instance{
		ID: w.newID("i"), Number: w.launches, FleetID: fleet.ID, ClientToken: fleet.ClientToken, TemplateID: p.template.ID, TemplateName: p.name,
		Type: p.facts.Name, CapacityType: capacityType, Image: p.image, Subnet: p.subnet, Address: address, DNSName: w.dnsName(address),
		Groups: p.groups, Data: p.data, PricePerHour: p.price, Launched: now, Runs: now.Add(w.config.BootDelay), Boot: boot,
		Tags: launchTags(p, fleet.ID).Merge(tags["instance"]), VolumeTags: p.data.TagsFor("volume").Merge(tags["volume"]),
	}
	instance.InterfaceID = w.newID("eni")
	for _, v := range p.volumes {
		v.ID = w.newID("vol")
		instance.Volumes = append(instance.Volumes, v)
	}
	if capacityType == Spot {
		instance.SpotRequestID = "sir-" + stableHex(instance.ID)[:8]
	}
	w.instances[instance.ID] = instance
	return instance, nil
}

// address takes an address of a subnet. The caller holds the lock.
func (w *World) address(subnetID string, boot *faults.Boot) (netip.Addr, bool) {
	subnet := w.subnets[subnetID]
	if boot != nil && boot.Kind == faults.Recycled {
		if address, ok := subnet.reuse(); ok {
			w.config.Faults.Hit("boot." + faults.Recycled)
			return address, true
		}
	}
	return subnet.take()
}

// launchTags are the tags that an instance has from its template and from EC2 itself.
func launchTags(p pool, fleetID string) Tags {
	tags := Tags{"aws:ec2launchtemplate:id": p.template.ID, "aws:ec2launchtemplate:version": p.template.Version, "aws:ec2:fleet-id": fleetID}
	return tags.Merge(p.data.TagsFor("instance"))
}

// dnsName is the private name that EC2 gives an address.
func (w *World) dnsName(address netip.Addr) string {
	domain := w.config.Region + ".compute.internal"
	if w.config.Region == "us-east-1" {
		domain = "ec2.internal"
	}
	return fmt.Sprintf("ip-%s.%s", strings.ReplaceAll(address.String(), ".", "-"), domain)
}

func errShort(p poolKey) *apierror.Error {
	if p.capacityType == Spot {
		return apierror.New("InsufficientInstanceCapacity",
			"There is no Spot capacity available that matches your request (%s in %s).", p.instanceType, p.zone)
	}
	return apierror.New("InsufficientInstanceCapacity",
		"We currently do not have sufficient %s capacity in the Availability Zone you requested (%s).", p.instanceType, p.zone)
}
