package ec2

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kerf-autoscaler/kerf/test/awssim/apierror"
	"github.com/kerf-autoscaler/kerf/test/awssim/wire"
	"github.com/kerf-autoscaler/kerf/test/awssim/world"
)

type createLaunchTemplateInput struct {
	DryRun             bool                      `query:"DryRun"`
	ClientToken        string                    `query:"ClientToken"`
	Name               string                    `query:"LaunchTemplateName,required"`
	VersionDescription string                    `query:"VersionDescription"`
	Data               *world.LaunchTemplateData `query:"LaunchTemplateData,required"`
	TagSpecifications  []world.TagSpecification  `query:"TagSpecification"`
}

type launchTemplateOutput struct {
	wire.Envelope
	Template launchTemplate `xml:"launchTemplate"`
}

type launchTemplate struct {
	ID             string              `xml:"launchTemplateId"`
	Name           string              `xml:"launchTemplateName"`
	Created        wire.Time           `xml:"createTime"`
	CreatedBy      string              `xml:"createdBy"`
	DefaultVersion int                 `xml:"defaultVersionNumber"`
	LatestVersion  int                 `xml:"latestVersionNumber"`
	Tags           wire.Set[world.Tag] `xml:"tagSet"`
}

func (s *Service) describeTemplate(t world.LaunchTemplate) launchTemplate {
	return launchTemplate{
		ID: t.ID, Name: t.Name, Created: wire.Time{Time: s.world.Told(t.Created)}, CreatedBy: t.CreatedBy, DefaultVersion: 1, LatestVersion: 1, Tags: t.Tags.List(),
	}
}

func (s *Service) createLaunchTemplate(in createLaunchTemplateInput, fingerprint string) (*launchTemplateOutput, error) {
	tags, err := world.CheckTagSpecifications(in.TagSpecifications, "launch-template")
	if err != nil {
		return nil, err
	}
	template, err := s.world.CreateLaunchTemplate(world.NewLaunchTemplate{
		Name: in.Name, Description: in.VersionDescription, ClientToken: in.ClientToken, Fingerprint: fingerprint,
		Tags: tags["launch-template"], Data: *in.Data, CreatedBy: fmt.Sprintf("arn:aws:iam::%s:root", s.world.AccountID()), DryRun: in.DryRun,
	})
	if err != nil {
		return nil, err
	}
	return &launchTemplateOutput{Template: s.describeTemplate(template)}, nil
}

type deleteLaunchTemplateInput struct {
	dryRun
	ID   string `query:"LaunchTemplateId"`
	Name string `query:"LaunchTemplateName"`
}

func (s *Service) deleteLaunchTemplate(in deleteLaunchTemplateInput, _ string) (*launchTemplateOutput, error) {
	template, err := s.world.DeleteLaunchTemplate(in.ID, in.Name, in.DryRun)
	if err != nil {
		return nil, err
	}
	return &launchTemplateOutput{Template: s.describeTemplate(template)}, nil
}

type describeLaunchTemplatesInput struct {
	dryRun
	paged
	IDs     []string `query:"LaunchTemplateId"`
	Names   []string `query:"LaunchTemplateName"`
	Filters []filter `query:"Filter"`
}

type describeLaunchTemplatesOutput struct {
	wire.Envelope
	Templates wire.Set[launchTemplate] `xml:"launchTemplates"`
	NextToken string                   `xml:"nextToken,omitempty"`
}

func (s *Service) describeLaunchTemplates(in describeLaunchTemplatesInput) (*describeLaunchTemplatesOutput, error) {
	if len(in.IDs) > 0 && len(in.Names) > 0 {
		return nil, apierror.Combination("Only one of launch template IDs and launch template names may be specified")
	}
	templates, err := byID(s.world.LaunchTemplates(), in.IDs, func(t world.LaunchTemplate) string { return t.ID },
		"InvalidLaunchTemplateId.NotFound", "The specified launch template, with template ID %s, does not exist.")
	if err != nil {
		return nil, err
	}
	templates, err = byID(templates, in.Names, func(t world.LaunchTemplate) string { return t.Name },
		"InvalidLaunchTemplateName.NotFoundException", "At least one of the launch templates specified in the request does not exist: %s")
	if err != nil {
		return nil, err
	}
	templates, err = selectBy(templates, in.Filters, attributes[world.LaunchTemplate]{
		"create-time":          one(func(t world.LaunchTemplate) string { return t.Created.UTC().Format(wire.TimeFormat) }),
		"launch-template-name": one(func(t world.LaunchTemplate) string { return t.Name }),
	}, func(t world.LaunchTemplate) world.Tags { return t.Tags })
	if err != nil {
		return nil, err
	}
	templates, next, err := page(templates, func(t world.LaunchTemplate) string { return t.ID }, in.paged, pageBounds{1, 200, 200})
	if err != nil {
		return nil, err
	}
	out := &describeLaunchTemplatesOutput{NextToken: next}
	for _, t := range templates {
		out.Templates = append(out.Templates, s.describeTemplate(t))
	}
	return out, nil
}

type describeLaunchTemplateVersionsInput struct {
	dryRun
	paged
	ID           string   `query:"LaunchTemplateId"`
	Name         string   `query:"LaunchTemplateName"`
	Versions     []string `query:"LaunchTemplateVersion"`
	MinVersion   string   `query:"MinVersion"`
	MaxVersion   string   `query:"MaxVersion"`
	ResolveAlias bool     `query:"ResolveAlias"` // no template's image is an alias here
	Filters      []filter `query:"Filter"`
}

type describeLaunchTemplateVersionsOutput struct {
	wire.Envelope
	Versions  wire.Set[launchTemplateVersion] `xml:"launchTemplateVersionSet"`
	NextToken string                          `xml:"nextToken,omitempty"`
}

type launchTemplateVersion struct {
	ID             string                   `xml:"launchTemplateId"`
	Name           string                   `xml:"launchTemplateName"`
	Number         int                      `xml:"versionNumber"`
	Description    string                   `xml:"versionDescription,omitempty"`
	Created        wire.Time                `xml:"createTime"`
	CreatedBy      string                   `xml:"createdBy"`
	DefaultVersion bool                     `xml:"defaultVersion"`
	Data           world.LaunchTemplateData `xml:"launchTemplateData"`
}

func (s *Service) describeLaunchTemplateVersions(in describeLaunchTemplateVersionsInput) (*describeLaunchTemplateVersionsOutput, error) {
	templates, err := s.versionsOf(in)
	if err != nil {
		return nil, err
	}
	templates, err = selectBy(templates, in.Filters, attributes[world.LaunchTemplate]{
		"create-time":          one(func(t world.LaunchTemplate) string { return t.Created.UTC().Format(wire.TimeFormat) }),
		"iam-instance-profile": one(profileOf),
		"image-id":             one(func(t world.LaunchTemplate) string { return t.Data.ImageID }),
		"instance-type":        one(func(t world.LaunchTemplate) string { return t.Data.InstanceType }),
		"is-default-version":   fixed[world.LaunchTemplate]("true"),
	}, nil)
	if err != nil {
		return nil, err
	}
	templates, next, err := page(templates, func(t world.LaunchTemplate) string { return t.ID }, in.paged, pageBounds{1, 200, 200})
	if err != nil {
		return nil, err
	}
	out := &describeLaunchTemplateVersionsOutput{NextToken: next}
	for _, t := range templates {
		out.Versions = append(out.Versions, launchTemplateVersion{
			ID: t.ID, Name: t.Name, Number: 1, Description: t.Description, Created: wire.Time{Time: s.world.Told(t.Created)}, CreatedBy: t.CreatedBy,
			DefaultVersion: true, Data: t.Data,
		})
	}
	return out, nil
}

// versionsOf finds the versions that a call is about: those of one template, or the latest or default ones of all.
func (s *Service) versionsOf(in describeLaunchTemplateVersionsInput) ([]world.LaunchTemplate, error) {
	if in.ID == "" && in.Name == "" {
		for _, version := range in.Versions {
			if !strings.HasPrefix(version, "$") {
				return nil, apierror.New("InvalidParameterValue", "Without a launch template only $Latest and $Default may be specified, not %s", version)
			}
		}
		if len(in.Versions) == 0 {
			return nil, apierror.New("MissingParameter", "Either a launch template or the versions $Latest or $Default must be specified in the request")
		}
		return s.world.LaunchTemplates(), nil
	}
	template, err := s.world.LaunchTemplate(in.ID, in.Name)
	if err != nil {
		return nil, err
	}
	for _, version := range in.Versions {
		if err := template.CheckVersion(version); err != nil {
			return nil, err
		}
	}
	// The only version has number 1.
	if slices.Contains([]string{"", "0", "1"}, in.MinVersion) && in.MaxVersion != "0" {
		return []world.LaunchTemplate{template}, nil
	}
	return nil, nil
}

func profileOf(t world.LaunchTemplate) string {
	if t.Data.IAMInstanceProfile == nil {
		return ""
	}
	if arn := t.Data.IAMInstanceProfile.ARN; arn != "" {
		return arn
	}
	return t.Data.IAMInstanceProfile.Name
}
