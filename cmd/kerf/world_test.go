package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kerf-autoscaler/kerf/cmd/kerf/plan"
)

// container writes the containers of a pod that asks for so much cpu.
func container(cpu string) string {
	return fmt.Sprintf("containers: [{name: c, resources: {requests: {cpu: %s}}}]", cpu)
}

// workloadOf writes a controller whose pods ask for so much cpu.
func workloadOf(kind, name, replicas, cpu string) string {
	return fmt.Sprintf("---\n{apiVersion: apps/v1, kind: %s, metadata: {name: %s}, spec: {%sselector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {%s}}}}\n",
		kind, name, replicas, container(cpu))
}

// nodeOf writes node n1 with so much cpu.
func nodeOf(cpu string) string {
	return fmt.Sprintf("---\n{apiVersion: v1, kind: Node, metadata: {name: n1}, status: {capacity: {cpu: %s, memory: 64Gi, pods: 50}}}\n", cpu)
}

// podOf writes a pod.
func podOf(meta, spec, cpu string) string {
	return fmt.Sprintf("---\n{apiVersion: v1, kind: Pod, metadata: {%s}, spec: {%s%s}}\n", meta, spec, container(cpu))
}

// boughtFor returns the names of all pods that an answer has a machine for, in order of machine.
func boughtFor(a plan.Answer) []string {
	var out []string
	for _, m := range a.Machines {
		out = append(out, m.Pods...)
	}
	return out
}

func TestNoPodIsLostForItsName(t *testing.T) {
	job := "---\n{apiVersion: batch/v1, kind: Job, metadata: {name: db}, spec: {parallelism: 2, template: {spec: {restartPolicy: Never, " + container("3") + "}}}}\n"
	db := workloadOf("StatefulSet", "db", "replicas: 2, ", "1")
	for name, tc := range map[string]struct {
		files string
		pods  int
	}{
		"controllers of one name": {db + job, 4},
		"names that are begun":    {podOf("generateName: gen-", "", "1") + podOf("generateName: gen-", "", "2") + podOf("name: gen-0", "", "3") + podOf("name: gen-1", "", "4"), 4},
		"UIDs that were copied":   {podOf("name: a, uid: u", "", "1") + podOf("name: b, uid: u", "", "1"), 2},
	} {
		seen := map[string]bool{}
		for _, pod := range boughtFor(planned(t, tc.files, "-f", "-")) {
			seen[pod] = true
		}
		if len(seen) != tc.pods {
			t.Errorf("%s: planned for %v, want %d", name, seen, tc.pods)
		}
	}
}

func TestAPodThatRunsKeepsItsRoomWhoeverWantsItsName(t *testing.T) {
	a := planned(t, workloadOf("StatefulSet", "db", "", "1")+nodeOf("4")+podOf("name: db-0", "nodeName: n1, ", "4")+podOf("name: p", "", "1"), "-f", "-")
	if got := boughtFor(a); len(got) != 1 || got[0] != "default/p" || len(a.Placements) != 0 || !strings.Contains(strings.Join(a.Notes, "\n"), "default/db-0") {
		t.Errorf("bought for %v, placed %v, notes %q", got, a.Placements, a.Notes)
	}
}

func TestNodesWithoutAMachineCountAgainstLimits(t *testing.T) {
	const provisioner = "{apiVersion: karpenter.sh/v1alpha5, kind: Provisioner, metadata: {name: a}, spec: {providerRef: {name: default}, limits: {resources: {cpu: 8}}}}\n"
	node := strings.Replace(nodeOf("6"), "name: n1", "name: n1, labels: {karpenter.sh/provisioner-name: a}", 1)
	a := planned(t, provisioner+node+podOf("name: full", "nodeName: n1, ", "6")+podOf("name: p", "", "3"), "-f", "-")
	if len(a.Machines) != 0 || len(a.Unplaced) != 1 || !strings.Contains(a.Unplaced[0].Reason, "limit") {
		t.Errorf("machines %v, unplaced %+v", a.Machines, a.Unplaced)
	}
}

func TestPodsThatNothingIsBoughtForHaveAPlaceOrNone(t *testing.T) {
	refusing := "affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: karpenter.sh/provisioner-name, operator: DoesNotExist}]}]}}}, "
	files := podOf("name: low", "priority: -100, ", "3") + podOf("name: lower", "priority: -200, ", "3") + podOf("name: refuses", refusing, "2") + podOf("name: usual", "", "1")
	for name, tc := range map[string]struct {
		files            string
		placed, unplaced int
	}{
		"without a node": {files, 0, 3}, "with room for some": {files + nodeOf("5"), 2, 2}, "with room for all": {files + nodeOf("9"), 4, 0},
	} {
		a := planned(t, tc.files, "-f", "-")
		if len(a.Placements) != tc.placed || len(a.Unplaced) != tc.unplaced || len(a.Placements)+len(a.Unplaced)+len(boughtFor(a)) != 4 {
			t.Errorf("%s: placed %v, unplaced %+v, bought for %v", name, a.Placements, a.Unplaced, boughtFor(a))
		}
		for _, u := range a.Unplaced {
			if !strings.HasPrefix(u.Reason, "nothing is bought for pods") {
				t.Errorf("%s: %s", u.Pod, u.Reason)
			}
		}
	}
	if out, _, code := kerf(t, files, "plan", "-f", "-", "--explain", "po/low"); code != exitUnplaced || strings.Contains(out, "would change") {
		t.Errorf("exit %d: %s", code, out)
	}
}

func TestADaemonSetsPodCountsOnce(t *testing.T) {
	daemon := workloadOf("DaemonSet", "ds", "", "1")
	runs := podOf("name: ds-x, ownerReferences: [{apiVersion: apps/v1, kind: DaemonSet, name: ds, uid: u, controller: true}]", "nodeName: n1, ", "1")
	a := planned(t, nodeOf("4")+daemon+runs+workloadOf("Deployment", "web", "replicas: 3, ", "1"), "-f", "-")
	if len(a.Placements) != 3 {
		t.Errorf("placed %v", a.Placements)
	}
}

func TestWhatIsTakenForGrantedIsSaid(t *testing.T) {
	large := workloadOf("DaemonSet", "ds", "", "2") + workloadOf("Deployment", "web", "", "500m") +
		"---\n{apiVersion: karpenter.sh/v1alpha5, kind: Provisioner, metadata: {name: v}, spec: {providerRef: {name: default}, requirements: [{key: node.kubernetes.io/instance-type, operator: In, values: [m5.large]}]}}\n"
	for want, files := range map[string]string{
		"priority classes that are not given count as priority 0: gone": podOf("name: p", "priorityClassName: gone, ", "1"),
		"runtime classes that are not given":                            podOf("name: p", "runtimeClassName: gone, ", "1"),
		"do not run there, and take no room: default/ds on m5.large":    large,
		"1 pod is over": strings.Replace(podOf("name: p", "", "1"), "}\n", ", status: {phase: Succeeded}}\n", 1),
	} {
		if a := planned(t, files, "-f", "-"); !strings.Contains(strings.Join(a.Notes, "\n"), want) {
			t.Errorf("%q is not in %q", want, a.Notes)
		}
	}
	small := strings.Replace(large, "cpu: 2", "cpu: 1", 1)
	if a := planned(t, small, "-f", "-"); strings.Contains(strings.Join(a.Notes, "\n"), "DaemonSet") {
		t.Errorf("notes %q", a.Notes)
	}
}

func TestFlagsThatCannotBeMeantAreRefused(t *testing.T) {
	for want, flags := range map[string][]string{
		"--node-fee: +Inf is not":                 {"-f", "testdata/web.yaml", "--node-fee", "Inf"},
		"--node-fee: NaN is not":                  {"-f", "testdata/web.yaml", "--node-fee", "NaN"},
		"--catalog: standard input is read for -": {"-f", "-", "--catalog", "-"},
	} {
		if _, stderr, code := kerf(t, "", append([]string{"plan"}, flags...)...); code != exitBadInput || !strings.Contains(stderr, want) {
			t.Errorf("%v: exit %d: %s", flags, code, stderr)
		}
	}
}

func TestControllersAreExplainedByTheShortNamesOfKubectl(t *testing.T) {
	for _, name := range []string{"deploy/web", "deployments/web", "Deployment/web"} {
		if out, stderr, code := kerf(t, "", "plan", "-f", "testdata/web.yaml", "--explain", name); code != 0 || !strings.Contains(out, "Deployment shop/web") {
			t.Errorf("%s: exit %d: %s", name, code, stderr)
		}
	}
	if _, _, code := kerf(t, "", "plan", "-f", "testdata/web.yaml", "--explain", "sts/web"); code != exitBadInput {
		t.Errorf("exit %d", code)
	}
}
