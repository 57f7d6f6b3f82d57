package awssim_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/kerf-autoscaler/kerf/test/awssim/faults"
	"github.com/kerf-autoscaler/kerf/test/awssim/world"
)

// handmade is a client of EC2 in sixty lines, as somebody without an SDK would write it: the Query protocol, signed with Signature Version 4.
type handmade struct {
	t        *testing.T
	endpoint string
	now      time.Time
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func keyed(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// sign adds the Authorization header of a request with this body.
func (c handmade) sign(r *http.Request, body string) {
	day, moment := c.now.Format("20060102"), c.now.Format("20060102T150405Z")
	r.Header.Set("X-Amz-Date", moment)
	const signed = "content-type;host;x-amz-date"
	canonical := strings.Join([]string{
		r.Method, "/", "", "content-type:" + r.Header.Get("Content-Type"), "host:" + r.Host, "x-amz-date:" + moment, "", signed, digest(body),
	}, "\n")
	scope := day + "/" + region + "/ec2/aws4_request"
	key := []byte("AWS4" + "not-checked")
	for part := range strings.SplitSeq(scope, "/") {
		key = keyed(key, part)
	}
	signature := hex.EncodeToString(keyed(key, "AWS4-HMAC-SHA256\n"+moment+"\n"+scope+"\n"+digest(canonical)))
	r.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s", world.DefaultAccessKeyID, scope, signed, signature))
}

// call sends an action until it is answered and returns the document.
func (c handmade) call(action string, parameters map[string]string) (int, element) {
	c.t.Helper()
	form := url.Values{"Action": {action}, "Version": {"2016-11-15"}}
	for name, value := range parameters {
		form.Set(name, value)
	}
	body := form.Encode()
	for range 3 {
		request, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, c.endpoint+"/", strings.NewReader(body))
		if err != nil {
			c.t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		c.sign(request, body)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			continue // the connection was lost: whether it was done nobody knows
		}
		text, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil {
			c.t.Fatal(err)
		}
		var document element
		if err := xml.Unmarshal(text, &document); err != nil {
			c.t.Fatalf("%s: %v", text, err)
		}
		return response.StatusCode, document
	}
	c.t.Fatalf("%s was never answered", action)
	return 0, element{}
}

func TestAClientWithoutAnSDKLivesThroughFaults(t *testing.T) {
	s := start(t)
	c := handmade{t: t, endpoint: s.URL(), now: s.clock.Now()}
	if status, made := c.call("CreateLaunchTemplate", map[string]string{
		"LaunchTemplateName": "by-hand", "LaunchTemplateData.ImageId": s.image(x86Image),
	}); status != http.StatusOK || made.text("launchTemplate", "launchTemplateName") != "by-hand" {
		t.Fatalf("status %d: %+v", status, made)
	}
	s.clock.Step(time.Second)
	s.plan(faults.Plan{
		Ambiguous:  []faults.Ambiguity{{When: faults.When{Nth: []int{1}}, Actions: []string{"CreateFleet"}, Kind: faults.Drop}},
		Visibility: &faults.Visibility{ByID: &faults.Range{Least: faults.Duration(time.Minute), Most: faults.Duration(time.Minute)}},
	})
	_, fleet := c.call("CreateFleet", map[string]string{
		"Type": "instant", "ClientToken": "by-hand-1", "TargetCapacitySpecification.TotalTargetCapacity": "1",
		"TargetCapacitySpecification.DefaultTargetCapacityType":                  "spot",
		"LaunchTemplateConfigs.1.LaunchTemplateSpecification.LaunchTemplateName": "by-hand",
		"LaunchTemplateConfigs.1.LaunchTemplateSpecification.Version":            "$Latest",
		"LaunchTemplateConfigs.1.Overrides.1.InstanceType":                       "m5.large",
		"LaunchTemplateConfigs.1.Overrides.1.SubnetId":                           s.subnet("us-east-1a"),
	})
	id := fleet.text("fleetInstanceSet", "item", "instanceIds", "item")
	if all := s.Instances(); len(all) != 1 || all[0].ID != id {
		t.Fatalf("the answer names %s; there are %+v", id, all)
	}
	named := map[string]string{"InstanceId.1": id}
	if status, document := c.call("DescribeInstances", named); status != http.StatusBadRequest || document.text("Errors", "Error", "Code") != "InvalidInstanceID.NotFound" {
		t.Errorf("status %d: %+v; want the instance unknown as yet", status, document)
	}
	s.clock.Step(time.Minute)
	if _, document := c.call("TerminateInstances", named); document.text("instancesSet", "item", "currentState", "name") != "shutting-down" {
		t.Errorf("%+v", document)
	}
	s.wantHits(map[string]int{"ambiguous.drop": 1, faults.TokenReplayed: 1, faults.VisibilityByID: 1})
}
