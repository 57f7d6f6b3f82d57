package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/kerf-autoscaler/kerf/test/awssim/faults"
	"github.com/kerf-autoscaler/kerf/test/awssim/iam"
)

// Client talks to the admin port of a simulator in another process.
type Client struct {
	base string
	http *http.Client
}

// NewClient makes a client for an admin address such as http://127.0.0.1:4567.
func NewClient(base string) *Client { return &Client{base: base, http: &http.Client{}} }

// Instances lists the instances, terminated ones included for as long as EC2 lists them.
func (c *Client) Instances(ctx context.Context) ([]Instance, error) {
	return get[[]Instance](ctx, c, "/instances")
}

// LaunchTemplates lists the launch templates that exist.
func (c *Client) LaunchTemplates(ctx context.Context) ([]LaunchTemplate, error) {
	return get[[]LaunchTemplate](ctx, c, "/launch-templates")
}

// Fleets lists the fleets in the order of their creation.
func (c *Client) Fleets(ctx context.Context) ([]Fleet, error) {
	return get[[]Fleet](ctx, c, "/fleets")
}

// Calls counts the calls that arrived so far.
func (c *Client) Calls(ctx context.Context) (Calls, error) { return get[Calls](ctx, c, "/calls") }

// SetCapacity bounds a pool.
func (c *Client) SetCapacity(ctx context.Context, limit Capacity) error {
	return c.post(ctx, "/capacity", limit)
}

// Configure changes settings.
func (c *Client) Configure(ctx context.Context, config Config) error {
	return c.post(ctx, "/config", config)
}

// TerminateInstance ends an instance as EC2 itself would, without anybody having asked for it.
func (c *Client) TerminateInstance(ctx context.Context, id string) error {
	return c.Befall(ctx, id, faults.Fail)
}

// Befall has something happen to an instance that no client of AWS has asked for: terminate, fail, stop, start, reboot or interrupt.
func (c *Client) Befall(ctx context.Context, id, what string) error {
	return c.post(ctx, "/instances/"+url.PathEscape(id)+"/"+url.PathEscape(what), struct{}{})
}

// Faults tells the plan of faults and how often each has taken effect.
func (c *Client) Faults(ctx context.Context) (faults.Report, error) {
	return get[faults.Report](ctx, c, "/faults")
}

// Authorizations tells what the policies were asked about, which of their statements were used, and what they have denied.
func (c *Client) Authorizations(ctx context.Context) (iam.Report, error) {
	return get[iam.Report](ctx, c, "/iam")
}

// SetFaults puts another plan of faults in force.
func (c *Client) SetFaults(ctx context.Context, plan faults.Plan) error {
	return c.post(ctx, "/faults", plan)
}

// Queues tells how full each queue is.
func (c *Client) Queues(ctx context.Context) ([]Queue, error) {
	return get[[]Queue](ctx, c, "/queues")
}

// SendEvent puts an event into queues as EventBridge would.
func (c *Client) SendEvent(ctx context.Context, event Event) error {
	return c.post(ctx, "/events", event)
}

func get[T any](ctx context.Context, c *Client, path string) (T, error) {
	var result T
	return result, c.do(ctx, http.MethodGet, path, nil, &result)
}

func (c *Client) post(ctx context.Context, path string, document any) error {
	body, err := json.Marshal(document)
	if err != nil {
		return fmt.Errorf("encoding the request: %w", err)
	}
	return c.do(ctx, http.MethodPost, path, body, &struct{}{})
}

func (c *Client) do(ctx context.Context, method, path string, body []byte, result any) error {
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("asking the simulator: %w", err)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return fmt.Errorf("asking the simulator: %w", err)
	}
	defer response.Body.Close() //nolint:errcheck // nothing is left to read
	if response.StatusCode != http.StatusOK {
		var no refusal
		if err := json.NewDecoder(response.Body).Decode(&no); err != nil || no.Error == "" {
			return fmt.Errorf("%s %s: %s", method, path, response.Status)
		}
		return fmt.Errorf("%s %s: %w", method, path, errors.New(no.Error))
	}
	if err := json.NewDecoder(response.Body).Decode(result); err != nil {
		return fmt.Errorf("decoding the answer of %s: %w", path, err)
	}
	return nil
}
