package admin

import (
	"maps"
	"time"
)

// Event is something to put into queues as EventBridge would. What is empty is the world's: its account, its region, its time.
type Event struct {
	// Queue that it goes to; empty is all of them, whatever their rules.
	Queue      string         `json:"queue,omitempty"`
	Source     string         `json:"source,omitempty"`
	DetailType string         `json:"detailType,omitempty"`
	Account    string         `json:"account,omitempty"`
	Region     string         `json:"region,omitempty"`
	Time       *time.Time     `json:"time,omitempty"`
	Instances  []string       `json:"instances,omitempty"` // named in its resources
	Detail     map[string]any `json:"detail,omitempty"`
	// Body is put in as it is, in place of an event.
	Body string `json:"body,omitempty"`
	// Copies is how often it is delivered; 0 is as often as the queue does.
	Copies int `json:"copies,omitempty"`
}

// Queue is how full a queue is, and how often messages were received and deleted.
type Queue struct {
	Name     string `json:"name"`
	Visible  int    `json:"visible"`
	InFlight int    `json:"inFlight"`
	Received int    `json:"received"`
	Deleted  int    `json:"deleted"`
}

// Detail types of events.
const (
	DetailSpotWarning        = "EC2 Spot Instance Interruption Warning"
	DetailReservationWarning = "EC2 Capacity Reservation Instance Interruption Warning"
	DetailRebalance          = "EC2 Instance Rebalance Recommendation"
	DetailStateChange        = "EC2 Instance State-change Notification"
	DetailHealth             = "AWS Health Event"
)

func ofEC2(detailType, id string, more map[string]any) Event {
	detail := map[string]any{"instance-id": id}
	maps.Copy(detail, more)
	return Event{Source: "aws.ec2", DetailType: detailType, Instances: []string{id}, Detail: detail}
}

// SpotWarning says that a spot instance is taken away in two minutes.
func SpotWarning(id string) Event {
	return ofEC2(DetailSpotWarning, id, map[string]any{"instance-action": "terminate"})
}

// ReservationWarning says that an instance in an interruptible reservation is taken away in two minutes.
func ReservationWarning(id string) Event {
	return ofEC2(DetailReservationWarning, id, map[string]any{"instance-action": "terminate"})
}

// Rebalance says that a spot instance is likely to be taken away.
func Rebalance(id string) Event { return ofEC2(DetailRebalance, id, nil) }

// StateChange says that an instance has come into a state.
func StateChange(id, state string) Event {
	return ofEC2(DetailStateChange, id, map[string]any{"state": state})
}

// ScheduledChange says that AWS is going to do something to the machines that instances run on.
func ScheduledChange(ids ...string) Event {
	var affected []map[string]any
	for _, id := range ids {
		affected = append(affected, map[string]any{"entityValue": id})
	}
	return Event{Source: "aws.health", DetailType: DetailHealth, Instances: ids, Detail: map[string]any{
		"service": "EC2", "eventTypeCode": "AWS_EC2_INSTANCE_REBOOT_MAINTENANCE_SCHEDULED", "eventTypeCategory": "scheduledChange",
		"statusCode": "upcoming", "affectedEntities": affected,
	}}
}

// At is the same event at another time.
func (e Event) At(t time.Time) Event {
	e.Time = &t
	return e
}
