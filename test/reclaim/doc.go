// Package reclaim holds no code: its tests have EC2 take many spot instances away at once, in a whole world.
package reclaim
