// Package hpa holds no code: its tests have the HorizontalPodAutoscaler of Kubernetes scale a workload out and back, in a whole world.
package hpa
