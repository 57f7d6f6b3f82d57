// Package admin is the simulator's second port: it shows tests what happened in the simulated account, and lets them meddle with it.
package admin

import (
	"time"

	"github.com/kerf-autoscaler/kerf/test/awssim/faults"
	"github.com/kerf-autoscaler/kerf/test/awssim/iam"
)

// Instance is a simulated instance.
type Instance struct {
	ID               string            `json:"id"`
	Type             string            `json:"type"`
	State            string            `json:"state"` // pending, running, stopping, stopped, shutting-down, terminated
	CapacityType     string            `json:"capacityType"`
	Zone             string            `json:"zone"`
	ZoneID           string            `json:"zoneId"`
	SubnetID         string            `json:"subnetId"`
	SecurityGroupIDs []string          `json:"securityGroupIds"`
	ImageID          string            `json:"imageId"`
	ImageName        string            `json:"imageName"`
	Architecture     string            `json:"architecture"`       // x86_64 or arm64
	Platform         string            `json:"platform,omitempty"` // windows, or empty
	PrivateIP        string            `json:"privateIp"`
	PrivateDNSName   string            `json:"privateDnsName"`
	UserData         string            `json:"userData"` // base64
	InstanceProfile  string            `json:"instanceProfile,omitempty"`
	LaunchTime       time.Time         `json:"launchTime"`
	RunningTime      time.Time         `json:"runningTime"`              // when it runs, or will
	ShutdownTime     *time.Time        `json:"shutdownTime,omitempty"`   // when termination was asked for
	TerminatedTime   *time.Time        `json:"terminatedTime,omitempty"` // when it is gone, or will be
	StateReason      string            `json:"stateReason,omitempty"`    // code
	Number           int               `json:"number"`                   // of its launch; the first instance has 1
	Reboots          int               `json:"reboots,omitempty"`
	InterruptionTime *time.Time        `json:"interruptionTime,omitempty"` // when spot was warned of its end
	Boot             *faults.Boot      `json:"boot,omitempty"`             // how its machine joins, if not as it should
	Tags             map[string]string `json:"tags"`
	VolumeTags       map[string]string `json:"volumeTags"`
	FleetID          string            `json:"fleetId"`
	ClientToken      string            `json:"clientToken,omitempty"`
	LaunchTemplateID string            `json:"launchTemplateId"`
	LaunchTemplate   string            `json:"launchTemplate"` // name
	PricePerHour     float64           `json:"pricePerHour"`   // USD; spot prices are synthetic
	SpotRequestID    string            `json:"spotInstanceRequestId,omitempty"`
	Volumes          []Volume          `json:"volumes"`
	EFAInterfaces    int               `json:"efaInterfaces,omitempty"`
	Metadata         MetadataOptions   `json:"metadataOptions"`
	Monitoring       bool              `json:"detailedMonitoring"`
}

// Volume is a disk of a simulated instance.
type Volume struct {
	ID                  string `json:"id"`
	Device              string `json:"device"`
	Type                string `json:"type"`
	SizeGiB             int    `json:"sizeGiB"` // 0 where only the snapshot knows
	Encrypted           bool   `json:"encrypted"`
	DeleteOnTermination bool   `json:"deleteOnTermination"`
	IOPS                int    `json:"iops,omitempty"`
	Throughput          int    `json:"throughput,omitempty"` // MiB per second
	KMSKeyID            string `json:"kmsKeyId,omitempty"`
	SnapshotID          string `json:"snapshotId,omitempty"`
}

// MetadataOptions are those in force: what the launch template leaves open is as EC2 has it.
type MetadataOptions struct {
	HTTPTokens       string `json:"httpTokens"`
	HopLimit         int    `json:"httpPutResponseHopLimit"`
	HTTPEndpoint     string `json:"httpEndpoint"`
	HTTPProtocolIPv6 string `json:"httpProtocolIpv6"`
}

// LaunchTemplate is a simulated launch template.
type LaunchTemplate struct {
	ID           string            `json:"id"`
	Name         string            `json:"name"`
	CreateTime   time.Time         `json:"createTime"`
	ImageID      string            `json:"imageId"`
	UserData     string            `json:"userData"` // base64
	InstanceTags map[string]string `json:"instanceTags"`
	Tags         map[string]string `json:"tags"`
}

// Fleet is the record of a CreateFleet call that was carried out.
type Fleet struct {
	ID          string            `json:"id"`
	ClientToken string            `json:"clientToken,omitempty"`
	Time        time.Time         `json:"time"`
	Requested   int               `json:"requested"`
	Fulfilled   int               `json:"fulfilled"`
	Overrides   int               `json:"overrides"`
	InstanceIDs []string          `json:"instanceIds"`
	Tags        map[string]string `json:"tags"`
	Errors      []FleetError      `json:"errors"`
	Context     string            `json:"context,omitempty"`
}

// FleetError is why one pool of a fleet did not deliver.
type FleetError struct {
	Code         string `json:"code"`
	Message      string `json:"message"`
	InstanceType string `json:"instanceType"`
	SubnetID     string `json:"subnetId"`
	CapacityType string `json:"capacityType"`
}

// Calls counts the calls that arrived.
type Calls struct {
	Total   int               `json:"total"`
	Actions map[string]Action `json:"actions"` // service:action -> counts
	Errors  map[string]int    `json:"errors"`  // error code -> count, over all actions
}

// Action counts the calls of one action.
type Action struct {
	Count  int            `json:"count"`
	Errors map[string]int `json:"errors,omitempty"` // error code -> count
	First  time.Time      `json:"first"`
	Last   time.Time      `json:"last"`
}

// Capacity bounds the instances of a pool. An empty field matches everything; of several limits that match the last one counts.
type Capacity struct {
	InstanceType string `json:"instanceType"`
	Zone         string `json:"zone"`
	CapacityType string `json:"capacityType"` // spot or on-demand
	Instances    int    `json:"instances"`    // at once; 0 is an outage of the pool, negative lifts earlier limits
}

// The ways in which the whole of AWS can be out.
const (
	OutageNone        = "none"
	OutageUnavailable = "unavailable" // HTTP 503
	OutageDrop        = "drop"        // connections close without an answer
	OutageHang        = "hang"        // no answer for as long as the caller waits
)

// Config changes settings; what is nil stays as it is. Durations are written as Go does: 5s, 1m30s.
type Config struct {
	BootDelay           *Duration `json:"bootDelay,omitempty"`
	ShutdownDelay       *Duration `json:"shutdownDelay,omitempty"`
	TerminatedRetention *Duration `json:"terminatedRetention,omitempty"`
	SpotNotice          *Duration `json:"spotNotice,omitempty"`   // from the warning of a spot instance to its end
	AccessKeyIDs        *[]string `json:"accessKeyIds,omitempty"` // an empty list refuses everybody
	Outage              *string   `json:"outage,omitempty"`
}

// Duration is a time.Duration that JSON shows as text.
type Duration = faults.Duration

// Simulator is what the admin port works on.
type Simulator interface {
	Instances() []Instance
	LaunchTemplates() []LaunchTemplate
	Fleets() []Fleet
	Calls() Calls
	SetCapacity(Capacity) error
	Configure(Config) error
	// Befall has something happen to an instance, as an event of a plan of faults does.
	Befall(id, what string) error
	Faults() faults.Report
	Authorizations() iam.Report
	SetFaults(faults.Plan) error
	Queues() []Queue
	SendEvent(Event) error
}
