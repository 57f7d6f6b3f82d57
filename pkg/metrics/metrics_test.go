package metrics_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/kerf-autoscaler/kerf/pkg/metrics"
)

// Dashboards know these names: a change of one is a change of the interface.
func TestNamesAndLabelsOfMetrics(t *testing.T) {
	registry := prometheus.NewRegistry()
	m, err := metrics.New(registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, counter := range []*prometheus.CounterVec{m.MachinesCreated, m.MachinesRegistered, m.MachinesInitialized, m.MachinesTerminated} {
		counter.WithLabelValues("default").Inc()
	}
	for _, counter := range []*prometheus.CounterVec{m.NodesCreated, m.NodesTerminated} {
		counter.WithLabelValues("default").Inc()
	}
	m.NodeTerminationTime.WithLabelValues("default").Observe(1)
	m.UsagePercent.WithLabelValues("default", "cpu").Set(20)
	m.CloudDuration.WithLabelValues("machine.lifecycle", "Create", "aws").Observe(1)
	m.ConsistencyErrors.WithLabelValues(metrics.CheckNodeShape).Inc()
	m.CloudErrors.WithLabelValues("machine.lifecycle", "Create", "aws", "Failed").Inc()
	m.MachinesLaunched.WithLabelValues("default", "m5.large", "a", "spot").Inc()
	m.MachinesDrifted.WithLabelValues("default", "AMIDrifted").Inc()
	m.MachinesDisrupted.WithLabelValues("default", "Empty").Inc()
	m.MachinesFruitless.WithLabelValues("default", "NeverJoined").Inc()
	m.LaunchFailures.WithLabelValues("default", "InsufficientCapacity").Inc()
	m.Usage.WithLabelValues("default", "cpu").Set(2)
	m.Limit.WithLabelValues("default", "cpu").Set(10)
	m.AdmissionDuration.WithLabelValues("/validate/provisioners").Observe(0.001)
	m.Admissions.WithLabelValues("/validate/provisioners", "refused").Inc()
	m.CertificateExpiration.WithLabelValues(metrics.CertificateServing).Set(1)
	m.MessagesReceived.WithLabelValues("spot_interrupted").Inc()
	m.MessagesDropped.WithLabelValues("malformed").Inc()
	m.ActionsPerformed.WithLabelValues(metrics.ActionDrain).Inc()
	m.DeprovisioningActions.WithLabelValues("replace", "Underutilized").Inc()
	m.DeprovisioningEligible.WithLabelValues("Underutilized").Set(1)
	m.DeprovisioningRefused.WithLabelValues("Needed").Set(1)
	m.DeprovisioningDuration.WithLabelValues("consolidation").Observe(0.1)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	for _, family := range families {
		labels := []string{}
		for _, pair := range family.GetMetric()[0].GetLabel() {
			labels = append(labels, pair.GetName())
		}
		slices.Sort(labels)
		got[family.GetName()] = labels
	}
	want := map[string][]string{
		"karpenter_deprovisioning_actions_performed":                          {"action", "reason"},
		"karpenter_deprovisioning_eligible_machines":                          {"reason"},
		"karpenter_deprovisioning_refused_machines":                           {"reason"},
		"karpenter_deprovisioning_evaluation_duration_seconds":                {"method"},
		"karpenter_deprovisioning_replacement_machine_initialized_seconds":    {},
		"karpenter_deprovisioning_replacement_machine_launch_failure_counter": {},
		"karpenter_interruption_received_messages":                            {"message_type"},
		"karpenter_interruption_deleted_messages":                             {},
		"karpenter_interruption_dropped_messages":                             {"reason"},
		"karpenter_interruption_message_latency_time_seconds":                 {},
		"karpenter_interruption_actions_performed":                            {"action_type"},
		"karpenter_interruption_queue_unavailable":                            {},
		"karpenter_machines_created":                                          {"provisioner"},
		"karpenter_machines_launched":                                         {"capacity_type", "instance_type", "provisioner", "zone"},
		"karpenter_machines_registered":                                       {"provisioner"},
		"karpenter_machines_initialized":                                      {"provisioner"},
		"karpenter_machines_drifted":                                          {"provisioner", "type"},
		"karpenter_machines_disrupted":                                        {"provisioner", "reason"},
		"karpenter_machines_terminated":                                       {"provisioner"},
		"karpenter_machines_fruitless":                                        {"provisioner", "reason"},
		"karpenter_machines_launch_failures":                                  {"provisioner", "reason"},
		"karpenter_machines_orphans_terminated":                               {},
		"karpenter_nodes_created":                                             {"provisioner"},
		"karpenter_nodes_terminated":                                          {"provisioner"},
		"karpenter_nodes_termination_time_seconds":                            {"provisioner"},
		"karpenter_nodes_leases_deleted":                                      {},
		"karpenter_pods_startup_time_seconds":                                 {},
		"karpenter_provisioner_usage_pct":                                     {"provisioner", "resource_type"},
		"karpenter_cloudprovider_duration_seconds":                            {"controller", "method", "provider"},
		"karpenter_cloudprovider_errors_total":                                {"controller", "error", "method", "provider"},
		"karpenter_consistency_errors":                                        {"check"},
		"karpenter_pods_deleted":                                              {},
		"karpenter_pods_evicted":                                              {},
		"karpenter_provisioner_limit":                                         {"provisioner", "resource_type"},
		"karpenter_provisioner_usage":                                         {"provisioner", "resource_type"},
		"karpenter_provisioner_scheduling_duration_seconds":                   {},
		"karpenter_provisioner_unplaced_pods":                                 {},
		"karpenter_provisioner_plan_cost_per_hour":                            {},
		"karpenter_provisioner_plan_lower_bound_per_hour":                     {},
		"karpenter_provisioner_plans_cut_short":                               {},
		"karpenter_webhook_certificate_expiration_timestamp_seconds":          {"certificate"},
		"karpenter_webhook_admission_duration_seconds":                        {"webhook"},
		"karpenter_webhook_admissions":                                        {"outcome", "webhook"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
}

func TestARegistryTakesTheMetricsOnce(t *testing.T) {
	registry := prometheus.NewRegistry()
	if _, err := metrics.New(registry); err != nil {
		t.Fatal(err)
	}
	if _, err := metrics.New(registry); err == nil {
		t.Error("the same metrics were registered twice")
	}
}

func TestNothingIsLeftOfAProvisionerThatIsGone(t *testing.T) {
	registry := prometheus.NewRegistry()
	m, err := metrics.New(registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, provisioner := range []string{"gone", "here"} {
		m.MachinesCreated.WithLabelValues(provisioner).Inc()
		m.Usage.WithLabelValues(provisioner, "cpu").Set(2)
		m.NodeTerminationTime.WithLabelValues(provisioner).Observe(1)
	}
	m.Forget("gone")
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	there := 0
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			for _, pair := range metric.GetLabel() {
				if pair.GetValue() == "gone" {
					t.Errorf("%s is still there", family.GetName())
				}
				if pair.GetValue() == "here" {
					there++
				}
			}
		}
	}
	if there != 3 {
		t.Errorf("%d series of the other provisioner are there, want 3", there)
	}
}
