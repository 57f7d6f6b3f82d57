package world

import (
	"cmp"
	"fmt"
	"slices"
)

// ARN names a resource of EC2. Without an owner it is the world's own; an image and a snapshot have none in their names.
func (w *World) ARN(owner, kind, id string) string {
	owner = cmp.Or(owner, w.config.AccountID)
	if kind == "image" || kind == "snapshot" {
		owner = ""
	}
	return fmt.Sprintf("arn:aws:ec2:%s:%s:%s/%s", w.config.Region, owner, kind, id)
}

// Principal is who calls: the one user of the world.
func (w *World) Principal() string {
	return fmt.Sprintf("arn:aws:iam::%s:user/kerf", w.config.AccountID)
}

// RoleARN names the role of an instance profile.
func (w *World) RoleARN(profile string) string {
	return fmt.Sprintf("arn:aws:iam::%s:role/%s", w.config.AccountID, cmp.Or(w.config.Roles[profile], profile))
}

// TagsOf looks the tags of a resource up; false if it does not exist.
func (w *World) TagsOf(id string) (Tags, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	place, err := w.tagsOf(id)
	if err != nil {
		return nil, false
	}
	return place.Merge(nil), true
}

// Launch is what an instance of a fleet may be made of.
type Launch struct {
	Template  LaunchTemplate
	Data      LaunchTemplateData // with the override applied
	Subnet    Subnet
	Groups    []SecurityGroup
	Image     Image
	Snapshots []string
}

// Launches lists what the instances of a fleet may be made of, as far as it exists.
func (w *World) Launches(configs []FleetTemplateConfig) ([]Launch, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	candidates, err := w.candidates(configs)
	if err != nil {
		return nil, err
	}
	var all []Launch
	for _, c := range candidates {
		if c.err != nil {
			continue
		}
		launch := Launch{Template: *w.templates[c.template.ID], Data: c.data, Subnet: c.subnet, Groups: c.groups, Image: c.image}
		for _, v := range c.volumes {
			launch.Snapshots = append(launch.Snapshots, cmp.Or(v.SnapshotID, stableID("snap", c.image.ID, v.Device)))
		}
		all = append(all, launch)
	}
	return all, nil
}

// LaunchOf looks up what an instance is made of that is launched without a template; false if something of it does not exist.
func (w *World) LaunchOf(imageID, subnetID string, groupIDs []string) (Launch, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := slices.IndexFunc(w.config.Images, func(image Image) bool { return image.ID == imageID })
	subnet, err := w.findSubnet(subnetID)
	if i < 0 || err != nil {
		return Launch{}, false
	}
	groups, err := w.findGroups(groupIDs)
	if err != nil {
		return Launch{}, false
	}
	launch := Launch{Subnet: subnet, Groups: groups, Image: w.config.Images[i]}
	for _, v := range launch.Image.Volumes {
		launch.Snapshots = append(launch.Snapshots, stableID("snap", imageID, v.Device))
	}
	return launch, true
}
