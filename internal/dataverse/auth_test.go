package dataverse

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"penstock/internal/fault"
)

// tenant is an environment with its authority, over TLS, as MSAL wants it.
type tenant struct {
	t      *testing.T
	server *httptest.Server
	pool   *x509.CertPool

	mu       sync.Mutex
	secret   string
	issued   int
	refuse   map[string]bool // tokens that the environment does not accept
	lifetime int             // seconds
	forms    []url.Values
	agents   []string
	// changes of what is normal; empty is normal
	tokenEndpoint string
	tokenFails    func(http.ResponseWriter) bool
	whoAmI        http.HandlerFunc
}

func newTenant(t *testing.T) *tenant {
	e := &tenant{t: t, secret: "right", refuse: map[string]bool{}, lifetime: 3599}
	e.server = httptest.NewTLSServer(e)
	t.Cleanup(e.server.Close)
	e.pool = x509.NewCertPool()
	e.pool.AddCert(e.server.Certificate())
	return e
}

func (e *tenant) client(credential string, change ...func(*Options)) *Client {
	e.t.Helper()
	credentials, err := ParseCredential([]byte(credential), true)
	if err != nil {
		e.t.Fatal(err)
	}
	opts := Options{URL: e.server.URL, Authority: e.server.URL, Tenant: "contoso.example", RootCAs: e.pool,
		AllowCustomHost: true, Credentials: credentials, Clock: newTestClock(), UserAgent: "penstock/test"}
	for _, f := range change {
		f(&opts)
	}
	c, err := Open(opts)
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(c.Close)
	return c
}

func (e *tenant) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	origin := e.server.URL
	out.Header().Set("Set-Cookie", "fpc=1; path=/")
	if r.Header.Get("Cookie") != "" {
		e.t.Error("a cookie came back")
	}
	switch r.URL.Path {
	case "/contoso.example/v2.0/.well-known/openid-configuration":
		endpoint := e.tokenEndpoint
		if endpoint == "" {
			endpoint = origin + "/contoso.example/oauth2/v2.0/token"
		}
		json.NewEncoder(out).Encode(map[string]string{"issuer": origin + "/contoso.example/v2.0",
			"authorization_endpoint": origin + "/contoso.example/oauth2/v2.0/authorize", "token_endpoint": endpoint})
	case "/contoso.example/oauth2/v2.0/token":
		e.token(out, r)
	case "/api/data/v9.2/WhoAmI":
		e.agents = append(e.agents, r.Header.Get("User-Agent"))
		token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		if e.whoAmI != nil {
			e.whoAmI(out, r)
			return
		}
		if token == "" || e.refuse[token] {
			out.Header().Set("WWW-Authenticate", "Bearer")
			out.WriteHeader(401)
			return
		}
		fmt.Fprintf(out, `{"UserId":"%s","OrganizationId":"o","BusinessUnitId":"b"}`, token)
	default:
		http.NotFound(out, r)
	}
}

func (e *tenant) token(out http.ResponseWriter, r *http.Request) {
	r.ParseForm()
	e.forms = append(e.forms, r.PostForm)
	if e.tokenFails != nil && e.tokenFails(out) {
		return
	}
	if r.PostForm.Get("client_assertion") == "" && r.PostForm.Get("client_secret") != e.secret {
		refuseToken(out, 401, "invalid_client", 7000215)
		return
	}
	e.issued++
	fmt.Fprintf(out, `{"token_type":"Bearer","expires_in":%d,"access_token":"token-%d"}`, e.lifetime, e.issued)
}

func refuseToken(out http.ResponseWriter, status int, code string, number int) {
	out.WriteHeader(status)
	fmt.Fprintf(out, `{"error":"%s","error_description":"AADSTS%d: no.\r\nTrace ID: x","error_codes":[%d]}`, code, number, number)
}

const goodSecret = `{"client_id":"c","client_secret":"right"}`

func TestSignInWithSecret(t *testing.T) {
	e := newTenant(t)
	c := e.client(goodSecret)
	var wg sync.WaitGroup
	for range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			if id, err := c.WhoAmI(t.Context()); err != nil || id.UserID != "token-1" {
				t.Errorf("%+v %v", id, err)
			}
		}()
	}
	wg.Wait()
	if e.issued != 1 {
		t.Errorf("%d tokens for eight calls at once", e.issued)
	}
	if scope := e.forms[0].Get("scope"); !strings.HasPrefix(scope, e.server.URL+"/.default") {
		t.Errorf("scope %q", scope)
	}
	if e.agents[0] != "penstock/test" {
		t.Errorf("user agent %q", e.agents[0])
	}
}

func TestTokenIsRenewed(t *testing.T) {
	e := newTenant(t)
	t.Run("once when it is refused", func(t *testing.T) {
		c := e.client(goodSecret)
		e.refuse["token-1"] = true
		if id, err := c.WhoAmI(t.Context()); err != nil || id.UserID != "token-2" {
			t.Errorf("%+v %v", id, err)
		}
		e.refuse["token-2"], e.refuse["token-3"] = true, true
		wantFault(t, whoAmI(c), fault.Denied, "token_refused")
		if e.issued != 3 {
			t.Errorf("%d tokens issued", e.issued)
		}
	})
	t.Run("before it expires", func(t *testing.T) {
		clock := newTestClock()
		clock.now = time.Now()
		e := newTenant(t)
		e.lifetime = 250 // MSAL keeps no token that lives less than five minutes, we do
		c := e.client(goodSecret, func(o *Options) { o.Clock = clock })
		for _, step := range []struct {
			after  time.Duration
			issued int
		}{{0, 1}, {3 * time.Minute, 1}, {time.Minute, 2}} {
			clock.After(step.after)
			if err := whoAmI(c); err != nil || e.issued != step.issued {
				t.Errorf("another %s later: %d tokens, %v", step.after, e.issued, err)
			}
		}
	})
	t.Run("later when the authority is out of reach", func(t *testing.T) {
		clock := newTestClock()
		clock.now = time.Now()
		e := newTenant(t)
		e.lifetime = 250
		c := e.client(goodSecret, func(o *Options) { o.Clock = clock })
		if err := whoAmI(c); err != nil {
			t.Fatal(err)
		}
		e.tokenFails = func(out http.ResponseWriter) bool { out.WriteHeader(503); return true }
		clock.After(210 * time.Second)
		if err := whoAmI(c); err != nil {
			t.Errorf("with a token that is still good: %v", err)
		}
	})
	t.Run("from its source", func(t *testing.T) {
		asked := 0
		source := func(context.Context) ([]Credential, error) {
			asked++
			return ParseCredential([]byte("fresh"), true)
		}
		e.refuse["stale"] = true
		c := e.client("stale", func(o *Options) { o.Source = source })
		if id, err := c.WhoAmI(t.Context()); err != nil || id.UserID != "fresh" || asked != 1 {
			t.Errorf("%+v %v, asked %d times", id, err, asked)
		}
		e.refuse["fresh"] = true
		wantFault(t, whoAmI(c), fault.Denied, "token_refused")
		if asked != 2 {
			t.Errorf("asked %d times", asked)
		}
	})
}

func TestRotatedSecretIsReadAgain(t *testing.T) {
	e := newTenant(t)
	asked, stored := 0, goodSecret
	source := func(context.Context) ([]Credential, error) { asked++; return ParseCredential([]byte(stored), false) }
	c := e.client(`{"client_id":"c","client_secret":"old"}`, func(o *Options) { o.Source = source })
	if err := whoAmI(c); err != nil || asked != 1 {
		t.Errorf("%v, asked %d times", err, asked)
	}
	stored = `{"client_id":"c","client_secret":"wrong too"}`
	c = e.client(stored, func(o *Options) { o.Source = source })
	wantFault(t, whoAmI(c), fault.Denied, "wrong_secret")
	if asked != 2 {
		t.Errorf("asked %d times", asked)
	}
}

func TestSignInRefusals(t *testing.T) {
	tests := []struct {
		number, status int
		kind           fault.Kind
		code           string
	}{
		{7000215, 401, fault.Denied, "wrong_secret"},
		{7000222, 401, fault.Denied, "expired_secret"},
		{700016, 400, fault.Denied, "unknown_application"},
		{90002, 400, fault.Denied, "unknown_tenant"},
		{500011, 400, fault.Denied, "unknown_environment"},
		{53003, 400, fault.Denied, "blocked_by_policy"},
		{123456, 400, fault.Denied, "sign_in_refused"},
		{90033, 400, fault.Interrupted, "unreachable"},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.number), func(t *testing.T) {
			e := newTenant(t)
			e.tokenFails = func(out http.ResponseWriter) bool {
				refuseToken(out, tt.status, "x", tt.number)
				return true
			}
			err := whoAmI(e.client(goodSecret))
			wantFault(t, err, tt.kind, tt.code)
			if strings.Contains(err.Error(), "Trace ID") || strings.Contains(err.Error(), "right") {
				t.Errorf("quotes the authority or the secret: %v", err)
			}
		})
	}
	t.Run("passing", func(t *testing.T) {
		e := newTenant(t)
		failed := false
		e.tokenFails = func(out http.ResponseWriter) bool {
			if failed {
				return false
			}
			failed = true
			refuseToken(out, 503, "temporarily_unavailable", 90033)
			return true
		}
		if err := whoAmI(e.client(goodSecret)); err != nil {
			t.Error(err)
		}
	})
	t.Run("no such tenant path", func(t *testing.T) {
		e := newTenant(t)
		wantFault(t, whoAmI(e.client(goodSecret, func(o *Options) { o.Tenant = "other.example" })), fault.Refused, "bad_authority")
	})
}

// Rule S1.
func TestSecretsStayWithTheAuthority(t *testing.T) {
	thief := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("%s %s reached another host", r.Method, r.URL)
	}))
	defer thief.Close()
	t.Run("token endpoint elsewhere", func(t *testing.T) {
		e := newTenant(t)
		e.pool.AddCert(thief.Certificate())
		e.tokenEndpoint = thief.URL + "/token"
		wantFault(t, whoAmI(e.client(goodSecret)), fault.Refused, "foreign_authority")
	})
	t.Run("token endpoint redirects", func(t *testing.T) {
		e := newTenant(t)
		e.tokenFails = func(out http.ResponseWriter) bool {
			out.Header().Set("Location", thief.URL)
			out.WriteHeader(307)
			return true
		}
		wantFault(t, whoAmI(e.client(goodSecret)), fault.Denied, "sign_in_refused")
	})
	t.Run("environment redirects", func(t *testing.T) {
		e := newTenant(t)
		e.whoAmI = func(out http.ResponseWriter, _ *http.Request) {
			out.Header().Set("Location", thief.URL)
			out.WriteHeader(302)
		}
		wantFault(t, whoAmI(e.client(goodSecret)), fault.Refused, "redirected")
	})
}

func TestUntrustedCertificate(t *testing.T) {
	e := newTenant(t)
	wantFault(t, whoAmI(e.client("token", func(o *Options) { o.RootCAs = x509.NewCertPool() })), fault.Refused, "untrusted_certificate")
	wantFault(t, whoAmI(e.client(goodSecret, func(o *Options) { o.RootCAs = x509.NewCertPool() })), fault.Refused, "untrusted_certificate")
}

func TestSignInWithCertificate(t *testing.T) {
	certificate, key := newCertificate(t)
	e := newTenant(t)
	credential, _ := json.Marshal(map[string]string{"client_id": "c", "certificate": certificate, "private_key": key})
	if err := whoAmI(e.client(string(credential))); err != nil {
		t.Fatal(err)
	}
	if form := e.forms[0]; form.Get("client_assertion") == "" || form.Get("client_secret") != "" {
		t.Errorf("form %v", form)
	}
}

func TestSeveralUsersShareTheLoad(t *testing.T) {
	e := newTenant(t)
	throttled := false
	e.whoAmI = func(out http.ResponseWriter, r *http.Request) {
		user := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		if user == "one" {
			throttled = true
			out.Header().Set("Retry-After", "3600")
			out.WriteHeader(429)
			return
		}
		fmt.Fprintf(out, `{"Version":"%s"}`, user)
	}
	c := e.client(`[{"access_token":"one"},{"access_token":"two"}]`)
	var got struct{ Version string }
	if err := c.get(t.Context(), "WhoAmI", &got); err != nil || got.Version != "two" || !throttled {
		t.Errorf("%+v %v", got, err)
	}
}

func whoAmI(c *Client) error {
	_, err := c.WhoAmI(context.Background())
	return err
}

func wantFault(t *testing.T, err error, kind fault.Kind, code string) {
	t.Helper()
	if f, ok := fault.As(err); !ok || f.Kind != kind || f.Code != code {
		t.Errorf("got %v, want %s %s", err, kind, code)
	}
}

func newCertificate(t *testing.T) (certificate, key string) {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "penstock"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
}

func TestParseCredential(t *testing.T) {
	certificate, key := newCertificate(t)
	_, otherKey := newCertificate(t)
	object := func(certificate, key string) string {
		text, _ := json.Marshal(map[string]string{"client_id": "c", "certificate": certificate, "private_key": key})
		return string(text)
	}
	tests := []struct {
		name, text string
		bare       bool
		want       string // String of each, joined; "" is an error
	}{
		{"secret", ` {"client_id":"c","client_secret":"s3cret"} `, false, "client c with a secret"},
		{"certificate", object(certificate, key), false, "client c with a certificate"},
		{"token", `{"access_token":"eyJ"}`, false, "an access token"},
		{"list", `[{"client_id":"c","client_secret":"s3cret"},{"access_token":"eyJ"}]`, false, "client c with a secret, an access token"},
		{"bare", "eyJ.x-y_z=\n", true, "an access token"},
		{"bare in quotes", `"eyJ"`, true, "an access token"},
		{"bare not allowed", "eyJ", false, ""},
		{"bare of several words", "s3cret and more", true, ""},
		{"empty", " ", true, ""},
		{"empty list", "[]", true, ""},
		{"unknown field", `{"client_id":"c","secret":"s3cret"}`, true, ""},
		{"both ways", `{"client_id":"c","client_secret":"s3cret","access_token":"x"}`, true, ""},
		{"no client", `{"client_secret":"s3cret"}`, true, ""},
		{"half a certificate", object(certificate, ""), true, ""},
		{"key of another", object(certificate, otherKey), true, ""},
		{"trailing", `{"access_token":"s3cret"} s3cret`, true, ""},
		{"cut", `{"access_token":"s3cret`, true, ""},
		{"bad in list", `[{"access_token":"x"},{"client_secret":"s3cret"}]`, true, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseCredential([]byte(tt.text), tt.bare)
			if (err != nil) != (tt.want == "") {
				t.Fatalf("%v %v", got, err)
			}
			if err != nil {
				wantFault(t, err, fault.Denied, "bad_credential")
				if strings.Contains(err.Error(), "s3cret") {
					t.Errorf("quotes the secret: %v", err)
				}
				return
			}
			var texts []string
			for _, c := range got {
				texts = append(texts, c.String())
			}
			if joined := strings.Join(texts, ", "); joined != tt.want {
				t.Errorf("%s", joined)
			}
			for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
				if text := fmt.Sprintf(format, struct{ C []Credential }{got}); strings.Contains(text, "s3cret") || strings.Contains(text, "eyJ") {
					t.Errorf("%s prints %s", format, text)
				}
			}
		})
	}
}

func FuzzParseCredential(f *testing.F) {
	f.Add([]byte(goodSecret), true)
	f.Add([]byte(`[{"access_token":"x"}]`), false)
	f.Add([]byte(`"x"`), true)
	f.Fuzz(func(t *testing.T, data []byte, bare bool) {
		list, err := ParseCredential(data, bare)
		if (err == nil) != (len(list) > 0) {
			t.Errorf("%v %v", list, err)
		}
		if err != nil && fault.KindOf(err) != fault.Denied {
			t.Errorf("%v", err)
		}
	})
}
