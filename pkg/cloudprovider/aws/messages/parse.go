package messages

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// envelope is what all events have.
type envelope struct {
	ID         string          `json:"id"`
	Source     string          `json:"source"`
	DetailType string          `json:"detail-type"`
	Account    string          `json:"account"`
	Region     string          `json:"region"`
	Time       time.Time       `json:"time"`
	Detail     json.RawMessage `json:"detail"`
}

// parser reads the details of one type of event.
type parser struct {
	source, detailType string
	read               func(detail json.RawMessage) (Kind, []string, error)
}

// parsers are the types of events that are known.
func parsers() []parser {
	return []parser{
		{"aws.ec2", "EC2 Spot Instance Interruption Warning", about(SpotInterrupted)},
		{"aws.ec2", "EC2 Capacity Reservation Instance Interruption Warning", about(ReservationInterrupted)},
		{"aws.ec2", "EC2 Instance Rebalance Recommendation", about(Rebalance)},
		{"aws.ec2", "EC2 Instance State-change Notification", stateChange},
		{"aws.health", "AWS Health Event", healthEvent},
	}
}

// Parse reads the body of a message. An error is always a *WorthlessError: nobody can make anything of the message, now or later.
func Parse(body string, home Home) (Message, error) {
	var event envelope
	if err := json.Unmarshal([]byte(body), &event); err != nil {
		return Message{}, worthless(Malformed, "the body is no event in JSON")
	}
	switch {
	case event.Source == "" || event.DetailType == "":
		return Message{}, worthless(Malformed, "source or detail-type is missing")
	case event.Account != home.Account:
		return Message{}, worthless(ForeignAccount, "it is about account %s", quoted(event.Account))
	case event.Region != home.Region:
		return Message{}, worthless(ForeignRegion, "it is about region %s", quoted(event.Region))
	case event.Time.IsZero():
		return Message{}, worthless(Malformed, "it has no time")
	}
	message := Message{Kind: Other, ID: event.ID, Time: event.Time}
	all := parsers()
	i := slices.IndexFunc(all, func(p parser) bool { return p.detailType == event.DetailType })
	switch {
	case i < 0:
		return message, nil
	case event.Source != all[i].source:
		return Message{}, worthless(ForeignSource, "%q comes from %s", event.DetailType, quoted(event.Source))
	}
	kind, ids, err := all[i].read(event.Detail)
	switch {
	case err != nil:
		return Message{}, err
	case kind == Other:
		return message, nil
	}
	if err := named(ids); err != nil {
		return Message{}, err
	}
	message.Kind, message.Instances = kind, unique(ids)
	if kind == ScheduledChange {
		message.Over = over(event.Detail)
	}
	return message, nil
}

// over returns when the change of a health event is over; zero where the event does not say, or in no form that is known.
func over(detail json.RawMessage) time.Time {
	var d struct {
		End string `json:"endTime"`
	}
	if err := json.Unmarshal(detail, &d); err != nil {
		return time.Time{}
	}
	for _, layout := range []string{time.RFC1123, time.RFC3339} {
		if at, err := time.Parse(layout, d.End); err == nil {
			return at.UTC()
		}
	}
	return time.Time{}
}

// about reads an event that names one instance and says no more.
func about(kind Kind) func(json.RawMessage) (Kind, []string, error) {
	return func(detail json.RawMessage) (Kind, []string, error) {
		var d struct {
			Instance string `json:"instance-id"`
		}
		if err := json.Unmarshal(detail, &d); err != nil {
			return Other, nil, worthless(Malformed, "its detail is not that of %s", kind)
		}
		return kind, []string{d.Instance}, nil
	}
}

func stateChange(detail json.RawMessage) (Kind, []string, error) {
	var d struct {
		Instance string `json:"instance-id"`
		State    string `json:"state"`
	}
	if err := json.Unmarshal(detail, &d); err != nil {
		return Other, nil, worthless(Malformed, "its detail is not that of a change of state")
	}
	switch strings.ToLower(d.State) {
	case "stopping", "stopped":
		return Stopping, []string{d.Instance}, nil
	case "shutting-down", "terminated":
		return Terminating, []string{d.Instance}, nil
	case "pending", "running":
		return Other, nil, nil
	default:
		return Other, nil, worthless(Malformed, "an instance has no state %s", quoted(d.State))
	}
}

// healthEvent reads an event of AWS Health. Those of other services, of past changes, and those that only tell that something is or was
// wrong, announce no end.
func healthEvent(detail json.RawMessage) (Kind, []string, error) {
	var d struct {
		Service  string `json:"service"`
		Category string `json:"eventTypeCategory"`
		Status   string `json:"statusCode"`
		Affected []struct {
			Entity string `json:"entityValue"`
			Status string `json:"status"`
		} `json:"affectedEntities"`
	}
	if err := json.Unmarshal(detail, &d); err != nil {
		return Other, nil, worthless(Malformed, "its detail is not that of a health event")
	}
	if d.Service != "EC2" || d.Category != "scheduledChange" || d.Status == "closed" {
		return Other, nil, nil
	}
	var ids []string
	for _, affected := range d.Affected {
		// Volumes and hosts may be affected as well, and instances may not be any more.
		if instanceID.MatchString(affected.Entity) && affected.Status != "RESOLVED" && affected.Status != "UNIMPAIRED" {
			ids = append(ids, affected.Entity)
		}
	}
	if len(ids) == 0 {
		return Other, nil, nil
	}
	return ScheduledChange, ids, nil
}

// named reports which of the ids is none.
func named(ids []string) error {
	for _, id := range ids {
		if !instanceID.MatchString(id) {
			return worthless(Malformed, "%s is no id of an instance", quoted(id))
		}
	}
	return nil
}

func unique(ids []string) []string {
	seen := map[string]bool{}
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool {
		before := seen[id]
		seen[id] = true
		return before
	})
}
