package ec2

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/kerf-autoscaler/kerf/test/awssim/apierror"
	"github.com/kerf-autoscaler/kerf/test/awssim/wire"
	"github.com/kerf-autoscaler/kerf/test/awssim/world"
)

type describeImagesInput struct {
	dryRun
	paged
	IDs               []string `query:"ImageId"`
	Owners            []string `query:"Owner"`
	IncludeDeprecated bool     `query:"IncludeDeprecated"`
	IncludeDisabled   bool     `query:"IncludeDisabled"` // none is
	Filters           []filter `query:"Filter"`
}

type describeImagesOutput struct {
	wire.Envelope
	Images    wire.Set[image] `xml:"imagesSet"`
	NextToken string          `xml:"nextToken,omitempty"`
}

type image struct {
	ID              string                `xml:"imageId"`
	Location        string                `xml:"imageLocation"`
	State           string                `xml:"imageState"`
	OwnerID         string                `xml:"imageOwnerId"`
	OwnerAlias      string                `xml:"imageOwnerAlias,omitempty"`
	Created         wire.Time             `xml:"creationDate"`
	Deprecation     *wire.Time            `xml:"deprecationTime,omitempty"`
	Public          bool                  `xml:"isPublic"`
	Architecture    string                `xml:"architecture"`
	Kind            string                `xml:"imageType"`
	Platform        string                `xml:"platform,omitempty"`
	PlatformDetails string                `xml:"platformDetails"`
	Name            string                `xml:"name"`
	Description     string                `xml:"description,omitempty"`
	RootDeviceType  string                `xml:"rootDeviceType"`
	RootDevice      string                `xml:"rootDeviceName,omitempty"`
	Volumes         wire.Set[imageVolume] `xml:"blockDeviceMapping"`
	Virtualization  string                `xml:"virtualizationType"`
	Hypervisor      string                `xml:"hypervisor"`
	ENA             bool                  `xml:"enaSupport"`
	Tags            wire.Set[world.Tag]   `xml:"tagSet"`
}

type imageVolume struct {
	Device string         `xml:"deviceName"`
	EBS    imageVolumeEBS `xml:"ebs"`
}

type imageVolumeEBS struct {
	DeleteOnTermination bool   `xml:"deleteOnTermination"`
	SizeGiB             int    `xml:"volumeSize"`
	Kind                string `xml:"volumeType"`
	Encrypted           bool   `xml:"encrypted"`
}

func (s *Service) describeImages(in describeImagesInput) (*describeImagesOutput, error) {
	for _, id := range in.IDs {
		if !strings.HasPrefix(id, "ami-") {
			return nil, apierror.New("InvalidAMIID.Malformed", "Invalid id: \"%s\" (expecting \"ami-...\")", id)
		}
	}
	images, err := byID(s.world.Images(), in.IDs, func(i world.Image) string { return i.ID }, "InvalidAMIID.NotFound", "The image id '[%s]' does not exist")
	if err != nil {
		return nil, err
	}
	images = slices.DeleteFunc(images, func(i world.Image) bool { return !s.wantsImage(in, i) })
	images, err = selectBy(images, in.Filters, s.imageAttributes(), func(i world.Image) world.Tags { return i.Tags })
	if err != nil {
		return nil, err
	}
	images, next, err := page(images, func(i world.Image) string { return i.ID }, in.paged, pageBounds{1, 1000, 1000})
	if err != nil {
		return nil, err
	}
	out := &describeImagesOutput{NextToken: next}
	for _, i := range images {
		out.Images = append(out.Images, s.describeImage(i))
	}
	return out, nil
}

// wantsImage applies the parts of a request that are not filters. A deprecated image is listed to its owner, and to others on request or by its id.
func (s *Service) wantsImage(in describeImagesInput, i world.Image) bool {
	mine := i.OwnerID == s.world.AccountID()
	if len(in.Owners) > 0 && !slices.Contains(in.Owners, i.OwnerID) &&
		(i.OwnerAlias == "" || !slices.Contains(in.Owners, i.OwnerAlias)) && (!mine || !slices.Contains(in.Owners, "self")) {
		return false
	}
	deprecated := !i.Deprecated.IsZero() && !s.world.Now().Before(i.Deprecated)
	return !deprecated || in.IncludeDeprecated || mine || slices.Contains(in.IDs, i.ID)
}

func (s *Service) imageAttributes() attributes[world.Image] {
	return attributes[world.Image]{
		"architecture":        one(func(i world.Image) string { return i.Architecture }),
		"creation-date":       one(func(i world.Image) string { return i.Created.UTC().Format(wire.TimeFormat) }),
		"description":         one(func(i world.Image) string { return i.Description }),
		"ena-support":         fixed[world.Image]("true"),
		"hypervisor":          fixed[world.Image]("xen"),
		"image-id":            one(func(i world.Image) string { return i.ID }),
		"image-type":          fixed[world.Image]("machine"),
		"is-public":           flag(s.isPublic),
		"name":                one(func(i world.Image) string { return i.Name }),
		"owner-alias":         one(func(i world.Image) string { return i.OwnerAlias }),
		"owner-id":            one(func(i world.Image) string { return i.OwnerID }),
		"platform":            one(func(i world.Image) string { return i.Platform }),
		"root-device-name":    one(func(i world.Image) string { return i.RootDevice }),
		"root-device-type":    fixed[world.Image]("ebs"),
		"state":               fixed[world.Image]("available"),
		"virtualization-type": fixed[world.Image]("hvm"),
	}
}

func (s *Service) isPublic(i world.Image) bool { return i.OwnerID != s.world.AccountID() }

func (s *Service) describeImage(i world.Image) image {
	described := image{
		ID: i.ID, Location: cmp.Or(i.OwnerAlias, i.OwnerID) + "/" + i.Name, State: "available", OwnerID: i.OwnerID, OwnerAlias: i.OwnerAlias,
		Created: wire.Time{Time: i.Created}, Deprecation: optionalTime(i.Deprecated), Public: s.isPublic(i), Architecture: i.Architecture,
		Kind: "machine", Platform: i.Platform, PlatformDetails: platformDetails(i), Name: i.Name, Description: i.Description,
		RootDeviceType: "ebs", RootDevice: i.RootDevice, Virtualization: "hvm", Hypervisor: "xen", ENA: true, Tags: i.Tags.List(),
	}
	for _, v := range i.Volumes {
		described.Volumes = append(described.Volumes, imageVolume{
			Device: v.Device, EBS: imageVolumeEBS{DeleteOnTermination: true, SizeGiB: v.SizeGiB, Kind: "gp3"},
		})
	}
	return described
}

func platformDetails(i world.Image) string {
	if i.Platform == "windows" {
		return "Windows"
	}
	return "Linux/UNIX"
}

func optionalTime(t time.Time) *wire.Time {
	if t.IsZero() {
		return nil
	}
	return &wire.Time{Time: t}
}
