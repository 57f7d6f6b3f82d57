package admin

import (
	"encoding/json"
	"net/http"
)

// Handler serves a simulator to tests.
func Handler(s Simulator) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /instances", show(s.Instances))
	mux.HandleFunc("GET /launch-templates", show(s.LaunchTemplates))
	mux.HandleFunc("GET /fleets", show(s.Fleets))
	mux.HandleFunc("GET /calls", show(s.Calls))
	mux.HandleFunc("POST /capacity", change(s.SetCapacity))
	mux.HandleFunc("POST /config", change(s.Configure))
	mux.HandleFunc("GET /faults", show(s.Faults))
	mux.HandleFunc("GET /iam", show(s.Authorizations))
	mux.HandleFunc("POST /faults", change(s.SetFaults))
	mux.HandleFunc("GET /queues", show(s.Queues))
	mux.HandleFunc("POST /events", change(s.SendEvent))
	mux.HandleFunc("POST /instances/{id}/{what}", func(w http.ResponseWriter, r *http.Request) {
		done(w, s.Befall(r.PathValue("id"), r.PathValue("what")))
	})
	return mux
}

func show[T any](read func() T) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, read()) }
}

func change[T any](write func(T) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var change T
		decoder := json.NewDecoder(r.Body)
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&change); err != nil {
			done(w, err)
			return
		}
		done(w, write(change))
	}
}

// refusal is the body of an answer that says no.
type refusal struct {
	Error string `json:"error"`
}

func done(w http.ResponseWriter, err error) {
	if err != nil {
		answer(w, http.StatusBadRequest, refusal{Error: err.Error()})
		return
	}
	answer(w, http.StatusOK, struct{}{})
}

func answer(w http.ResponseWriter, status int, document any) {
	body, err := json.MarshalIndent(document, "", "  ")
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{"error": "encoding the answer"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(append(body, '\n')) //nolint:errcheck // a client that went away wants no answer
}
