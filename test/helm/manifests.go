package helm

import (
	"fmt"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

// Objects returns the objects of manifests in their order.
func Objects(manifests string) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	for document := range strings.SplitSeq("\n"+manifests, "\n---\n") {
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(document), &object.Object); err != nil {
			return nil, fmt.Errorf("reading a manifest: %w", err)
		}
		if len(object.Object) > 0 {
			objects = append(objects, object)
		}
	}
	return objects, nil
}

// Find reads the only object of a kind among manifests.
func Find[T any](manifests, kind string) (*T, error) {
	objects, err := Objects(manifests)
	if err != nil {
		return nil, err
	}
	var found *T
	for _, object := range objects {
		if object.GetKind() != kind {
			continue
		}
		if found != nil {
			return nil, fmt.Errorf("there is more than one %s", kind)
		}
		found = new(T)
		if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(object.Object, found, true); err != nil {
			return nil, fmt.Errorf("reading %s %s: %w", kind, object.GetName(), err)
		}
	}
	if found == nil {
		return nil, fmt.Errorf("there is no %s", kind)
	}
	return found, nil
}

// ControllerEnvironment returns the environment variables that the controller has in the pods of the Deployment among
// manifests, as NAME=value. Those that tell it where it is and how much memory it may take are filled in.
func ControllerEnvironment(manifests string) ([]string, error) {
	deployment, err := Find[appsv1.Deployment](manifests, "Deployment")
	if err != nil {
		return nil, err
	}
	var variables []string
	for _, variable := range deployment.Spec.Template.Spec.Containers[0].Env {
		value := variable.Value
		if variable.ValueFrom != nil {
			if value, err = fieldOf(deployment, variable); err != nil {
				return nil, err
			}
		}
		variables = append(variables, variable.Name+"="+value)
	}
	return variables, nil
}

// fieldOf returns the value of a variable that is a field of the pod or of its first container.
func fieldOf(deployment *appsv1.Deployment, variable corev1.EnvVar) (string, error) {
	if ref := variable.ValueFrom.FieldRef; ref != nil && ref.FieldPath == "metadata.namespace" {
		return deployment.Namespace, nil
	}
	if ref := variable.ValueFrom.ResourceFieldRef; ref != nil && ref.Resource == "limits.memory" {
		return strconv.FormatInt(deployment.Spec.Template.Spec.Containers[0].Resources.Limits.Memory().Value(), 10), nil
	}
	return "", fmt.Errorf("the environment variable %s comes from something that only a pod has", variable.Name)
}
