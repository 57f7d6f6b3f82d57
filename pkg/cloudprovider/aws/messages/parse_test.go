package messages_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/messages"
)

const id, other = "i-0123456789abcdef0", "i-0fedcba9876543210"

func home() messages.Home { return messages.Home{Account: "111122223333", Region: "eu-west-1"} }

func at() time.Time { return time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC) }

// event is one of the given type; changes with a nil value take a field away.
func event(source, detailType string, detail any, changes map[string]any) string {
	document := map[string]any{
		"version": "0", "id": "7bf73129-1428-4cd3-a780-95db273d1602", "source": source, "detail-type": detailType,
		"account": home().Account, "region": home().Region, "time": at().Format(time.RFC3339), "resources": []string{}, "detail": detail,
	}
	maps.Copy(document, changes)
	maps.DeleteFunc(document, func(_ string, value any) bool { return value == nil })
	body, err := json.Marshal(document)
	if err != nil {
		return err.Error() // which is no event
	}
	return string(body)
}

func warning(changes map[string]any) string {
	return event("aws.ec2", "EC2 Spot Instance Interruption Warning", map[string]any{"instance-id": id, "instance-action": "terminate"}, changes)
}

func state(state string) string {
	return event("aws.ec2", "EC2 Instance State-change Notification", map[string]any{"instance-id": id, "state": state}, nil)
}

// health returns an event about entities, each with its status behind a space where it has one.
func health(service, category, status string, entities ...string) string {
	var affected []map[string]any
	for _, e := range entities {
		entity, state, _ := strings.Cut(e, " ")
		affected = append(affected, map[string]any{"entityValue": entity, "status": state})
	}
	return event("aws.health", "AWS Health Event", map[string]any{
		"service": service, "eventTypeCategory": category, "statusCode": status, "affectedEntities": affected,
	}, nil)
}

func TestEventsAreOfTheKindThatTheyAnnounce(t *testing.T) {
	one := []string{id}
	for name, tc := range map[string]struct {
		body string
		kind messages.Kind
		want []string
	}{
		"a spot instance is taken away":  {warning(nil), messages.SpotInterrupted, one},
		"an old id":                      {event("aws.ec2", "EC2 Spot Instance Interruption Warning", map[string]any{"instance-id": "i-0123abcd"}, nil), messages.SpotInterrupted, []string{"i-0123abcd"}},
		"a reservation is wanted back":   {event("aws.ec2", "EC2 Capacity Reservation Instance Interruption Warning", map[string]any{"instance-id": id}, nil), messages.ReservationInterrupted, one},
		"a rebalance is recommended":     {event("aws.ec2", "EC2 Instance Rebalance Recommendation", map[string]any{"instance-id": id}, nil), messages.Rebalance, one},
		"an instance is stopping":        {state("stopping"), messages.Stopping, one},
		"an instance is stopped":         {state("stopped"), messages.Stopping, one},
		"an instance shuts down":         {state("shutting-down"), messages.Terminating, one},
		"an instance is terminated":      {state("terminated"), messages.Terminating, one},
		"an instance starts":             {state("pending"), messages.Other, nil},
		"an instance runs":               {state("running"), messages.Other, nil},
		"maintenance is planned":         {health("EC2", "scheduledChange", "upcoming", id, other, id), messages.ScheduledChange, []string{id, other}},
		"maintenance is over":            {health("EC2", "scheduledChange", "closed", id), messages.Other, nil},
		"maintenance of a volume":        {health("EC2", "scheduledChange", "open", "vol-1"), messages.Other, nil},
		"maintenance of both":            {health("EC2", "scheduledChange", "", "vol-1", id), messages.ScheduledChange, one},
		"maintenance of what is none":    {health("EC2", "scheduledChange", "open", id, "i-"), messages.ScheduledChange, one},
		"maintenance that is done":       {health("EC2", "scheduledChange", "open", id, other+" RESOLVED"), messages.ScheduledChange, one},
		"an issue":                       {health("EC2", "issue", "open", id), messages.Other, nil},
		"maintenance of another service": {health("RDS", "scheduledChange", "open", id), messages.Other, nil},
		"something else of EC2":          {event("aws.ec2", "EC2 Fleet Error", map[string]any{"instance-id": id}, nil), messages.Other, nil},
		"something of somebody else":     {event("aws.s3", "Object Created", nil, nil), messages.Other, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := messages.Parse(tc.body, home())
			if err != nil {
				t.Fatal(err)
			}
			want := messages.Message{Kind: tc.kind, ID: "7bf73129-1428-4cd3-a780-95db273d1602", Time: at(), Instances: tc.want}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("message (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAChangeTellsUntilWhenItLasts(t *testing.T) {
	for end, want := range map[string]time.Time{
		"Fri, 27 Jan 2023 06:02:51 GMT": time.Date(2023, 1, 27, 6, 2, 51, 0, time.UTC),
		"2023-01-27T06:02:51Z":          time.Date(2023, 1, 27, 6, 2, 51, 0, time.UTC),
		"in a while":                    {},
		"":                              {},
	} {
		got, err := messages.Parse(event("aws.health", "AWS Health Event", map[string]any{
			"service": "EC2", "eventTypeCategory": "scheduledChange", "endTime": end, "affectedEntities": []map[string]string{{"entityValue": id}},
		}, nil), home())
		if err != nil || got.Kind != messages.ScheduledChange || !got.Over.Equal(want) {
			t.Errorf("%q: %+v (%v), want %s", end, got, err, want)
		}
	}
}

func TestWhatCannotBeBelievedSaysWhy(t *testing.T) {
	with := func(key string, value any) string { return warning(map[string]any{key: value}) }
	instance := func(id any) string { return with("detail", map[string]any{"instance-id": id}) }
	for name, tc := range map[string]struct {
		body string
		want messages.Reason
	}{
		"nothing":                      {"", messages.Malformed},
		"no JSON":                      {"interrupted!", messages.Malformed},
		"half an event":                {warning(nil)[:100], messages.Malformed},
		"two events":                   {warning(nil) + warning(nil), messages.Malformed},
		"a list":                       {"[" + warning(nil) + "]", messages.Malformed},
		"null":                         {"null", messages.Malformed},
		"no source":                    {with("source", nil), messages.Malformed},
		"no type":                      {with("detail-type", nil), messages.Malformed},
		"no time":                      {with("time", nil), messages.Malformed},
		"a time that is none":          {with("time", "yesterday"), messages.Malformed},
		"another account":              {with("account", "999999999999"), messages.ForeignAccount},
		"no account":                   {with("account", nil), messages.ForeignAccount},
		"another region":               {with("region", "eu-west-2"), messages.ForeignRegion},
		"no region":                    {with("region", nil), messages.ForeignRegion},
		"somebody's own source":        {with("source", "my.ec2"), messages.ForeignSource},
		"another service of AWS":       {with("source", "aws.health"), messages.ForeignSource},
		"a source in other letters":    {with("source", "AWS.EC2"), messages.ForeignSource},
		"no detail":                    {with("detail", nil), messages.Malformed},
		"a detail that is a word":      {with("detail", "terminate"), messages.Malformed},
		"no instance":                  {with("detail", map[string]any{}), messages.Malformed},
		"an instance that is a number": {instance(7), messages.Malformed},
		"an id of something else":      {instance("vol-0123456789abcdef0"), messages.Malformed},
		"an id that is too short":      {instance(id[:len(id)-1]), messages.Malformed},
		"an id that is too long":       {instance(id + "0"), messages.Malformed},
		"an id with a line after it":   {instance(id + "\n"), messages.Malformed},
		"an id in capitals":            {instance(strings.ToUpper(id)), messages.Malformed},
		"a provider id":                {instance("aws:///eu-west-1a/" + id), messages.Malformed},
		"a state that there is not":    {state("tired"), messages.Malformed},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := messages.Parse(tc.body, home())
			worthless, ok := errors.AsType[*messages.WorthlessError](err)
			if !ok || worthless.Reason != tc.want {
				t.Fatalf("%v, want it to be %s", err, tc.want)
			}
			if diff := cmp.Diff(messages.Message{}, got); diff != "" {
				t.Errorf("something is left of it (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnErrorRepeatsLittleOfAMessage(t *testing.T) {
	long := strings.Repeat("x\n", 10_000)
	for _, body := range []string{
		warning(map[string]any{"account": long}), warning(map[string]any{"region": long}), warning(map[string]any{"source": long}), state(long),
		warning(map[string]any{"detail": map[string]any{"instance-id": long}}), long,
	} {
		if _, err := messages.Parse(body, home()); err == nil || len(err.Error()) > 300 || strings.Contains(err.Error(), "\n") {
			t.Errorf("%d bytes: %.100s", len(fmt.Sprint(err)), err)
		}
	}
}

func FuzzNothingIsBelievedThatIsNotAboutInstancesHere(f *testing.F) {
	for _, body := range []string{
		warning(nil), state("stopped"), state("running"), health("EC2", "scheduledChange", "open", id, other), warning(map[string]any{"account": "1"}),
		event("aws.ec2", "EC2 Instance Rebalance Recommendation", map[string]any{"instance-id": id}, nil), "", "null", "{}", "[]",
		`{"detail": null}`, `{"detail":{"affectedEntities":[null]}}`,
	} {
		f.Add(body)
	}
	form := regexp.MustCompile(`^i-[0-9a-f]{8,17}$`)
	f.Fuzz(func(t *testing.T, body string) {
		message, err := messages.Parse(body, home())
		if err != nil {
			if _, ok := errors.AsType[*messages.WorthlessError](err); !ok {
				t.Errorf("%v says not why", err)
			}
			return
		}
		if !slices.Contains(messages.Kinds(), message.Kind) || (message.Kind == messages.Other) != (len(message.Instances) == 0) || message.Time.IsZero() {
			t.Errorf("%+v", message)
		}
		for i, id := range message.Instances {
			if !form.MatchString(id) || slices.Contains(message.Instances[:i], id) {
				t.Errorf("instance %q of %q", id, message.Instances)
			}
		}
		// A message is the same whoever reads it, and for nobody else.
		if again, err := messages.Parse(body, home()); err != nil || !cmp.Equal(again, message) {
			t.Errorf("%+v, then %+v (%v)", message, again, err)
		}
		for _, elsewhere := range []messages.Home{{Account: "999999999999", Region: home().Region}, {Account: home().Account, Region: "eu-west-2"}} {
			if _, err := messages.Parse(body, elsewhere); err == nil {
				t.Errorf("%+v believes it too", elsewhere)
			}
		}
	})
}
