// Package webhooks answers the API server's admission requests about kerf's own kinds. What it answers is decided by the pure
// functions of package admission; here requests are read, answers are written, and the server is run.
package webhooks

import (
	"context"
	"fmt"
	"net/http"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/kerf-autoscaler/kerf/pkg/metrics"
)

// Paths that the webhook configurations name.
const (
	// PathDefaultProvisioners adds to Provisioners what they leave out, and refuses those with mistakes.
	PathDefaultProvisioners = "/default/provisioners"
	// PathDefaultAWSNodeTemplates adds nothing to AWSNodeTemplates, and refuses those with mistakes.
	PathDefaultAWSNodeTemplates = "/default/awsnodetemplates"
	// PathValidateProvisioners refuses Provisioners with mistakes.
	PathValidateProvisioners = "/validate/provisioners"
	// PathValidateAWSNodeTemplates refuses AWSNodeTemplates with mistakes.
	PathValidateAWSNodeTemplates = "/validate/awsnodetemplates"
)

// Outcomes of admission requests, as the metric has them.
const (
	outcomeAllowed = "allowed"
	outcomeRefused = "refused"
	outcomeFailed  = "failed"
)

// NewHandler returns what answers all of kerf's admission requests.
func NewHandler(peers Peers, recorded *metrics.Metrics, logger logr.Logger) (http.Handler, error) {
	mux := http.NewServeMux()
	for path, handler := range map[string]admission.Handler{
		PathDefaultProvisioners:      defaulting{sentProvisioners()},
		PathDefaultAWSNodeTemplates:  sentAWSNodeTemplates(),
		PathValidateProvisioners:     validateProvisioners(peers),
		PathValidateAWSNodeTemplates: validateAWSNodeTemplates(),
	} {
		hook := &admission.Webhook{Handler: counted(handler, recorded.Admissions.MustCurryWith(prometheus.Labels{metrics.LabelWebhook: path}))}
		answer, err := admission.StandaloneWebhook(hook, admission.StandaloneOptions{Logger: logger.WithValues("webhook", path)})
		if err != nil {
			return nil, fmt.Errorf("setting up webhook %s: %w", path, err)
		}
		timed := promhttp.InstrumentHandlerDuration(recorded.AdmissionDuration.MustCurryWith(prometheus.Labels{metrics.LabelWebhook: path}), answer)
		mux.Handle(http.MethodPost+" "+path, timed)
	}
	return mux, nil
}

// counted counts the answers of a handler. One that panics has failed; the caller turns the panic into an answer.
func counted(handler admission.Handler, answers *prometheus.CounterVec) admission.Handler {
	return admission.HandlerFunc(func(ctx context.Context, request admission.Request) admission.Response {
		outcome := outcomeFailed
		defer func() { answers.WithLabelValues(outcome).Inc() }()
		response := handler.Handle(ctx, request)
		switch {
		case response.Allowed:
			outcome = outcomeAllowed
		case response.Result != nil && response.Result.Code == http.StatusUnprocessableEntity:
			outcome = outcomeRefused
		}
		return response
	})
}
