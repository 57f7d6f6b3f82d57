package offline_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/catalog"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/offline"
)

func market(t *testing.T, settings offline.Settings, templates ...*awsv1alpha1.AWSNodeTemplate) (*offline.Market, error) {
	t.Helper()
	facts, err := catalog.Load()
	if err != nil {
		t.Fatal(err)
	}
	return offline.NewMarket(facts, settings, templates)
}

func usual() offline.Settings {
	return offline.Settings{Region: "us-east-1", Version: "1.34", MemoryOverhead: 0.075}
}

func template(spec awsv1alpha1.AWSNodeTemplateSpec) *awsv1alpha1.AWSNodeTemplate {
	return &awsv1alpha1.AWSNodeTemplate{ObjectMeta: metav1.ObjectMeta{Name: "t"}, Spec: spec}
}

func provisioner(modify func(*v1alpha5.ProvisionerSpec)) *v1alpha5.Provisioner {
	p := &v1alpha5.Provisioner{ObjectMeta: metav1.ObjectMeta{Name: "p"}, Spec: v1alpha5.ProvisionerSpec{ProviderRef: &v1alpha5.TemplateReference{Name: "t"}}}
	modify(&p.Spec)
	return p
}

func nothing(*v1alpha5.ProvisionerSpec) {}

// named returns an instance type of the answer; nil when it is not there.
func named(list cloudprovider.InstanceTypes, name string) *cloudprovider.InstanceType {
	for _, t := range list {
		if t.Name == name {
			return t
		}
	}
	return nil
}

// The figures are those of real nodes with the images of that family.
func TestWhatNodesHaveFollowsFromTheirTemplate(t *testing.T) {
	size := resource.MustParse("100Gi")
	for name, tc := range map[string]struct {
		template               awsv1alpha1.AWSNodeTemplateSpec
		provisioner            func(*v1alpha5.ProvisionerSpec)
		memory, ephemeral, pod string // allocatable of an m5.large
	}{
		"the usual":                         {awsv1alpha1.AWSNodeTemplateSpec{}, nothing, "6903Mi", "17Gi", "29"},
		"a larger volume":                   {awsv1alpha1.AWSNodeTemplateSpec{BlockDeviceMappings: []awsv1alpha1.BlockDeviceMapping{{DeviceName: new("/dev/xvda"), EBS: &awsv1alpha1.BlockDevice{VolumeSize: &size}}}}, nothing, "6903Mi", "89Gi", "29"},
		"local disks, of which it has none": {awsv1alpha1.AWSNodeTemplateSpec{InstanceStorePolicy: "RAID0"}, nothing, "6903Mi", "17Gi", "29"},
		"fewer pods": {awsv1alpha1.AWSNodeTemplateSpec{}, func(p *v1alpha5.ProvisionerSpec) {
			p.KubeletConfiguration = &v1alpha5.KubeletConfiguration{MaxPods: new(int32(10))}
		}, "6903Mi", "17Gi", "10"},
		"what Bottlerocket reserves": {awsv1alpha1.AWSNodeTemplateSpec{AMIFamily: "Bottlerocket"}, func(p *v1alpha5.ProvisionerSpec) {
			p.KubeletConfiguration = &v1alpha5.KubeletConfiguration{MaxPods: new(int32(10))}
		}, "7112Mi", "17Gi", "10"},
		"settings of one's own": {awsv1alpha1.AWSNodeTemplateSpec{AMIFamily: "Bottlerocket", UserData: "[settings.kubernetes]\nmax-pods = 11\n"}, nothing, "7101Mi", "17Gi", "11"},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := market(t, usual(), template(tc.template))
			if err != nil {
				t.Fatal(err)
			}
			list, err := m.InstanceTypes(t.Context(), provisioner(tc.provisioner))
			if err != nil {
				t.Fatal(err)
			}
			got := named(list, "m5.large").Allocatable()
			for resourceName, want := range map[corev1.ResourceName]string{
				corev1.ResourceMemory: tc.memory, corev1.ResourceEphemeralStorage: tc.ephemeral, corev1.ResourcePods: tc.pod,
			} {
				if quantity := got[resourceName]; quantity.Cmp(resource.MustParse(want)) != 0 {
					t.Errorf("%s is %s, want %s", resourceName, quantity.String(), want)
				}
			}
		})
	}
}

// An m5d.2xlarge has a disk of 300 GB; 10 % of it and 1 GiB are kept. A d2.xlarge has disks that no image makes one of.
func TestNodesHaveTheRoomOfTheirLocalDisks(t *testing.T) {
	kept := func(bytes int64) int64 { return bytes - (bytes+9)/10 - 1<<30 }
	for name, tc := range map[string]struct {
		spec         awsv1alpha1.AWSNodeTemplateSpec
		instanceType string
		want         int64
	}{
		"one disk":                {awsv1alpha1.AWSNodeTemplateSpec{InstanceStorePolicy: "RAID0"}, "m5d.2xlarge", kept(300e9)},
		"two disks":               {awsv1alpha1.AWSNodeTemplateSpec{InstanceStorePolicy: "RAID0", AMIFamily: "Bottlerocket"}, "m5d.4xlarge", kept(600e9)},
		"no policy":               {awsv1alpha1.AWSNodeTemplateSpec{}, "m5d.2xlarge", kept(20 << 30)},
		"no disks that images do": {awsv1alpha1.AWSNodeTemplateSpec{InstanceStorePolicy: "RAID0"}, "d2.xlarge", kept(20 << 30)},
		"Windows":                 {awsv1alpha1.AWSNodeTemplateSpec{InstanceStorePolicy: "RAID0", AMIFamily: "Windows2022"}, "m5d.2xlarge", kept(50 << 30)},
		"what the user sets up":   {awsv1alpha1.AWSNodeTemplateSpec{InstanceStorePolicy: "RAID0", AMIFamily: "Ubuntu"}, "m5d.2xlarge", kept(300e9)},
	} {
		m, err := market(t, usual(), template(tc.spec))
		if err != nil {
			t.Fatal(err)
		}
		list, err := m.InstanceTypes(t.Context(), provisioner(nothing))
		if err != nil {
			t.Fatal(err)
		}
		found := named(list, tc.instanceType)
		if found == nil {
			t.Fatalf("there is no %s", tc.instanceType)
		}
		if got := found.Allocatable(); got.StorageEphemeral().Value() != tc.want {
			t.Errorf("%s: %d bytes, want %d", name, got.StorageEphemeral().Value(), tc.want)
		}
	}
}

func TestWhatCanBeBoughtIsInTheZonesAndHasAnImage(t *testing.T) {
	settings := usual()
	settings.Zones = []string{"us-east-1e"}
	m, err := market(t, settings, template(awsv1alpha1.AWSNodeTemplateSpec{AMIFamily: "AL2", LaunchTemplate: ""}))
	if err != nil {
		t.Fatal(err)
	}
	// There is no AL2 image for 1.34, and no template of another name.
	if _, err := m.InstanceTypes(t.Context(), provisioner(nothing)); !cloudprovider.IsNotReady(err) || !strings.Contains(err.Error(), "AL2 has images up to Kubernetes 1.32") {
		t.Errorf("AL2: %v", err)
	}
	list, err := m.InstanceTypes(t.Context(), provisioner(func(p *v1alpha5.ProvisionerSpec) { p.ProviderRef = nil }))
	if err != nil {
		t.Fatal(err)
	}
	if len(list) == 0 || len(list) > 58 || named(list, "m5.large") != nil {
		t.Errorf("us-east-1e has %d types", len(list))
	}
	for _, instanceType := range list {
		for _, offering := range instanceType.Offerings {
			if offering.Zone != "us-east-1e" || !offering.Available || offering.Price <= 0 {
				t.Errorf("%s: %+v", instanceType.Name, offering)
			}
		}
	}
}

func TestAnInlineTemplateCountsAsOne(t *testing.T) {
	m, err := market(t, usual())
	if err != nil {
		t.Fatal(err)
	}
	inline := func(raw string) *v1alpha5.Provisioner {
		return provisioner(func(p *v1alpha5.ProvisionerSpec) {
			p.ProviderRef, p.Provider = nil, &runtime.RawExtension{Raw: []byte(raw)}
		})
	}
	list, err := m.InstanceTypes(t.Context(), inline(`{"amiFamily": "Bottlerocket", "subnetSelector": {"a": "b"}, "securityGroupSelector": {"a": "b"}}`))
	if err != nil || named(list, "m5.large") == nil {
		t.Errorf("%d types, %v", len(list), err)
	}
	list, err = m.InstanceTypes(t.Context(), inline(`{"amiFamily": "Windows2022", "subnetSelector": {"a": "b"}, "securityGroupSelector": {"a": "b"}}`))
	if err != nil || named(list, "m5.large") == nil || named(list, "m6g.large") != nil {
		t.Fatalf("Windows: %d types, %v", len(list), err)
	}
	if os, _ := named(list, "m5.large").Requirements.Get(corev1.LabelOSStable).Single(); os != "windows" {
		t.Errorf("Windows is %q", os)
	}
	both := inline(`{}`)
	both.Spec.ProviderRef = &v1alpha5.TemplateReference{Name: "t"}
	if _, err := m.InstanceTypes(t.Context(), both); !cloudprovider.IsNotReady(err) || !strings.Contains(err.Error(), "exclude each other") {
		t.Errorf("both: %v", err)
	}
}

func TestAMarketThatThereIsNotSaysWhichThereAre(t *testing.T) {
	for want, modify := range map[string]func(*offline.Settings){
		"ap-northeast-1, ap-northeast-2, us-east-1, us-west-2": func(s *offline.Settings) { s.Region = "mars-1" },
		"us-east-1a, us-east-1b":                               func(s *offline.Settings) { s.Zones = []string{"us-west-2a"} },
		"no Kubernetes version such as 1.34":                   func(s *offline.Settings) { s.Version = "new" },
	} {
		settings := usual()
		modify(&settings)
		if _, err := market(t, settings); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
}
