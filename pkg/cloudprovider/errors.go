package cloudprovider

import (
	"errors"
	"fmt"
)

// NotFoundError says that an instance no longer exists.
type NotFoundError struct {
	Err error
	// Terminated is true where the cloud still knows the instance and says that it has ended. A question to the wrong place,
	// with the wrong credentials or in the wrong region, is never answered so.
	Terminated bool
	// TakenAway is true where the cloud says that somebody ended it, or that the cloud itself wanted it back.
	TakenAway bool
}

// NewNotFoundError wraps err as a NotFoundError of an instance that the cloud does not know.
func NewNotFoundError(err error) error { return &NotFoundError{Err: err} }

// NewTerminatedError wraps err as a NotFoundError of an instance that the cloud knows to have ended.
func NewTerminatedError(err error) error { return &NotFoundError{Err: err, Terminated: true} }

// NewTakenAwayError is NewTerminatedError for an instance that did not end by itself.
func NewTakenAwayError(err error) error {
	return &NotFoundError{Err: err, Terminated: true, TakenAway: true}
}

func (e *NotFoundError) Error() string { return fmt.Sprintf("instance not found: %s", e.Err) }

// Unwrap returns the cause.
func (e *NotFoundError) Unwrap() error { return e.Err }

// IsNotFound reports whether err says that an instance no longer exists.
func IsNotFound(err error) bool {
	var target *NotFoundError
	return errors.As(err, &target)
}

// IsTerminated reports whether err says that an instance has ended, and not only that it is not known.
func IsTerminated(err error) bool {
	target, ok := errors.AsType[*NotFoundError](err)
	return ok && target.Terminated
}

// IgnoreNotFound returns nil for a NotFoundError and any other error unchanged.
func IgnoreNotFound(err error) error {
	if IsNotFound(err) {
		return nil
	}
	return err
}

// InsufficientCapacityError says that the cloud has none of what a machine may be, for now.
type InsufficientCapacityError struct{ Err error }

// NewInsufficientCapacityError wraps err as an InsufficientCapacityError.
func NewInsufficientCapacityError(err error) error { return &InsufficientCapacityError{Err: err} }

func (e *InsufficientCapacityError) Error() string {
	return fmt.Sprintf("insufficient capacity: %s", e.Err)
}

// Unwrap returns the cause.
func (e *InsufficientCapacityError) Unwrap() error { return e.Err }

// IsInsufficientCapacity reports whether err says that the cloud has no capacity.
func IsInsufficientCapacity(err error) bool {
	var target *InsufficientCapacityError
	return errors.As(err, &target)
}

// NotReadyError says that a template cannot be launched from until its user or its cloud changes something.
type NotReadyError struct{ Err error }

// NewNotReadyError wraps err as a NotReadyError.
func NewNotReadyError(err error) error { return &NotReadyError{Err: err} }

func (e *NotReadyError) Error() string { return fmt.Sprintf("template not ready: %s", e.Err) }

// Unwrap returns the cause.
func (e *NotReadyError) Unwrap() error { return e.Err }

// IsNotReady reports whether err says that a template cannot be launched from.
func IsNotReady(err error) bool {
	var target *NotReadyError
	return errors.As(err, &target)
}

// RefusedError says that a launch was answered for good, and with nothing: no repetition of the request changes the answer.
type RefusedError struct {
	// Reason in CamelCase, fit for a condition, e.g. Unauthorized.
	Reason string
	Err    error
}

// NewRefusedError wraps err as a RefusedError.
func NewRefusedError(reason string, err error) error { return &RefusedError{Reason: reason, Err: err} }

func (e *RefusedError) Error() string { return fmt.Sprintf("launch refused: %s: %s", e.Reason, e.Err) }

// Unwrap returns the cause.
func (e *RefusedError) Unwrap() error { return e.Err }

// IsAnswered reports whether err is the settled answer to a launch, so that its machine never gets an instance: the cloud
// had no capacity, or refused for another reason. The pods are served by another machine.
func IsAnswered(err error) bool {
	var refused *RefusedError
	return IsInsufficientCapacity(err) || errors.As(err, &refused)
}

// CreateError says that a launch could not be asked for or was turned down as a whole, with a reason fit for a condition. The
// same request may be made again once the cause is mended.
type CreateError struct {
	// Reason in CamelCase, e.g. Unauthorized.
	Reason string
	Err    error
}

// NewCreateError wraps err as a CreateError.
func NewCreateError(reason string, err error) error { return &CreateError{Reason: reason, Err: err} }

func (e *CreateError) Error() string { return fmt.Sprintf("launching: %s: %s", e.Reason, e.Err) }

// Unwrap returns the cause.
func (e *CreateError) Unwrap() error { return e.Err }

// CreateReason returns the reason of a CreateError or RefusedError, or fallback for any other error.
func CreateReason(err error, fallback string) string {
	if target, ok := errors.AsType[*RefusedError](err); ok {
		return target.Reason
	}
	if target, ok := errors.AsType[*CreateError](err); ok {
		return target.Reason
	}
	return fallback
}

// UnavailableError says that the cloud does not answer at all, or that nobody asks it for now because it did not or would only refuse
// one call more. It says nothing of what was asked: the same question, or launch, is put again once the cloud answers.
type UnavailableError struct{ Err error }

// NewUnavailableError wraps err as an UnavailableError.
func NewUnavailableError(err error) error { return &UnavailableError{Err: err} }

func (e *UnavailableError) Error() string { return fmt.Sprintf("cloud unavailable: %s", e.Err) }

// Unwrap returns the cause.
func (e *UnavailableError) Unwrap() error { return e.Err }

// IsUnavailable reports whether err says that the cloud does not answer.
func IsUnavailable(err error) bool {
	var target *UnavailableError
	return errors.As(err, &target)
}
