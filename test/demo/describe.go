package main

import (
	"fmt"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

// describeDecision says what a new Machine is to be: the cheapest of what its pods fit on.
func describeDecision(m *v1alpha5.Machine) string {
	types, zones := required(m, corev1.LabelInstanceTypeStable), required(m, corev1.LabelTopologyZone)
	chosen, others := "an instance", ""
	if len(types) > 0 {
		chosen = types[0]
	}
	if len(types) > 1 {
		others = fmt.Sprintf(" or one of %d alternatives", len(types)-1)
	}
	where := "any zone"
	if len(zones) == 1 {
		where = zones[0]
	} else if len(zones) > 1 {
		where = fmt.Sprintf("the best of %d zones", len(zones))
	}
	cpu := m.Spec.Resources.Requests.Cpu()
	return fmt.Sprintf("%s: %s %s in %s at %s for %dm CPU%s",
		m.Name, strings.Join(required(m, v1alpha5.CapacityTypeLabel), " or "), chosen, where, priceText(m), cpu.MilliValue(), others)
}

// required returns the values that a Machine's requirements allow for a label.
func required(m *v1alpha5.Machine, key string) []string {
	for _, r := range m.Spec.Requirements {
		if r.Key == key && r.Operator == corev1.NodeSelectorOpIn {
			return r.Values
		}
	}
	return nil
}

// describeInstance says what came for a Machine.
func describeInstance(m *v1alpha5.Machine) string {
	return fmt.Sprintf("%s: %s %s in %s, %s", m.Name, m.Labels[v1alpha5.CapacityTypeLabel],
		m.Labels[corev1.LabelInstanceTypeStable], m.Labels[corev1.LabelTopologyZone], instanceID(m))
}

// instanceID returns the last part of a provider id such as aws:///us-east-1a/i-0123456789abcdef0.
func instanceID(m *v1alpha5.Machine) string {
	return m.Status.ProviderID[strings.LastIndexByte(m.Status.ProviderID, '/')+1:]
}

func priceText(m *v1alpha5.Machine) string {
	price, err := strconv.ParseFloat(m.Annotations[v1alpha5.PriceAnnotation], 64)
	if err != nil {
		return "a price that is not known"
	}
	return fmt.Sprintf("$%.4f/h", price)
}

// describeEnd says why a Machine goes.
func describeEnd(m *v1alpha5.Machine) string {
	for _, condition := range []string{v1alpha5.ConditionDisrupting, v1alpha5.ConditionEmpty} {
		if c := apimeta.FindStatusCondition(m.Status.Conditions, condition); c != nil && c.Status == "True" {
			return strings.ToLower(condition) + ", " + c.Message
		}
	}
	return "somebody deleted it"
}
