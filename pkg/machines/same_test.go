package machines

import (
	"reflect"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

// fill gives everything in v a value.
func fill(t *testing.T, v reflect.Value) {
	t.Helper()
	switch v.Interface().(type) {
	case metav1.Time:
		v.Set(reflect.ValueOf(metav1.NewTime(time.Unix(1, 0))))
		return
	case resource.Quantity:
		v.Set(reflect.ValueOf(resource.MustParse("3")))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(1)
	case reflect.Uint8:
		v.SetUint(1)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(t, v.Index(0))
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(t, key)
		fill(t, value)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Struct:
		for _, field := range v.Fields() {
			fill(t, field)
		}
	default:
		t.Fatalf("a %s cannot be filled", v.Type())
	}
}

// compared holds a fast comparison against the slow one for a value of which everything is set, and for the same without one of its fields.
func compared[T any](t *testing.T, fast func(a, b T) bool) {
	t.Helper()
	var whole T
	fill(t, reflect.ValueOf(&whole).Elem())
	if !fast(whole, whole) {
		t.Errorf("a %T is not the same as itself", whole)
	}
	for i := range reflect.TypeFor[T]().NumField() {
		lacking := whole
		reflect.ValueOf(&lacking).Elem().Field(i).SetZero()
		if slow := equality.Semantic.DeepEqual(whole, lacking); slow || fast(whole, lacking) || fast(lacking, whole) {
			t.Errorf("a %T without %s is the same: %t, as the slow comparison has it", whole, reflect.TypeFor[T]().Field(i).Name, slow)
		}
	}
}

// A field that is added to one of the types is looked at here without anybody's doing.
func TestFastComparisonsMissNoField(t *testing.T) {
	compared(t, sameMetadata)
	compared(t, sameStatus)
	compared(t, sameNodeStatus)
}

func TestQuantitiesAreComparedByWhatTheyAre(t *testing.T) {
	list := func(cpu string) corev1.ResourceList {
		return corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)}
	}
	for a, b := range map[string]string{"1": "1000m", "0": "0m", "2": "2"} {
		if !sameStatus(v1alpha5.MachineStatus{Capacity: list(a)}, v1alpha5.MachineStatus{Capacity: list(b)}) {
			t.Errorf("%s is not %s", a, b)
		}
	}
	if sameResources(list("1"), list("1001m")) || sameResources(list("1"), nil) || !sameResources(corev1.ResourceList{}, nil) {
		t.Error("quantities are not compared")
	}
}
