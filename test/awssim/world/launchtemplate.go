package world

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kerf-autoscaler/kerf/test/awssim/apierror"
	"github.com/kerf-autoscaler/kerf/test/awssim/wire"
)

// The bounds of a template's name, and the characters it may have besides letters and digits.
const (
	minTemplateName  = 3
	maxTemplateName  = 128
	templateNameSign = "-_()./"
	// maxUserData is the bound on user data before base64.
	maxUserData = 16384
)

// LaunchTemplate is a template with its only version: no call that the simulator knows makes a second one.
type LaunchTemplate struct {
	ID          string
	Name        string
	Description string // of the version
	Created     time.Time
	CreatedBy   string
	Tags        Tags
	Data        LaunchTemplateData
}

// NewLaunchTemplate is a request for a template.
type NewLaunchTemplate struct {
	Name        string
	Description string
	ClientToken string
	Fingerprint string // of all parameters but the token
	Tags        Tags
	Data        LaunchTemplateData
	CreatedBy   string
	DryRun      bool
}

// CreateLaunchTemplate makes a template, or answers as before when the token has been used.
func (w *World) CreateLaunchTemplate(request NewLaunchTemplate) (LaunchTemplate, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := checkTemplateName(request.Name); err != nil {
		return LaunchTemplate{}, err
	}
	if err := request.Data.check(); err != nil {
		return LaunchTemplate{}, err
	}
	return recall(w, "CreateLaunchTemplate", request.ClientToken, request.Fingerprint, func() (LaunchTemplate, error) {
		if _, exists := w.templateNames[request.Name]; exists {
			return LaunchTemplate{}, apierror.New(
				"InvalidLaunchTemplateName.AlreadyExistsException", "Launch template name already in use.")
		}
		if request.DryRun {
			return LaunchTemplate{}, errDryRun()
		}
		template := &LaunchTemplate{
			ID: w.newID("lt"), Name: request.Name, Description: request.Description, Created: w.Now(), CreatedBy: request.CreatedBy,
			Tags: request.Tags, Data: request.Data,
		}
		w.templates[template.ID] = template
		w.templateNames[template.Name] = template.ID
		return *template, nil
	})
}

// LaunchTemplates lists the templates sorted by id.
func (w *World) LaunchTemplates() []LaunchTemplate {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := make([]LaunchTemplate, 0, len(w.templates))
	for _, template := range w.templates {
		list = append(list, *template)
	}
	slices.SortFunc(list, func(a, b LaunchTemplate) int { return strings.Compare(a.ID, b.ID) })
	return list
}

// LaunchTemplate looks a template up by id or by name, of which exactly one is given.
func (w *World) LaunchTemplate(id, name string) (LaunchTemplate, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	template, err := w.findTemplate(id, name)
	if err != nil {
		return LaunchTemplate{}, err
	}
	return *template, nil
}

// DeleteLaunchTemplate removes a template. Instances launched from it stay.
func (w *World) DeleteLaunchTemplate(id, name string, dryRun bool) (LaunchTemplate, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	template, err := w.findTemplate(id, name)
	if err != nil {
		return LaunchTemplate{}, err
	}
	if dryRun {
		return LaunchTemplate{}, errDryRun()
	}
	delete(w.templates, template.ID)
	delete(w.templateNames, template.Name)
	return *template, nil
}

// findTemplate is LaunchTemplate for a caller that holds the lock.
func (w *World) findTemplate(id, name string) (*LaunchTemplate, error) {
	switch {
	case id != "" && name != "":
		return nil, apierror.Combination("Only one of the launch template ID and the launch template name may be specified")
	case id == "" && name == "":
		return nil, apierror.New("MissingParameter", "Either a launch template ID or a launch template name must be specified in the request")
	case id != "" && !validID("lt", id):
		return nil, apierror.New("InvalidLaunchTemplateId.Malformed", "The launch template ID '%s' is malformed", id)
	case id == "":
		id = w.templateNames[name]
	}
	template, ok := w.templates[id]
	switch {
	case ok:
		return template, nil
	case name != "":
		return nil, apierror.New("InvalidLaunchTemplateName.NotFoundException",
			"At least one of the launch templates specified in the request does not exist.")
	}
	return nil, apierror.New("InvalidLaunchTemplateId.NotFound", "The specified launch template, with template ID %s, does not exist.", id)
}

// CheckVersion accepts the ways to name the only version.
func (t LaunchTemplate) CheckVersion(version string) error {
	switch version {
	case "$Latest", "$Default", "1":
		return nil
	}
	if _, err := strconv.Atoi(version); err != nil {
		return apierror.New("InvalidLaunchTemplateVersion", "The launch template version '%s' is malformed", version)
	}
	return apierror.New("InvalidLaunchTemplateId.VersionNotFound", "Could not find the specified version %s for the launch template with ID %s.", version, t.ID)
}

func checkTemplateName(name string) error {
	valid := len(name) >= minTemplateName && len(name) <= maxTemplateName
	for _, r := range name {
		valid = valid && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(templateNameSign, r))
	}
	if !valid {
		return apierror.New("InvalidLaunchTemplateName.MalformedException",
			"Launch template name must be between %d and %d characters of letters, digits and %s", minTemplateName, maxTemplateName, templateNameSign)
	}
	return nil
}

// LaunchTemplateData is what a template says of its instances. Its members are named as on the wire, in a request and in an answer.
type LaunchTemplateData struct {
	ImageID                           string                         `query:"ImageId" xml:"imageId,omitempty"`
	InstanceType                      string                         `query:"InstanceType" xml:"instanceType,omitempty"`
	KeyName                           string                         `query:"KeyName" xml:"keyName,omitempty"`
	UserData                          string                         `query:"UserData" xml:"userData,omitempty"` // base64
	EBSOptimized                      *bool                          `query:"EbsOptimized" xml:"ebsOptimized,omitempty"`
	DisableAPITermination             *bool                          `query:"DisableApiTermination" xml:"disableApiTermination,omitempty"`
	InstanceInitiatedShutdownBehavior string                         `query:"InstanceInitiatedShutdownBehavior" xml:"instanceInitiatedShutdownBehavior,omitempty"`
	IAMInstanceProfile                *InstanceProfile               `query:"IamInstanceProfile" xml:"iamInstanceProfile,omitempty"`
	Monitoring                        *Monitoring                    `query:"Monitoring" xml:"monitoring,omitempty"`
	MetadataOptions                   *MetadataOptions               `query:"MetadataOptions" xml:"metadataOptions,omitempty"`
	CreditSpecification               *CreditSpecification           `query:"CreditSpecification" xml:"creditSpecification,omitempty"`
	PrivateDNSNameOptions             *PrivateDNSNameOptions         `query:"PrivateDnsNameOptions" xml:"privateDnsNameOptions,omitempty"`
	BlockDeviceMappings               wire.Set[BlockDeviceMapping]   `query:"BlockDeviceMapping" xml:"blockDeviceMappingSet,omitempty"`
	NetworkInterfaces                 wire.Set[NetworkInterfaceSpec] `query:"NetworkInterface" xml:"networkInterfaceSet,omitempty"`
	TagSpecifications                 wire.Set[TagSpecification]     `query:"TagSpecification" xml:"tagSpecificationSet,omitempty"`
	SecurityGroupIDs                  wire.Set[string]               `query:"SecurityGroupId" xml:"securityGroupIdSet,omitempty"`
	SecurityGroups                    wire.Set[string]               `query:"SecurityGroup" xml:"securityGroupSet,omitempty"`
}
