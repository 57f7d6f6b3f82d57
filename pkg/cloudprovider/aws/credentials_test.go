package aws_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws"
	"github.com/kerf-autoscaler/kerf/test/awssim/world"
)

// issuer hands out credentials that the simulator takes, and that have expired at once, so that each call gets new ones. It takes
// down by what they were asked for.
type issuer struct {
	*httptest.Server
	mu     sync.Mutex
	tokens []string
}

func (i *issuer) note(token string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !slices.Contains(i.tokens, token) {
		i.tokens = append(i.tokens, token)
	}
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	i := &issuer{}
	expired := time.Now().Add(-time.Minute).UTC().Format(time.RFC3339)
	document := fmt.Sprintf(`{"Code": "Success", "AccessKeyId": %q, "SecretAccessKey": "unchecked", "Token": "session", "Expiration": %q}`, world.DefaultAccessKeyID, expired)
	reply := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) }
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /sts/", func(w http.ResponseWriter, r *http.Request) {
		i.note(r.FormValue("WebIdentityToken"))
		_, _ = fmt.Fprintf(w, `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult><Credentials>
			<AccessKeyId>%s</AccessKeyId><SecretAccessKey>unchecked</SecretAccessKey><SessionToken>session</SessionToken><Expiration>%s</Expiration>
			</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`, world.DefaultAccessKeyID, expired)
	})
	mux.HandleFunc("GET /v1/credentials", func(w http.ResponseWriter, r *http.Request) {
		i.note(r.Header.Get("Authorization"))
		reply(document)(w, r)
	})
	mux.HandleFunc("PUT /latest/api/token", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "21600")
		reply("imds-token")(w, r)
	})
	mux.HandleFunc("GET /latest/meta-data/iam/security-credentials/{$}", reply("node-role"))
	mux.HandleFunc("GET /latest/meta-data/iam/security-credentials/node-role", func(w http.ResponseWriter, r *http.Request) {
		i.note(r.Header.Get("X-Aws-Ec2-Metadata-Token"))
		reply(document)(w, r)
	})
	i.Server = httptest.NewServer(mux)
	t.Cleanup(i.Close)
	return i
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestCredentialsComeFromWhereKerfRunsAndFollowTheRotationOfTokens(t *testing.T) {
	for name, tc := range map[string]struct {
		environment func(i *issuer, tokenFile string) map[string]string
		want        []string // tokens that were shown, in order
	}{
		"IAM role of the service account": {func(i *issuer, tokenFile string) map[string]string {
			return map[string]string{"AWS_ROLE_ARN": "arn:aws:iam::111122223333:role/kerf", "AWS_WEB_IDENTITY_TOKEN_FILE": tokenFile, "AWS_ENDPOINT_URL_STS": i.URL + "/sts/"}
		}, []string{"first", "second"}},
		"Pod Identity": {func(i *issuer, tokenFile string) map[string]string {
			return map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": i.URL + "/v1/credentials", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": tokenFile}
		}, []string{"first", "second"}},
		"instance metadata": {func(i *issuer, _ string) map[string]string {
			return map[string]string{"AWS_EC2_METADATA_SERVICE_ENDPOINT": i.URL, "AWS_EC2_METADATA_DISABLED": "false"}
		}, []string{"imds-token"}},
	} {
		t.Run(name, func(t *testing.T) {
			s, i := startSim(t), newIssuer(t)
			tokenFile := filepath.Join(t.TempDir(), "token")
			write(t, tokenFile, "first")
			for _, variable := range os.Environ() { // what the machine that runs the test has
				if key, _, _ := strings.Cut(variable, "="); strings.HasPrefix(key, "AWS_") {
					t.Setenv(key, "")
				}
			}
			t.Setenv("AWS_REGION", region)
			t.Setenv("AWS_ENDPOINT_URL_EC2", s.URL())
			t.Setenv("AWS_CONFIG_FILE", filepath.Join(t.TempDir(), "none"))
			t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(t.TempDir(), "none"))
			for key, value := range tc.environment(i, tokenFile) {
				t.Setenv(key, value)
			}
			cfg, err := aws.LoadConfig(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			client := ec2.NewFromConfig(cfg)
			for _, token := range []string{"first", "second"} {
				write(t, tokenFile, token)
				if _, err := client.DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{}); err != nil {
					t.Fatalf("with the %s token: %v", token, err)
				}
			}
			i.mu.Lock()
			defer i.mu.Unlock()
			if !slices.Equal(i.tokens, tc.want) {
				t.Errorf("tokens shown: %q, want %q", i.tokens, tc.want)
			}
		})
	}
}
