// Package e2e holds no code: its tests run kerf's binary against a real control plane and simulated AWS.
package e2e
