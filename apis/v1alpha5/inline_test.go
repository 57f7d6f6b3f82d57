package v1alpha5_test

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

func TestTheTemplateOfAnInlineProviderIsNamedAfterItsProvisioner(t *testing.T) {
	seen := map[string]string{}
	for _, name := range []string{
		"a", "default", "default.inline", strings.Repeat("a", 246), strings.Repeat("a", 247), strings.Repeat("a", 253),
		strings.Repeat("a", 252) + "b", strings.Repeat("a", 228) + ".-.-" + strings.Repeat("a", 21),
	} {
		got := v1alpha5.InlineTemplateName(name)
		if problems := validation.IsDNS1123Subdomain(got); len(problems) > 0 {
			t.Errorf("%s is named %s: %v", name, got, problems)
		}
		if other, taken := seen[got]; taken {
			t.Errorf("%s and %s are both named %s", name, other, got)
		}
		if got != v1alpha5.InlineTemplateName(name) {
			t.Errorf("%s is named differently each time", name)
		}
		seen[got] = name
	}
	if got := v1alpha5.InlineTemplateName("default"); got != "default.inline" {
		t.Errorf("default is named %s", got)
	}
}

func TestAProvisionerUsesTheTemplateThatItNamesOrThatIsMadeForIt(t *testing.T) {
	inline, ref := &runtime.RawExtension{Raw: []byte(`{}`)}, &v1alpha5.TemplateReference{Name: "named"}
	for name, tc := range map[string]struct {
		spec v1alpha5.ProvisionerSpec
		want string
	}{
		"it names one":            {v1alpha5.ProvisionerSpec{ProviderRef: ref}, "named"},
		"it says what it is like": {v1alpha5.ProvisionerSpec{Provider: inline}, "default.inline"},
		"it does both":            {v1alpha5.ProvisionerSpec{Provider: inline, ProviderRef: ref}, "named"},
		"it does neither":         {v1alpha5.ProvisionerSpec{}, ""},
	} {
		p := &v1alpha5.Provisioner{Spec: tc.spec}
		p.Name = "default"
		if got := p.TemplateName(); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}
