package aws

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/ami"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/blockdevice"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/fleet"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/instancetype"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/launchtemplate"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/subnet"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/userdata"
)

// request builds what the machine's launch group asks for and makes sure that its launch templates are there. It depends
// on the machine's spec, the template's status and the cluster's facts, never on prices or capacity of the moment: the group's
// other machines, and this one after a crash, have to ask for the same. Free addresses matter where the first subnet of a zone
// lacks them; the choice is kept for the token, and a process that has lost it adopts what came of the first request. With an
// error, the request holds what would have been asked for, as far as that is known.
func (p *Provider) request(ctx context.Context, machine *v1alpha5.Machine) (fleet.Request, error) {
	template, err := p.template(ctx, templateName(machine), fmt.Sprintf("machine %q", machine.Name))
	if err != nil {
		return fleet.Request{}, err
	}
	choice, err := fleet.ChoiceOf(machine)
	if err != nil {
		return fleet.Request{}, cloudprovider.NewCreateError(reasonInvalid, err)
	}
	boot, err := p.boot(machine, template, choice)
	if err != nil {
		return fleet.Request{}, err
	}
	intent := machine.Status.Launch
	addresses := p.addresses(boot)
	subnets := p.rooms.Choose(intent.Token, template.Status.Subnets, int64(addresses)*int64(intent.Size))
	groups, err := choice.Plan(boot.candidates, subnets)
	if errors.Is(err, fleet.ErrNoOffering) {
		// The template has changed since the machine was planned. That this is no answer of EC2 matters: the request may have
		// been carried out before the change.
		return fleet.Request{}, cloudprovider.NewNotReadyError(fmt.Errorf("AWSNodeTemplate %q: %w", template.Name, err))
	}
	if err != nil {
		return fleet.Request{}, err
	}
	request := fleet.Request{
		Token: intent.Token, CapacityType: choice.CapacityType, Size: intent.Size, Addresses: addresses, Tags: p.instanceTags(machine, template), Context: template.Spec.Context,
		AskedBy: askedBy(template),
	}
	for _, g := range groups {
		request.Configs = append(request.Configs, fleet.Config{LaunchTemplate: template.Spec.LaunchTemplate, Overrides: g.Overrides, ImageID: g.Boot.ImageID})
	}
	if template.Spec.LaunchTemplate != "" {
		return request, nil // it is the user's, and used as it is
	}
	for i, g := range groups {
		request.Configs[i].SecurityGroups = idList(groupIDs(template))
		spec, err := p.launchTemplate(machine, template, boot, g.Boot)
		if err != nil {
			return request, err
		}
		if request.Configs[i].LaunchTemplate, err = p.launchTemplates.Ensure(ctx, spec); err != nil {
			return request, err
		}
	}
	return request, nil
}

// addresses returns how many addresses of a subnet a machine may take, with the pods that fit on the smallest candidate and
// its interfaces for EFA. Where
// pods have addresses of another kind, or nobody knows how many will run, it is one.
func (p *Provider) addresses(b boot) int32 {
	if facts, err := p.cluster.Facts(); err != nil || (userdata.Node{Cluster: facts}).IPv6() || len(b.candidates) == 0 {
		return 1
	}
	least := int64(math.MaxInt16)
	for _, c := range b.candidates {
		least = min(least, max(c.Boot.MaxPods, 1)+max(c.Boot.EFAInterfaces-1, 0))
	}
	return int32(least) //nolint:gosec // no more than it starts with
}

func templateName(machine *v1alpha5.Machine) string {
	if machine.Spec.MachineTemplateRef == nil {
		return ""
	}
	return machine.Spec.MachineTemplateRef.Name
}

// boot is what a launch needs to know of its instance types.
type boot struct {
	candidates []fleet.Candidate
	// reserved maps a printed list of reservations -> the list.
	reserved map[string]corev1.ResourceList
	// labels that nodes are born with: those that the machine asks for, less those that follow from the instance. The latter
	// differ within a group, and the machine itself gets them once its instance is known.
	labels map[string]string
}

func (p *Provider) boot(machine *v1alpha5.Machine, template *awsv1alpha1.AWSNodeTemplate, choice fleet.Choice) (boot, error) {
	snapshot, err := p.types.Snapshot()
	if err != nil {
		return boot{}, err
	}
	out := boot{reserved: map[string]corev1.ResourceList{}, labels: maps.Clone(machine.Labels)}
	if out.labels == nil {
		out.labels = map[string]string{}
	}
	images, put := ami.ImagesOf(instancetype.Bootable(template)), instancetype.SetupOf(template, machine.Spec.Kubelet)
	for _, name := range choice.InstanceTypes {
		info, ok := snapshot.Info(name)
		if !ok || choice.CapacityType == v1alpha5.CapacityTypeSpot && !info.Spot || choice.CapacityType == v1alpha5.CapacityTypeOnDemand && !info.OnDemand {
			continue
		}
		described, err := p.lister.Describe(name, put)
		if err != nil {
			return boot{}, err
		}
		maps.DeleteFunc(out.labels, func(key, _ string) bool { return described.Requirements.Has(v1alpha5.NormalizeLabel(key)) })
		image, ok := images.For(described.Requirements)
		if !ok {
			continue
		}
		alike := fleet.Boot{ImageID: image}
		alike.Cards, alike.EFAInterfaces = efaOf(machine, template, info)
		if told(template) {
			alike.MaxPods = put.Kubelet.PodLimit(p.lister.AddressedPods(info))
			if machine.Spec.Kubelet != nil && len(machine.Spec.Kubelet.KubeReserved) > 0 {
				list := described.Overhead.KubeReserved
				alike.KubeReserved = fmt.Sprint(printed(list))
				out.reserved[alike.KubeReserved] = list
			}
		}
		out.candidates = append(out.candidates, fleet.Candidate{Name: name, Zones: snapshot.Zones(name), Boot: alike})
	}
	delete(out.labels, corev1.LabelTopologyZone)
	delete(out.labels, awsv1alpha1.LabelZoneID)
	delete(out.labels, corev1.LabelHostname)
	delete(out.labels, awsv1alpha1.LabelInstanceAMIID)
	out.labels[v1alpha5.CapacityTypeLabel] = choice.CapacityType
	return out, nil
}

// asksForEFA reports whether a pod of the machine needs an interface for EFA. All that its instance can have are then made with it:
// later there is no way to add one.
func asksForEFA(machine *v1alpha5.Machine) bool {
	asked := machine.Spec.Resources.Requests[awsv1alpha1.ResourceAWSEFA]
	return !asked.IsZero()
}

// efaOf returns how many network cards an instance type of the machine has and how many interfaces for EFA are made on them, where
// kerf makes any.
func efaOf(machine *v1alpha5.Machine, template *awsv1alpha1.AWSNodeTemplate, i instancetype.Info) (cards, interfaces int64) {
	if !asksForEFA(machine) || i.EFAInterfaces == 0 || template.Spec.LaunchTemplate != "" {
		return 0, 0
	}
	return i.Cards, i.EFAInterfaces
}

// told reports whether kerf tells the template's machines how to become nodes. Else that is up to the user, and equal for all
// instance types.
func told(template *awsv1alpha1.AWSNodeTemplate) bool {
	return template.Spec.LaunchTemplate == "" && template.Status.AMIFamily != awsv1alpha1.AMIFamilyCustom
}

// printed maps the name of a resource -> its quantity as text.
func printed(list corev1.ResourceList) map[corev1.ResourceName]string {
	out := make(map[corev1.ResourceName]string, len(list))
	for name, q := range list {
		out[name] = q.String()
	}
	return out
}

// launchTemplate returns the content of the launch template for instance types that boot alike.
func (p *Provider) launchTemplate(machine *v1alpha5.Machine, template *awsv1alpha1.AWSNodeTemplate, b boot, alike fleet.Boot) (launchtemplate.Spec, error) {
	facts, err := p.cluster.Facts()
	if err != nil {
		return launchtemplate.Spec{}, err
	}
	profile, err := p.instanceProfile(template)
	if err != nil {
		return launchtemplate.Spec{}, err
	}
	node := userdata.Node{
		Cluster: facts, Labels: b.labels, Taints: append(append([]corev1.Taint{}, machine.Spec.Taints...), machine.Spec.StartupTaints...),
		MaxPods: alike.MaxPods, Kubelet: machine.Spec.Kubelet, KubeReserved: b.reserved[alike.KubeReserved], UserData: template.Spec.UserData,
		LocalDisks: template.Spec.InstanceStorePolicy == awsv1alpha1.InstanceStorePolicyRAID0,
	}
	family := template.Status.AMIFamily
	data, err := userdata.Render(family, node)
	if err != nil {
		return launchtemplate.Spec{}, cloudprovider.NewCreateError(reasonInvalid, fmt.Errorf("writing user data: %w", err))
	}
	spec := launchtemplate.Spec{
		ImageID: alike.ImageID, InstanceProfile: profile, UserData: data, Tags: p.ownTags(machine.ProvisionerName(), template),
		Metadata: template.Spec.MetadataOptions, IPv6: node.IPv6(), DetailedMonitoring: template.Spec.DetailedMonitoring,
		Volumes: blockdevice.Of(family, template.Spec.BlockDeviceMappings), NoPublicIP: subnet.Private(template.Status.Subnets),
		Cards: alike.Cards, EFAInterfaces: alike.EFAInterfaces,
	}
	spec.Tags[awsv1alpha1.TagLaunchTemplateCluster] = p.settings.ClusterName
	spec.SecurityGroups = groupIDs(template)
	return spec, nil
}

// rehearse writes the user data of a machine that the provisioner might get. What fails here would fail each of its launches, so
// that no machine is to be planned.
func (p *Provider) rehearse(provisioner *v1alpha5.Provisioner, template *awsv1alpha1.AWSNodeTemplate) error {
	if !told(template) {
		return nil
	}
	facts, err := p.cluster.Facts()
	if err != nil {
		return err
	}
	node := userdata.Node{
		Cluster: facts, Labels: provisioner.Spec.Labels, Kubelet: provisioner.Spec.KubeletConfiguration, UserData: template.Spec.UserData,
		LocalDisks: template.Spec.InstanceStorePolicy == awsv1alpha1.InstanceStorePolicyRAID0,
		Taints:     v1alpha5.NodeTaints(slices.Concat(provisioner.Spec.Taints, provisioner.Spec.StartupTaints)),
	}
	if node.Kubelet != nil {
		node.KubeReserved = node.Kubelet.KubeReserved
	}
	if _, err := userdata.Render(template.Status.AMIFamily, node); err != nil {
		return cloudprovider.NewNotReadyError(fmt.Errorf("writing user data for Provisioner %q: %w", provisioner.Name, err))
	}
	return nil
}

// ownTags are the tags of all that is made for a provisioner. Those by which kerf knows its own cannot be overridden.
func (p *Provider) ownTags(provisioner string, template *awsv1alpha1.AWSNodeTemplate) map[string]string {
	tags := map[string]string{awsv1alpha1.TagName: v1alpha5.ProvisionerNameLabel + "/" + provisioner}
	maps.Copy(tags, p.settings.Tags)
	maps.Copy(tags, template.Spec.Tags)
	maps.Copy(tags, map[string]string{
		awsv1alpha1.TagClusterPrefix + p.settings.ClusterName: "owned",
		v1alpha5.ProvisionerNameLabel:                         provisioner,
		awsv1alpha1.TagManagedBy:                              p.settings.ClusterName,
		awsv1alpha1.TagClusterUID:                             p.settings.ClusterUID,
	})
	return tags
}

// instanceTags also say which request made the instance.
func (p *Provider) instanceTags(machine *v1alpha5.Machine, template *awsv1alpha1.AWSNodeTemplate) map[string]string {
	tags := p.ownTags(machine.ProvisionerName(), template)
	tags[awsv1alpha1.TagLaunchGroup] = machine.Status.Launch.Group
	tags[awsv1alpha1.TagLaunchAttempt] = strconv.FormatInt(int64(machine.Status.Launch.Attempt), 10)
	return tags
}
