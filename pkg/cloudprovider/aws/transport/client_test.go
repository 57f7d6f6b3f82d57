package transport_test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/transport"
)

const large = 1 << 20

// early closes the request's body before the end of it is looked for: at the last of the announced bytes.
type early struct {
	io.ReadCloser
	left int
}

func (e *early) Read(p []byte) (int, error) {
	n, err := e.ReadCloser.Read(p)
	if e.left -= n; e.left == 0 {
		if err := e.Close(); err != nil {
			return n, err
		}
	}
	return n, err
}

func (e *early) WriteTo(w io.Writer) (int64, error) { return e.ReadCloser.(io.WriterTo).WriteTo(w) }

// send sends a request through the SDK's own request, with a body that is closed early, and reads the answer.
func send(t *testing.T, client transport.Doer, url string) (int, error) {
	t.Helper()
	const body = "Action=DescribeSubnets"
	built := smithyhttp.NewStackRequest().(*smithyhttp.Request)
	built.Method, built.ContentLength = http.MethodPost, int64(len(body))
	built.URL.Scheme, built.URL.Host = "http", strings.TrimPrefix(url, "http://")
	built, err := built.SetStream(bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	request := built.Build(t.Context())
	request.Body = &early{ReadCloser: request.Body, left: len(body)}
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close() //nolint:errcheck // only what was read counts
	read, err := io.Copy(io.Discard, response.Body)
	return int(read), err
}

func serve(t *testing.T) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)  //nolint:errcheck // the answer does not depend on it
		w.Write(make([]byte, large)) //nolint:errcheck // a client that went away wants no answer
	})}
	go server.Serve(listener) //nolint:errcheck // it always returns http.ErrServerClosed after Close
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return "http://" + listener.Addr().String()
}

// The SDK's client alone fails here each time: without that, this test would show nothing.
func TestAnAnswerSurvivesThatTheRequestsBodyIsClosed(t *testing.T) {
	url := serve(t)
	if n, err := send(t, awshttp.NewBuildableClient(), url); err == nil {
		t.Errorf("the SDK's client has read %d bytes: it needs no help any more", n)
	}
	n, err := send(t, transport.New(awshttp.NewBuildableClient()), url)
	if err != nil || n != large {
		t.Errorf("read %d bytes, %v; want all %d", n, err, large)
	}
}
