package main

import (
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

// laidOut returns a plan in which each word is a node: its zone, and the indices of its pods. "a:0,1 b:2" has pods 0 and 1 on a node
// in zone a and pod 2 on one in zone b.
func laidOut(t *testing.T, pods []*corev1.Pod, layout string) answer {
	t.Helper()
	var out answer
	for word := range strings.FieldsSeq(layout) {
		zone, list, _ := strings.Cut(word, ":")
		node := planned(nil, in(corev1.LabelTopologyZone, zone), "m")
		for index := range strings.SplitSeq(list, ",") {
			if i, err := strconv.Atoi(index); err == nil {
				node.pods = append(node.pods, pods[i])
			} else if index != "" {
				t.Fatalf("%q is no layout: %v", layout, err)
			}
		}
		out.nodes = append(out.nodes, node)
	}
	return out
}

// judged returns what the referee says of a layout on nodes that have room for all.
func judged(t *testing.T, pods []*corev1.Pod, layout string) invoice {
	t.Helper()
	m := builders.InstanceType("m", builders.Capacity("64", "64Gi", 100), builders.OnDemand(1, "a", "b", "c"))
	return newReferee(fromOne(pods, cloudprovider.InstanceTypes{m})).bill(laidOut(t, pods, layout))
}

// cast returns pods in order, each named after its place.
func cast(modifiers ...builders.PodModifier) []*corev1.Pod {
	var out []*corev1.Pod
	for i, modify := range modifiers {
		out = append(out, builders.Pod(builders.Name("pod-"+strconv.Itoa(i)), modify))
	}
	return out
}

// change changes the pod as a whole, e.g. terms that it has already.
func change(p builders.PodModifier, how func(*corev1.Pod)) builders.PodModifier {
	return both(p, how)
}

const zone, host = corev1.LabelTopologyZone, corev1.LabelHostname

func TestPodsAreHeldAgainstEachOther(t *testing.T) {
	web, db := map[string]string{"app": "web"}, map[string]string{"app": "db"}
	aWeb, aDB := builders.Labels(web), builders.Labels(db)
	port := func(ip string, protocol corev1.Protocol) builders.PodModifier {
		return change(builders.HostPort(80), func(p *corev1.Pod) {
			p.Spec.Containers[0].Ports[0].HostIP, p.Spec.Containers[0].Ports[0].Protocol = ip, protocol
		})
	}
	everywhere := change(builders.AntiAffinity(zone, web), func(p *corev1.Pod) {
		p.Spec.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution[0].NamespaceSelector = &metav1.LabelSelector{}
	})
	perVersion := change(both(builders.Labels(map[string]string{"app": "web", "v": "1"}), builders.AntiAffinity(zone, web)), func(p *corev1.Pod) {
		p.Spec.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution[0].MatchLabelKeys = []string{"v"}
	})
	otherVersions := change(perVersion, func(p *corev1.Pod) {
		t := &p.Spec.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution[0]
		t.MatchLabelKeys, t.MismatchLabelKeys = nil, []string{"v"}
	})
	sidecar := change(builders.HostPort(80), func(p *corev1.Pod) {
		c := p.Spec.Containers[0]
		c.RestartPolicy = new(corev1.ContainerRestartPolicyAlways)
		p.Spec.InitContainers, p.Spec.Containers[0].Ports = []corev1.Container{c}, nil
	})
	selfish := both(aWeb, builders.Affinity(zone, web))
	for name, tc := range map[string]struct {
		pods        []*corev1.Pod
		fine, wrong string
		fault       []string
	}{
		"host ports":                      {cast(builders.HostPort(80), builders.HostPort(80)), "a:0 a:1", "a:0,1", []string{"pod-1", "pod-0 has host port 80"}},
		"host ports of one address":       {cast(port("10.0.0.1", "TCP"), port("10.0.0.2", "TCP"), port("", "TCP")), "a:0,1 a:2", "a:0,2 a:1", []string{"pod-2", "host port 80"}},
		"host ports of protocols":         {cast(port("", "TCP"), port("", "UDP"), port("", "")), "a:0,1 a:2", "a:0,2 a:1", []string{"pod-2", "host port 80"}},
		"apart over hosts":                {cast(both(aWeb, builders.AntiAffinity(host, web)), aWeb), "a:0 a:1", "a:0,1", []string{"pod-0", "with pod pod-1"}},
		"apart over zones":                {cast(builders.AntiAffinity(zone, web), aWeb), "a:0 b:1", "a:0 a:1", []string{"pod-0", "zone a with pod pod-1"}},
		"apart whoever is first":          {cast(aWeb, builders.AntiAffinity(zone, web)), "a:0 b:1", "a:0 a:1", []string{"pod-1", "zone a with pod pod-0"}},
		"apart from none but itself":      {cast(both(aWeb, builders.AntiAffinity(zone, web)), aDB), "a:0,1", "", nil},
		"apart in another namespace":      {cast(both(builders.Namespace("x"), aWeb), builders.AntiAffinity(zone, web)), "a:0,1", "", nil},
		"apart in all namespaces":         {cast(both(builders.Namespace("x"), aWeb), everywhere), "a:0 b:1", "a:0,1", []string{"pod-1", "with pod pod-0"}},
		"apart by version":                {cast(perVersion, both(aWeb, builders.Labels(map[string]string{"v": "2"})), perVersion), "a:0,1 b:2", "a:0,1 a:2", []string{"pod-0", "with pod pod-2"}},
		"apart from other versions":       {cast(otherVersions, both(aWeb, builders.Labels(map[string]string{"v": "2"})), otherVersions), "a:0,2 b:1", "a:0 a:1 b:2", []string{"pod-0", "with pod pod-1"}},
		"host ports of sidecars":          {cast(sidecar, sidecar), "a:0 a:1", "a:0,1", []string{"pod-1", "pod-0 has host port 80"}},
		"together with others":            {cast(aDB, builders.Affinity(zone, db)), "a:0 a:1", "a:0 b:1", []string{"pod-1", `zone "b" it is without`}},
		"together on a host":              {cast(aDB, builders.Affinity(host, db)), "a:0,1", "a:0 a:1", []string{"pod-1", "without"}},
		"together with nobody":            {cast(aWeb, builders.Affinity(zone, db)), "", "a:0,1", []string{"pod-1", "without"}},
		"together with their like":        {cast(selfish, selfish, selfish), "a:0 a:1,2", "a:0 a:1 b:2", []string{"pod-2", `zone "b" it is without`}},
		"together in two camps":           {cast(selfish, selfish, selfish, selfish), "", "a:0,1 b:2,3", []string{"pod-3", `zone "b" it is without`}},
		"together where others are":       {cast(selfish, aWeb, selfish), "a:0 b:1,2", "a:0 b:1 c:2", []string{"pod-2", "without"}},
		"together with those who follow":  {cast(selfish, aWeb, selfish), "a:0,1 b:2", "", nil},
		"together with both of two kinds": {cast(aDB, aWeb, both(builders.Affinity(zone, db), builders.Affinity(host, web))), "", "a:0 a:1,2", []string{"pod-2", "without"}},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.fine != "" {
				accuse(t, judged(t, tc.pods, tc.fine))
			}
			if tc.wrong != "" {
				accuse(t, judged(t, tc.pods, tc.wrong), tc.fault...)
			}
		})
	}
}
