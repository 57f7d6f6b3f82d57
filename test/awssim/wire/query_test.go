package wire

import (
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kerf-autoscaler/kerf/test/awssim/apierror"
)

type part struct {
	Name  string   `query:"Name"`
	Sizes []int    `query:"Size"`
	Share *float64 `query:"Share"`
}

type shared struct {
	DryRun bool `query:"DryRun"`
}

type input struct {
	shared
	Since time.Time `query:"Since"`
	Parts []part    `query:"Part"`
	Inner part      `query:"Inner"`
	Names []string  `query:"Name,required"`
}

func TestQueriesBecomeStructs(t *testing.T) {
	share := 0.5
	form, err := url.ParseQuery("Action=Do&Version=1&DryRun=true&Since=2026-09-01T12:00:00Z&Name.2=b&Name.1=a&Name.10=c" +
		"&Part.1.Name=x&Part.1.Size.1=4&Part.1.Size.2=5&Part.2.Share=0.5&Inner.Name=y&X-Amz-Date=now")
	if err != nil {
		t.Fatal(err)
	}
	var got input
	if err := DecodeQuery(form, &got); err != nil {
		t.Fatal(err)
	}
	want := input{
		shared: shared{DryRun: true}, Since: time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC), Names: []string{"a", "b", "c"},
		Parts: []part{{Name: "x", Sizes: []int{4, 5}}, {Share: &share}}, Inner: part{Name: "y"},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(input{}, shared{})); diff != "" {
		t.Errorf("input (-want +got):\n%s", diff)
	}
}

func TestBadQueriesAreRefused(t *testing.T) {
	for name, tc := range map[string]struct{ query, want string }{
		"required parameter absent": {"DryRun=true", "MissingParameter"},
		"unknown parameter":         {"Name.1=a&Colour=red", "UnknownParameter"},
		"unknown inner parameter":   {"Name.1=a&Part.1.Colour=red", "UnknownParameter"},
		"parameter below a value":   {"Name.1=a&Name.1.X=b", "UnknownParameter"},
		"value in place of a list":  {"Name=a", "UnknownParameter"},
		"list in place of a value":  {"Name.1=a&DryRun.1=true", "InvalidParameterValue"},
		"index that is no number":   {"Name.first=a", "InvalidParameterValue"},
		"index that is too low":     {"Name.0=a", "InvalidParameterValue"},
		"number that is none":       {"Name.1=a&Part.1.Size.1=big", "InvalidParameterValue"},
		"boolean that is none":      {"Name.1=a&DryRun=perhaps", "InvalidParameterValue"},
		"time that is none":         {"Name.1=a&Since=yesterday", "InvalidParameterValue"},
		"no parameters at all":      {"", "MissingParameter"},
	} {
		form, err := url.ParseQuery(tc.query)
		if err != nil {
			t.Fatal(err)
		}
		if err := DecodeQuery(form, &input{}); err == nil || apierror.From(err).Code != tc.want {
			t.Errorf("%s: %v, want %s", name, err, tc.want)
		}
	}
}
