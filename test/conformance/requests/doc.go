// Package requests holds what kerf thinks that pods request against what the scheduler counts.
package requests
