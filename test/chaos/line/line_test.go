package line_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kerf-autoscaler/kerf/test/chaos/line"
)

// ruling judges all calls alike, and watches by a function.
type ruling struct {
	verdict line.Verdict
	due     func(arrived time.Time) (time.Time, bool)

	mu    sync.Mutex
	asked []line.Call
}

func (r *ruling) Decide(c line.Call) line.Verdict {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, c)
	return r.verdict
}

func (r *ruling) Due(_ string, arrived time.Time) (time.Time, bool) {
	if r.due == nil {
		return arrived, false
	}
	return r.due(arrived)
}

// far is a server that says which calls it has carried out.
func far(t *testing.T) (url string, arrived chan string) {
	t.Helper()
	arrived = make(chan string, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		arrived <- string(body)
		_, _ = io.WriteString(w, "done")
	}))
	t.Cleanup(server.Close)
	return server.URL, arrived
}

// post makes a call over the line and returns what is heard.
func post(ctx context.Context, t *testing.T, l *line.Line, url string) (int, string, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/api/v1/nodes", strings.NewReader("a node"))
	if err != nil {
		t.Fatal(err)
	}
	response, err := (&http.Client{Transport: l.To(line.API, http.DefaultTransport)}).Do(request)
	if err != nil {
		return 0, "", err
	}
	body, err := io.ReadAll(response.Body)
	return response.StatusCode, string(body), errors.Join(err, response.Body.Close())
}

func TestACallIsCarriedOutAndHeardOfAsTheJudgeSays(t *testing.T) {
	for name, tc := range map[string]struct {
		verdict          line.Verdict
		arrives, cut     bool
		wantStatus       int
		wantBody, wantBy string
	}{
		"it passes":               {arrives: true, wantStatus: 200, wantBody: "done"},
		"late":                    {verdict: line.Verdict{Delay: time.Millisecond}, arrives: true, wantStatus: 200, wantBody: "done"},
		"refused":                 {verdict: line.Verdict{Status: 429}, wantStatus: 429},
		"its answer is lost":      {verdict: line.Verdict{Lost: true}, arrives: true, wantBy: "reset"},
		"cut before":              {verdict: line.Verdict{End: line.Before}, cut: true, wantBy: "ended"},
		"cut when it has effect":  {verdict: line.Verdict{End: line.Applied}, arrives: true, cut: true, wantBy: "ended"},
		"cut after its answer":    {verdict: line.Verdict{End: line.After}, arrives: true, cut: true, wantStatus: 200, wantBody: "done"},
		"no answer for one ended": {verdict: line.Verdict{End: line.Applied, Delay: time.Millisecond}, arrives: true, cut: true, wantBy: "ended"},
	} {
		t.Run(name, func(t *testing.T) {
			url, arrived := far(t)
			l := line.New(&ruling{verdict: tc.verdict})
			status, body, err := post(t.Context(), t, l, url)
			if (err != nil) != (tc.wantBy != "") || err != nil && !strings.Contains(err.Error(), tc.wantBy) {
				t.Errorf("the caller hears %v, want %q", err, tc.wantBy)
			}
			if status != tc.wantStatus || tc.wantBody != "" && body != tc.wantBody {
				t.Errorf("the answer is %d %q", status, body)
			}
			l.Drain()
			if got := len(arrived) == 1; got != tc.arrives {
				t.Errorf("it arrives: %t", got)
			} else if got && <-arrived != "a node" {
				t.Error("what arrives is not what was sent")
			}
			if l.IsCut() != tc.cut {
				t.Errorf("the line is cut: %t", l.IsCut())
			}
			if _, _, err := post(t.Context(), t, l, url); tc.cut && err == nil {
				t.Error("it answers although it is cut")
			}
		})
	}
}

func TestALateCallArrivesWithoutItsCaller(t *testing.T) {
	url, arrived := far(t)
	l := line.New(&ruling{verdict: line.Verdict{Delay: 20 * time.Millisecond}})
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, _, err := post(ctx, t, l, url); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the caller hears %v", err)
	}
	l.Drain()
	if len(arrived) != 1 {
		t.Error("it has not arrived")
	}
}

// watching opens a watch on which the far side says a word as soon as it is open.
func watching(t *testing.T, l *line.Line) *bufio.Reader {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "word\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(server.Close)
	t.Cleanup(cancel)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/api/v1/pods?watch=true", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := (&http.Client{Transport: l.To(line.API, http.DefaultTransport)}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Body.Close() })
	return bufio.NewReader(response.Body)
}

func TestAWatchShowsWhatItMayWhenItMay(t *testing.T) {
	thaws := time.Now().Add(50 * time.Millisecond)
	body := watching(t, line.New(&ruling{due: func(time.Time) (time.Time, bool) { return thaws, false }}))
	if word, err := body.ReadString('\n'); err != nil || word != "word\n" || time.Now().Before(thaws) {
		t.Errorf("%s before the watch may, it shows %q, %v", time.Until(thaws), word, err)
	}
}

func TestAWatchBreaksWhenTheJudgeSaysSo(t *testing.T) {
	body := watching(t, line.New(&ruling{due: func(at time.Time) (time.Time, bool) { return at, true }}))
	if word, err := body.ReadString('\n'); err == nil {
		t.Errorf("it shows %q", word)
	}
}

func TestAWatchEndsWithTheLine(t *testing.T) {
	l := line.New(&ruling{due: func(at time.Time) (time.Time, bool) { return at.Add(time.Hour), false }})
	body := watching(t, l)
	l.Cut()
	if word, err := body.ReadString('\n'); err == nil {
		t.Errorf("it shows %q", word)
	}
}

func TestCallsAreReadFromRequests(t *testing.T) {
	for name, tc := range map[string]struct {
		far                line.Far
		method, path, body string
		want               line.Call
		counts             bool
	}{
		"a namespaced object": {
			line.API, http.MethodPost, "/api/v1/namespaces/default/pods/a/eviction", "{}",
			line.Call{Far: line.API, Verb: "POST", Resource: "pods", Name: "a", Sub: "eviction", Write: true}, true,
		},
		"one of kerf's": {
			line.API, http.MethodPatch, "/apis/karpenter.sh/v1alpha5/machines/m/status", "{}",
			line.Call{Far: line.API, Verb: "PATCH", Resource: "machines", Name: "m", Sub: "status", Write: true}, true,
		},
		"a namespace": {
			line.API, http.MethodGet, "/api/v1/namespaces/kube-system", "",
			line.Call{Far: line.API, Verb: "GET", Resource: "namespaces", Name: "kube-system"}, false,
		},
		"a watch that goes on": {
			line.API, http.MethodGet, "/api/v1/nodes?watch=true&resourceVersion=7", "",
			line.Call{Far: line.API, Verb: "GET", Resource: "nodes", Watch: true, Since: true}, false,
		},
		"a watch that begins with all that there is": {
			line.API, http.MethodGet, "/api/v1/nodes?watch=1&resourceVersion=7&sendInitialEvents=true", "",
			line.Call{Far: line.API, Verb: "GET", Resource: "nodes", Watch: true}, false,
		},
		"a lease": {
			line.API, http.MethodPut, "/apis/coordination.k8s.io/v1/namespaces/default/leases/l", "{}",
			line.Call{Far: line.API, Verb: "PUT", Resource: "leases", Name: "l", Write: true}, false,
		},
		"what there is": {line.API, http.MethodGet, "/api", "", line.Call{Far: line.API, Verb: "GET"}, false},
		"EC2": {
			line.AWS, http.MethodPost, "/", "Action=CreateFleet&Version=1", line.Call{Far: line.AWS, Verb: "CreateFleet", Write: true}, true,
		},
		"EC2 asked for leave": {
			line.AWS, http.MethodPost, "/", "Action=CreateFleet&DryRun=true", line.Call{Far: line.AWS, Verb: "try CreateFleet"}, false,
		},
		"EC2 asked": {line.AWS, http.MethodPost, "/", "Action=DescribeInstances", line.Call{Far: line.AWS, Verb: "DescribeInstances"}, true},
		"EKS asked": {line.AWS, http.MethodGet, "/clusters/a", "", line.Call{Far: line.AWS, Verb: "GET /clusters/a"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := &ruling{verdict: line.Verdict{Status: http.StatusTeapot}} // it goes nowhere
			request, err := http.NewRequestWithContext(t.Context(), tc.method, "http://far.example"+tc.path, strings.NewReader(tc.body))
			if err != nil {
				t.Fatal(err)
			}
			response, err := line.New(r).To(tc.far, http.DefaultTransport).RoundTrip(request)
			if err != nil {
				t.Fatal(err)
			}
			if err := response.Body.Close(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]line.Call{tc.want}, r.asked); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if tc.want.Counts() != tc.counts {
				t.Errorf("it counts: %t", tc.want.Counts())
			}
		})
	}
}
