package awssim_test

import (
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kerf-autoscaler/kerf/test/awssim/world"
)

// These tests use no AWS SDK, so that the simulator is not only measured by the client that it was made for: requests are put together by hand as
// the EC2 API reference has them, and answers are read as plain XML.

// element is any XML element.
type element struct {
	XMLName  xml.Name
	Text     string    `xml:",chardata"`
	Children []element `xml:",any"`
}

// at follows a path of element names and returns every element it leads to.
func (e element) at(path ...string) []element {
	found := []element{e}
	for _, name := range path {
		var next []element
		for _, parent := range found {
			for _, child := range parent.Children {
				if child.XMLName.Local == name {
					next = append(next, child)
				}
			}
		}
		found = next
	}
	return found
}

func (e element) text(path ...string) string {
	for _, found := range e.at(path...) {
		return found.Text
	}
	return "(absent)"
}

// authorization has the form of a SigV4 header; the signature itself is not checked.
func authorization(service string) string {
	return fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/20260901/%s/%s/aws4_request, SignedHeaders=host;x-amz-date, Signature=%s",
		world.DefaultAccessKeyID, region, service, strings.Repeat("0f", 32))
}

// query posts a Query request and returns its status and document.
func (s *sim) query(service, version, parameters string) (int, element) {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.ctx(), http.MethodPost, s.URL()+"/", strings.NewReader("Version="+version+"&"+parameters))
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	request.Header.Set("Authorization", authorization(service))
	status, body := s.send(request)
	var document element
	if err := xml.Unmarshal(body, &document); err != nil {
		s.t.Fatalf("%s: %v", body, err)
	}
	return status, document
}

func (s *sim) send(request *http.Request) (int, []byte) {
	s.t.Helper()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // it is read in full
	body, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return response.StatusCode, body
}

func (s *sim) ec2Query(parameters string) (int, element) {
	return s.query("ec2", "2016-11-15", parameters)
}

func TestEC2AnswersAreNamedAsInItsReference(t *testing.T) {
	s := start(t)
	subnet, image := s.subnet("us-east-1a"), s.image(x86Image)
	_, made := s.ec2Query("Action=CreateLaunchTemplate&LaunchTemplateName=by-hand&LaunchTemplateData.ImageId=" + image +
		"&LaunchTemplateData.SecurityGroupId.1=" + s.nodeGroup() + "&TagSpecification.1.ResourceType=launch-template" +
		"&TagSpecification.1.Tag.1.Key=a&TagSpecification.1.Tag.1.Value=b")
	id := made.text("launchTemplate", "launchTemplateId")
	_, fleet := s.ec2Query("Action=CreateFleet&Type=instant&LaunchTemplateConfigs.1.LaunchTemplateSpecification.LaunchTemplateId=" + id +
		"&LaunchTemplateConfigs.1.LaunchTemplateSpecification.Version=%24Default&LaunchTemplateConfigs.1.Overrides.1.InstanceType=m5.large" +
		"&LaunchTemplateConfigs.1.Overrides.1.SubnetId=" + subnet + "&LaunchTemplateConfigs.1.Overrides.2.InstanceType=m5.gigantic" +
		"&LaunchTemplateConfigs.1.Overrides.2.SubnetId=" + subnet + "&TargetCapacitySpecification.TotalTargetCapacity=1" +
		"&TargetCapacitySpecification.DefaultTargetCapacityType=spot&SpotOptions.AllocationStrategy=lowest-price" +
		"&TagSpecification.1.ResourceType=instance&TagSpecification.1.Tag.1.Key=k&TagSpecification.1.Tag.1.Value=v")
	instance := fleet.text("fleetInstanceSet", "item", "instanceIds", "item")
	_, reservations := s.ec2Query("Action=DescribeInstances&Filter.1.Name=tag%3Ak&Filter.1.Value.1=w&Filter.1.Value.2=v")
	described := reservations.at("reservationSet", "item", "instancesSet", "item")
	if len(described) != 1 {
		t.Fatalf("%d instances, want 1: %+v", len(described), fleet)
	}
	_, ended := s.ec2Query("Action=TerminateInstances&InstanceId.1=" + instance)
	_, types := s.ec2Query("Action=DescribeInstanceTypes&InstanceType.1=g4dn.xlarge")
	_, versions := s.ec2Query("Action=DescribeLaunchTemplateVersions&LaunchTemplateName=by-hand&LaunchTemplateVersion.1=1")
	_, prices := s.ec2Query("Action=DescribeSpotPriceHistory&InstanceType.1=m5.large&AvailabilityZone=us-east-1a")
	_, images := s.ec2Query("Action=DescribeImages&ImageId.1=" + image)
	_, subnets := s.ec2Query("Action=DescribeSubnets&SubnetId.1=" + subnet)
	_, groups := s.ec2Query("Action=DescribeSecurityGroups&GroupId.1=" + s.nodeGroup())
	_, zones := s.ec2Query("Action=DescribeAvailabilityZones&ZoneName.1=us-east-1f")
	_, offerings := s.ec2Query("Action=DescribeInstanceTypeOfferings&LocationType=availability-zone-id&Filter.1.Name=instance-type&Filter.1.Value.1=m5.large&Filter.2.Name=location&Filter.2.Value.1=use1-az2")
	_, tagged := s.ec2Query("Action=CreateTags&ResourceId.1=" + instance + "&Tag.1.Key=x&Tag.1.Value=y")
	for name, tc := range map[string]struct{ want, got string }{
		"root":             {"CreateFleetResponse", fleet.XMLName.Local},
		"namespace":        {"http://ec2.amazonaws.com/doc/2016-11-15/", fleet.XMLName.Space},
		"lifecycle":        {"spot", fleet.text("fleetInstanceSet", "item", "lifecycle")},
		"fleet's template": {id, fleet.text("fleetInstanceSet", "item", "launchTemplateAndOverrides", "launchTemplateSpecification", "launchTemplateId")},
		"fleet's override": {"m5.large", fleet.text("fleetInstanceSet", "item", "launchTemplateAndOverrides", "overrides", "instanceType")},
		"instance":         {instance, described[0].text("instanceId")},
		"state":            {"pending", described[0].text("instanceState", "name")},
		"state code":       {"0", described[0].text("instanceState", "code")},
		"zone":             {"us-east-1a", described[0].text("placement", "availabilityZone")},
		"launch time":      {"2026-09-01T12:00:00.000Z", described[0].text("launchTime")},
		"own lifecycle":    {"spot", described[0].text("instanceLifecycle")},
		"private name":     {"ip-10-0-0-4.ec2.internal", described[0].text("privateDnsName")},
		"group":            {s.nodeGroup(), described[0].text("groupSet", "item", "groupId")},
		"ended":            {"shutting-down", ended.text("instancesSet", "item", "currentState", "name")},
		"GPU":              {"T4", types.text("instanceTypeSet", "item", "gpuInfo", "gpus", "item", "name")},
		"vCPUs":            {"4", types.text("instanceTypeSet", "item", "vCpuInfo", "defaultVCpus")},
		"memory":           {"16384", types.text("instanceTypeSet", "item", "memoryInfo", "sizeInMiB")},
		"architecture":     {"x86_64", types.text("instanceTypeSet", "item", "processorInfo", "supportedArchitectures", "item")},
		"clock":            {"2.5", types.text("instanceTypeSet", "item", "processorInfo", "sustainedClockSpeedInGhz")},
		"version's image":  {image, versions.text("launchTemplateVersionSet", "item", "launchTemplateData", "imageId")},
		"version's group":  {s.nodeGroup(), versions.text("launchTemplateVersionSet", "item", "launchTemplateData", "securityGroupIdSet", "item")},
		"template's tag":   {"b", made.text("launchTemplate", "tagSet", "item", "value")},
		"spot price":       {"0.049200", prices.text("spotPriceHistorySet", "item", "spotPrice")},
		"image":            {"available", images.text("imagesSet", "item", "imageState")},
		"subnet":           {"8186", subnets.text("subnetSet", "item", "availableIpAddressCount")},
		"security group":   {"demo-node", groups.text("securityGroupInfo", "item", "groupName")},
		"zone id":          {"use1-az5", zones.text("availabilityZoneInfo", "item", "zoneId")},
		"offering":         {"use1-az2", offerings.text("instanceTypeOfferingSet", "item", "location")},
		"tagged":           {"true", tagged.text("return")},
	} {
		if diff := cmp.Diff(tc.want, tc.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if fleet.text("requestId") == "(absent)" || len(fleet.at("errorSet")) != 1 {
		t.Errorf("an answer lacks its request id or its empty list of errors: %+v", fleet)
	}
}

func TestErrorsAreDocuments(t *testing.T) {
	s := start(t)
	for name, tc := range map[string]struct {
		service, version, parameters string
		status                       int
		code                         string
		path                         []string
	}{
		"missing parameter":   {"ec2", "2016-11-15", "Action=TerminateInstances", 400, "MissingParameter", []string{"Errors", "Error"}},
		"unknown parameter":   {"ec2", "2016-11-15", "Action=DescribeSubnets&Colour=red", 400, "UnknownParameter", []string{"Errors", "Error"}},
		"number that is none": {"ec2", "2016-11-15", "Action=DescribeSubnets&MaxResults=many", 400, "InvalidParameterValue", []string{"Errors", "Error"}},
		"no version":          {"ec2", "", "Action=DescribeSubnets", 400, "NoSuchVersion", []string{"Errors", "Error"}},
		"unknown action":      {"ec2", "2016-11-15", "Action=MakeCoffee", 400, "InvalidAction", []string{"Errors", "Error"}},
		"unknown sts action":  {"sts", "2011-06-15", "Action=MakeCoffee", 400, "InvalidAction", []string{"Error"}},
		"unknown service":     {"s3", "2016-11-15", "Action=MakeCoffee", 404, "UnknownService", []string{"Errors", "Error"}},
	} {
		status, document := s.query(tc.service, tc.version, tc.parameters)
		if got := document.text(append(tc.path, "Code")...); status != tc.status || got != tc.code {
			t.Errorf("%s: status %d, code %s; want %d, %s", name, status, got, tc.status, tc.code)
		}
	}
}

func TestRequestsWithoutASignatureAreRefused(t *testing.T) {
	s := start(t)
	get := func(path string, header http.Header) (int, string) {
		request, err := http.NewRequestWithContext(s.ctx(), http.MethodGet, s.URL()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header = header
		status, body := s.send(request)
		return status, string(body)
	}
	for name, tc := range map[string]struct {
		path   string
		header http.Header
		status int
		says   string
	}{
		"ec2":           {"/?Action=DescribeSubnets&Version=2016-11-15", http.Header{}, 401, "<Code>AuthFailure</Code>"},
		"sts":           {"/?Action=GetCallerIdentity&Version=2011-06-15", http.Header{}, 403, "<Code>MissingAuthenticationToken</Code>"},
		"eks":           {"/clusters/demo", http.Header{}, 403, "Missing Authentication Token"},
		"ssm":           {"/", http.Header{"X-Amz-Target": {"AmazonSSM.GetParameter"}}, 400, "MissingAuthenticationTokenException"},
		"no service":    {"/", http.Header{}, 404, "UnknownService"},
		"half a header": {"/?Action=DescribeSubnets&Version=2016-11-15", http.Header{"Authorization": {"AWS4-HMAC-SHA256 Credential=a/b"}}, 401, "AuthFailure"},
		"no signature": {"/?Action=DescribeSubnets&Version=2016-11-15", http.Header{"Authorization": {
			"AWS4-HMAC-SHA256 Credential=" + world.DefaultAccessKeyID + "/20260901/us-east-1/ec2/aws4_request, SignedHeaders=host",
		}}, 401, "AuthFailure"},
	} {
		if status, body := get(tc.path, tc.header); status != tc.status || !strings.Contains(body, tc.says) {
			t.Errorf("%s: status %d, %s; want %d, %s", name, status, body, tc.status, tc.says)
		}
	}
	presigned := url.Values{
		"Action": {"GetCallerIdentity"}, "Version": {"2011-06-15"}, "X-Amz-Algorithm": {"AWS4-HMAC-SHA256"}, "X-Amz-Expires": {"60"},
		"X-Amz-Credential": {world.DefaultAccessKeyID + "/20260901/us-east-1/sts/aws4_request"}, "X-Amz-Signature": {strings.Repeat("0f", 32)},
	}
	if status, body := get("/?"+presigned.Encode(), http.Header{}); status != 200 || !strings.Contains(body, "<Account>123456789012</Account>") {
		t.Errorf("a presigned URL: status %d, %s", status, body)
	}
}

func TestJSONServicesAnswerInTheirOwnForms(t *testing.T) {
	s := start(t)
	post := func(target, body string) (int, string) {
		request, err := http.NewRequestWithContext(s.ctx(), http.MethodPost, s.URL()+"/", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		service := map[bool]string{true: "ssm", false: "pricing"}[strings.HasPrefix(target, "AmazonSSM")]
		request.Header = http.Header{
			"X-Amz-Target": {target}, "Content-Type": {"application/x-amz-json-1.1"}, "Authorization": {authorization(service)},
		}
		status, answer := s.send(request)
		return status, string(answer)
	}
	for name, tc := range map[string]struct {
		target, body string
		status       int
		says         string
	}{
		"a parameter":            {"AmazonSSM.GetParameter", `{"Name":"` + x86Image + `"}`, 200, `"Value":"` + s.image(x86Image) + `"`},
		"no parameter":           {"AmazonSSM.GetParameter", `{"Name":"/none"}`, 400, `"__type":"ParameterNotFound"`},
		"no name":                {"AmazonSSM.GetParameter", `{}`, 400, `"__type":"ValidationException"`},
		"no JSON":                {"AmazonSSM.GetParameter", `{`, 400, `"__type":"SerializationException"`},
		"another operation":      {"AmazonSSM.PutParameter", `{}`, 400, `"__type":"UnknownOperationException"`},
		"products":               {"AWSPriceListService.GetProducts", `{"ServiceCode":"AmazonEC2","MaxResults":1}`, 200, `\"OnDemand\"`},
		"an odd filter":          {"AWSPriceListService.GetProducts", `{"ServiceCode":"AmazonEC2","Filters":[{"Type":"ANY_OF","Field":"tenancy","Value":"Shared"}]}`, 400, "InvalidParameterException"},
		"too large a price page": {"AWSPriceListService.GetProducts", `{"ServiceCode":"AmazonEC2","MaxResults":101}`, 400, "InvalidParameterException"},
	} {
		if status, body := post(tc.target, tc.body); status != tc.status || !strings.Contains(body, tc.says) {
			t.Errorf("%s: status %d, %.200s; want %d, %s", name, status, body, tc.status, tc.says)
		}
	}
}
