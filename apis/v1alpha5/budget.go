package v1alpha5

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Reasons for which kerf gives up a node that works.
const (
	DisruptionUnderutilized DisruptionReason = "Underutilized"
	DisruptionEmpty         DisruptionReason = "Empty"
	DisruptionDrifted       DisruptionReason = "Drifted"
	DisruptionExpired       DisruptionReason = "Expired"
)

// DefaultBudgetNodes is how many nodes may go at once where a budget does not say, and where there is none.
const DefaultBudgetNodes = "10%"

// longestWindow bounds how long a budget applies from each start on, in hours: ten years.
const longestWindow = 87600

// What the five parts of a schedule are made of: an item is everything, a number or name, or a range of these, with a step.
const (
	item  = `([*?]|[0-9A-Za-z]+(-[0-9A-Za-z]+)?)(/[0-9]+)?`
	times = item + `(,` + item + `)*`
)

var (
	nodesForm = regexp.MustCompile(`^([0-9]{1,9}|(100|[0-9]{1,2})%)$`)
	// scheduleForm is narrower than what the parser of schedules takes: no time zone, no interval that begins whenever it is asked, no
	// list with an empty item, which would never come.
	scheduleForm = regexp.MustCompile(`^(@(hourly|daily|midnight|weekly|monthly|yearly|annually)|` + times + `( +` + times + `){4})$`)
)

const (
	nodesDetail    = "must be a number of nodes, e.g. 5, or a part of them from 0% to 100%, e.g. 10%"
	scheduleDetail = "must be minute, hour, day of month, month and day of week in UTC, e.g. 0 9 * * mon-fri, or @hourly, @daily, @weekly, @monthly or @yearly"
	windowDetail   = "must be a time of hours and minutes, from 1m to 87600h, e.g. 8h or 1h30m"
)

// DisruptionReason is why kerf gives up a node that works.
//
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:XValidation:rule=`self in ['Underutilized', 'Empty', 'Drifted', 'Expired']`,message="must be Underutilized, Empty, Drifted or Expired"
type DisruptionReason string

// Disruption bounds what kerf does to nodes that work.
type Disruption struct {
	// Budgets bound how many nodes may be on their way out at once; of those that are about a reason and apply now, the strictest
	// counts. What is deleted by hand, or ends by itself, is not held up, but counts. Default: 10 % for all reasons but Empty,
	// for which there is no bound. Where there are any, a reason that none of them is about has no bound.
	// +kubebuilder:validation:MaxItems=50
	// +listType=atomic
	// +optional
	Budgets []Budget `json:"budgets,omitempty"`
}

// Budget bounds how many nodes of a Provisioner may be on their way out at once.
//
// +kubebuilder:validation:XValidation:rule=`!has(self.duration) || has(self.schedule)`,reason=FieldValueRequired,fieldPath=".schedule",message="duration says for how long: say from when on, e.g. 0 9 * * mon-fri, or remove duration"
// +kubebuilder:validation:XValidation:rule=`!has(self.schedule) || has(self.duration)`,reason=FieldValueRequired,fieldPath=".duration",message="schedule says from when on: say for how long, e.g. 8h, or remove schedule"
type Budget struct {
	// Nodes is how many may be gone at once, as a number, e.g. "5", or a part of them, e.g. 10%, rounded up. Nodes that are on their way
	// out or not ready count as gone. "0" lets none go. Default: 10%.
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule=`self.matches('^([0-9]{1,9}|(100|[0-9]{1,2})%)$')`,message="must be a number of nodes, e.g. 5, or a part of them from 0% to 100%, e.g. 10%"
	// +optional
	Nodes *string `json:"nodes,omitempty"`
	// Reasons that the budget is about: Underutilized, Empty, Drifted and Expired. Default: all of them.
	// +kubebuilder:validation:MaxItems=50
	// +listType=atomic
	// +optional
	Reasons []DisruptionReason `json:"reasons,omitempty"`
	// Schedule is when the budget begins to apply, each time for the duration: minute, hour, day of month, month and day of week in
	// UTC, e.g. 0 9 * * mon-fri, or @hourly, @daily, @weekly, @monthly or @yearly. Absent, it always applies.
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule=`self.matches('^(@(hourly|daily|midnight|weekly|monthly|yearly|annually)|[0-9A-Za-z*?,/-]+( +[0-9A-Za-z*?,/-]+){4})$')`,message="must be minute, hour, day of month, month and day of week in UTC, e.g. 0 9 * * mon-fri, or @hourly, @daily, @weekly, @monthly or @yearly"
	// +optional
	Schedule *string `json:"schedule,omitempty"`
	// Duration is how long the budget applies from each start on, in hours and minutes, e.g. 8h or 1h30m.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule=`self.matches('^([0-9]{1,5}h([0-9]{1,6}m)?|[0-9]{1,6}m)(0s)?$') && duration(self) >= duration('1m') && duration(self) <= duration('87600h')`,message="must be a time of hours and minutes, from 1m to 87600h, e.g. 8h or 1h30m"
	// +optional
	Duration *metav1.Duration `json:"duration,omitempty"`
}

// Budgets returns the budgets of a provisioner, defaults included. Of empty nodes the default keeps none: nothing runs on them.
func (p *Provisioner) Budgets() []Budget {
	if p.Spec.Disruption != nil && len(p.Spec.Disruption.Budgets) > 0 {
		return p.Spec.Disruption.Budgets
	}
	return []Budget{{Reasons: []DisruptionReason{DisruptionUnderutilized, DisruptionDrifted, DisruptionExpired}}}
}

// About reports whether the budget counts for a reason.
func (b *Budget) About(reason DisruptionReason) bool {
	return len(b.Reasons) == 0 || slices.Contains(b.Reasons, reason)
}

// Limit returns how many of so many nodes may be gone at once. Part of a node is a whole one.
func (b *Budget) Limit(total int) (int, error) {
	nodes := b.nodes()
	if !nodesForm.MatchString(nodes) {
		return 0, fmt.Errorf("nodes %q %s", nodes, nodesDetail)
	}
	text, isPart := strings.CutSuffix(nodes, "%")
	number, err := strconv.Atoi(text)
	if err != nil || !isPart {
		return number, err
	}
	return (total*number + 99) / 100, nil
}

func (b *Budget) nodes() string {
	if b.Nodes == nil {
		return DefaultBudgetNodes
	}
	return *b.Nodes
}

// String returns the budget as a person finds it in the manifest.
func (b *Budget) String() string {
	parts := []string{"nodes: " + b.nodes()}
	if len(b.Reasons) > 0 {
		parts = append(parts, fmt.Sprintf("reasons: %s", b.Reasons))
	}
	if b.Schedule != nil {
		parts = append(parts, "schedule: "+*b.Schedule)
	}
	if b.Duration != nil {
		parts = append(parts, "duration: "+strings.TrimSuffix(b.Duration.Duration.String(), "0s"))
	}
	return strings.Join(parts, ", ")
}

// ParseSchedule returns the times of a schedule, to be asked in UTC. A schedule whose day never comes is an error.
func ParseSchedule(text string) (cron.Schedule, error) {
	if !scheduleForm.MatchString(text) {
		return nil, errors.New("it is in no known form")
	}
	schedule, err := cron.ParseStandard(text)
	if err != nil {
		return nil, err
	}
	leapYear := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	if schedule.Next(leapYear).IsZero() {
		return nil, errors.New("no month has that day")
	}
	return schedule, nil
}

func (d *Disruption) validate(path *field.Path) field.ErrorList {
	if d == nil {
		return nil
	}
	var errs field.ErrorList
	for i := range d.Budgets {
		errs = append(errs, d.Budgets[i].validate(path.Child("budgets").Index(i))...)
	}
	return errs
}

func (b *Budget) validate(path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if b.Nodes != nil && !nodesForm.MatchString(*b.Nodes) {
		errs = append(errs, field.Invalid(path.Child("nodes"), *b.Nodes, nodesDetail))
	}
	known := []DisruptionReason{DisruptionUnderutilized, DisruptionEmpty, DisruptionDrifted, DisruptionExpired}
	for i, reason := range b.Reasons {
		if !slices.Contains(known, reason) {
			errs = append(errs, field.NotSupported(path.Child("reasons").Index(i), reason, known))
		}
	}
	return slices.Concat(errs, b.validateWindow(path.Child("schedule"), path.Child("duration")))
}

// validateWindow judges when a budget applies.
func (b *Budget) validateWindow(schedule, duration *field.Path) field.ErrorList {
	var errs field.ErrorList
	switch {
	case b.Schedule == nil && b.Duration != nil:
		errs = append(errs, field.Required(schedule, "duration says for how long: say from when on, e.g. 0 9 * * mon-fri, or remove duration"))
	case b.Schedule != nil && b.Duration == nil:
		errs = append(errs, field.Required(duration, "schedule says from when on: say for how long, e.g. 8h, or remove schedule"))
	}
	if b.Schedule != nil {
		if _, err := ParseSchedule(*b.Schedule); err != nil {
			errs = append(errs, field.Invalid(schedule, *b.Schedule, fmt.Sprintf("%s: %s", scheduleDetail, err)))
		}
	}
	if b.Duration != nil {
		if d := b.Duration.Duration; d < time.Minute || d > longestWindow*time.Hour || d%time.Minute != 0 {
			errs = append(errs, field.Invalid(duration, d.String(), windowDetail))
		}
	}
	return errs
}
