package admission_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	runtimeschema "k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"

	"github.com/kerf-autoscaler/kerf/test/admission/schema"
	"github.com/kerf-autoscaler/kerf/test/workbench"
)

// server is the API server as kubectl talks to it.
type server struct {
	client dynamic.Interface
	kinds  map[string]schema.Definition
}

// patience is how long the API server may take to learn of a change of a definition.
const patience = 30 * time.Second

func connect(t testing.TB) server {
	t.Helper()
	config, err := workbench.Config()
	if err != nil {
		t.Fatal(err)
	}
	config.WarningHandlerWithContext = told{}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	kinds, err := schema.Definitions()
	if err != nil {
		t.Fatal(err)
	}
	return server{client: client, kinds: kinds}
}

func (s server) of(object *unstructured.Unstructured) dynamic.ResourceInterface {
	kind := s.kinds[object.GetKind()]
	return s.client.Resource(runtimeschema.GroupVersionResource{Group: kind.Group, Version: kind.Version, Resource: kind.Plural})
}

func definitions(s server) dynamic.ResourceInterface {
	return s.client.Resource(runtimeschema.GroupVersionResource{
		Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions",
	})
}

// send asks the server for what a row is about, without storing it. It returns what would be stored, and the warnings.
func (s server) send(ctx context.Context, r row) (*unstructured.Unstructured, []string, error) {
	heard := &hearing{}
	ctx = context.WithValue(ctx, hearingKey{}, heard)
	dry := []string{metav1.DryRunAll}
	if !r.update() {
		made, err := s.of(r.given).Create(ctx, r.given, metav1.CreateOptions{DryRun: dry, FieldValidation: metav1.FieldValidationStrict})
		return made, heard.all(), err
	}
	stored, err := s.of(r.given).Get(ctx, r.given.GetName(), metav1.GetOptions{})
	if err != nil {
		return nil, nil, err
	}
	changed := r.given.DeepCopy()
	changed.SetUID(stored.GetUID())
	changed.SetResourceVersion(stored.GetResourceVersion())
	changed, err = s.of(r.given).Update(ctx, changed, metav1.UpdateOptions{DryRun: dry, FieldValidation: metav1.FieldValidationStrict})
	return changed, heard.all(), err
}

// store stores what the updates of the table start from, some of which only a server without rules accepts.
func (s server) store(ctx context.Context, rows []row) error {
	if err := s.relax(ctx); err != nil {
		return err
	}
	for _, r := range rows {
		if !r.update() {
			continue
		}
		if _, err := s.of(r.before).Create(ctx, r.before, metav1.CreateOptions{}); err != nil {
			return fmt.Errorf("storing what %q starts from: %w", r.Name, err)
		}
	}
	return s.restore(ctx)
}

// relax takes all rules away from the schemas.
func (s server) relax(ctx context.Context) error {
	for _, d := range s.kinds {
		relaxed, err := d.Relaxed()
		if err != nil {
			return err
		}
		if err := s.redefine(ctx, relaxed); err != nil {
			return err
		}
	}
	return s.await(ctx, "rules still hold", func(err error) bool { return err == nil })
}

// restore gives the schemas their rules again.
func (s server) restore(ctx context.Context) error {
	for _, d := range s.kinds {
		if err := s.redefine(ctx, d.Content); err != nil {
			return err
		}
	}
	return s.await(ctx, "rules do not hold yet", apierrors.IsInvalid)
}

func (s server) redefine(ctx context.Context, content map[string]any) error {
	wanted := &unstructured.Unstructured{Object: content}
	there, err := definitions(s).Get(ctx, wanted.GetName(), metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("getting a definition: %w", err)
	}
	there.Object["spec"] = wanted.DeepCopy().Object["spec"]
	if _, err := definitions(s).Update(ctx, there, metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("changing a definition: %w", err)
	}
	return nil
}

// await waits until the server answers as expected to what, for each kind, no schema of it allows.
func (s server) await(ctx context.Context, otherwise string, expected func(error) bool) error {
	for _, text := range []string{
		"{apiVersion: karpenter.sh/v1alpha5, kind: Provisioner, spec: {weight: 0}}",
		"{apiVersion: karpenter.sh/v1alpha5, kind: Machine, spec: {launchGroup: {name: g, size: 0}}}",
		"{apiVersion: karpenter.k8s.aws/v1alpha1, kind: AWSNodeTemplate, spec: {}}",
	} {
		probe, err := parse(text)
		if err != nil {
			return err
		}
		err = until(ctx, func() error {
			if _, _, err := s.send(ctx, row{given: probe}); !expected(err) {
				return fmt.Errorf("%s: %s: %v", otherwise, probe.GetKind(), err) //nolint:errorlint // it may be nil
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// until repeats a step until it succeeds, and returns its error if it never does.
func until(ctx context.Context, step func() error) error {
	var last error
	err := wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, patience, true, func(context.Context) (bool, error) {
		last = step()
		return last == nil, nil
	})
	if err != nil {
		return errors.Join(err, last)
	}
	return nil
}

// causes returns what the server found wrong, as kubectl prints it, in order.
func causes(err error) []string {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return nil
	}
	if _, strict, found := strings.Cut(status.Status().Message, "strict decoding error: "); found {
		return strings.Split(strict, ", ")
	}
	var out []string
	if details := status.Status().Details; details != nil {
		for _, c := range details.Causes {
			if c.Field != "<nil>" { // a note that not all rules could be checked
				out = append(out, c.Field+": "+c.Message)
			}
		}
	}
	slices.Sort(out)
	return out
}

// hearingKey is where a request has its hearing.
type hearingKey struct{}

// hearing collects the warnings that come with one answer.
type hearing struct {
	mu       sync.Mutex
	warnings []string
}

func (h *hearing) all() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.warnings)
}

// told passes warnings on to the hearing of the request.
type told struct{}

// HandleWarningHeaderWithContext hears one warning.
func (told) HandleWarningHeaderWithContext(ctx context.Context, _ int, _, text string) {
	if h, ok := ctx.Value(hearingKey{}).(*hearing); ok {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.warnings = append(h.warnings, text)
	}
}
