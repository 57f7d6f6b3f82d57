package faults

import (
	"fmt"
	"time"
)

// Duration is a time.Duration that JSON shows as text: 5s, 1m30s.
type Duration time.Duration

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	*d = Duration(parsed)
	return err
}

// Range is a duration that chance draws, evenly, between two bounds.
type Range struct {
	Least Duration `json:"least,omitempty"`
	Most  Duration `json:"most"`
}

// at is the duration that a draw from 0 to 1 stands for.
func (r Range) at(draw float64) time.Duration {
	return time.Duration(r.Least) + time.Duration(draw*float64(r.Most-r.Least))
}

func (r Range) check() error {
	if r.Least < 0 || r.Most < r.Least {
		return fmt.Errorf("%s to %s is no range of durations", time.Duration(r.Least), time.Duration(r.Most))
	}
	return nil
}
