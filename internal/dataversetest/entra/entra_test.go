package entra

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/confidential"
	msalerrors "github.com/AzureAD/microsoft-authentication-library-for-go/apps/errors"
)

const (
	client   = "11111111-2222-3333-4444-555555555555"
	tenant   = "5c1d0000-0000-4000-8000-000000000001"
	resource = "https://acme.crm4.dynamics.com"
)

var testKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func testCertificate(t *testing.T, serial int64) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "loader"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &testKey().PublicKey, testKey())
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

func start(t *testing.T, o Options) (*Authority, *httptest.Server) {
	t.Helper()
	a := New(o)
	server := httptest.NewTLSServer(a)
	t.Cleanup(server.Close)
	return a, server
}

// msal is Microsoft's own client, pointed at the authority.
func msal(t *testing.T, server *httptest.Server, credential confidential.Credential) confidential.Client {
	t.Helper()
	t.Setenv("MSAL_FORCE_REGION", "")
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	c, err := confidential.New(server.URL+"/"+tenant, client, credential,
		confidential.WithInstanceDiscovery(false),
		confidential.WithHTTPClient(&http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestMSALWithSecret(t *testing.T) {
	a, server := start(t, Options{})
	a.AddSecret(client, "abc~xyz %+&", time.Time{})
	credential, err := confidential.NewCredFromSecret("abc~xyz %+&")
	if err != nil {
		t.Fatal(err)
	}
	result, err := msal(t, server, credential).AcquireTokenByCredential(context.Background(), []string{resource + "/.default"})
	if err != nil {
		t.Fatal(err)
	}
	principal, err := a.Verify(result.AccessToken, resource+"/")
	if err != nil || principal.ClientID != client || principal.TenantID != tenant || principal.ObjectID == "" {
		t.Errorf("Verify = %+v, %v", principal, err)
	}
}

func TestMSALWithCertificate(t *testing.T) {
	a, server := start(t, Options{})
	certificate := testCertificate(t, 1)
	a.AddCertificate(client, certificate)
	credential, err := confidential.NewCredFromCert([]*x509.Certificate{certificate}, testKey())
	if err != nil {
		t.Fatal(err)
	}
	result, err := msal(t, server, credential).AcquireTokenByCredential(context.Background(), []string{resource + "/.default"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Verify(result.AccessToken, resource); err != nil {
		t.Error(err)
	}
	a.RevokeCertificate(client, certificate)
	_, err = msal(t, server, credential).AcquireTokenByCredential(context.Background(), []string{resource + "/.default"})
	var refused msalerrors.CallErr
	if !errors.As(err, &refused) || refused.Resp.StatusCode != 401 || !strings.Contains(err.Error(), "AADSTS700027") {
		t.Errorf("after revocation: %v", err)
	}
}

func TestRotation(t *testing.T) {
	a, server := start(t, Options{})
	a.AddSecret(client, "old", time.Time{})
	a.AddSecret(client, "new", time.Time{})
	a.RevokeSecret(client, "old")
	if status, body := post(t, server, tenant, form("client_secret", "old")); status != 401 || code(body) != 7000215 {
		t.Errorf("old secret: %d %v", status, body)
	}
	if status, body := post(t, server, tenant, form("client_secret", "new")); status != 200 {
		t.Errorf("new secret: %d %v", status, body)
	}
}

// form is a good request with some fields changed; an empty value drops the field.
func form(changes ...string) url.Values {
	f := url.Values{"grant_type": {"client_credentials"}, "client_id": {client}, "client_secret": {"right"}, "scope": {resource + "/.default openid"}}
	for i := 0; i < len(changes); i += 2 {
		f.Set(changes[i], changes[i+1])
		if changes[i+1] == "" {
			f.Del(changes[i])
		}
	}
	return f
}

func post(t *testing.T, server *httptest.Server, tenant string, f url.Values) (int, map[string]any) {
	t.Helper()
	return postTo(t, server, "/"+tenant+"/oauth2/v2.0/token", f)
}

func postTo(t *testing.T, server *httptest.Server, path string, f url.Values) (int, map[string]any) {
	t.Helper()
	response, err := server.Client().PostForm(server.URL+path, f)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var body map[string]any
	if err := json.Unmarshal(data, &body); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	return response.StatusCode, body
}

func code(body map[string]any) int {
	codes, _ := body["error_codes"].([]any)
	if len(codes) != 1 {
		return 0
	}
	n, _ := codes[0].(float64)
	return int(n)
}

func TestRefusals(t *testing.T) {
	a, server := start(t, Options{Tenant: tenant, Domains: []string{"acme.onmicrosoft.com"}, Resource: func(url string) bool { return url == resource }})
	a.AddSecret(client, "right", time.Time{})
	a.AddSecret(client, "expired", time.Now().Add(-time.Hour))
	for _, c := range []struct {
		name, tenant string
		form         url.Values
		status, code int
		oauth        string
	}{
		{"wrong secret", tenant, form("client_secret", "wrong"), 401, 7000215, "invalid_client"},
		{"expired secret", tenant, form("client_secret", "expired"), 401, 7000222, "invalid_client"},
		{"no credential", tenant, form("client_secret", ""), 401, 7000218, "invalid_client"},
		{"unknown application", tenant, form("client_id", "99999999-2222-3333-4444-555555555555"), 400, 700016, "unauthorized_client"},
		{"other tenant", "5c1d0000-0000-4000-8000-00000000ffff", form(), 400, 90002, "invalid_request"},
		{"common", "common", form(), 400, 90002, "invalid_request"},
		{"not a tenant", "acme", form(), 400, 900023, "invalid_request"},
		{"no grant", tenant, form("grant_type", ""), 400, 900144, "invalid_request"},
		{"other grant", tenant, form("grant_type", "password"), 400, 70003, "unsupported_grant_type"},
		{"no scope", tenant, form("scope", ""), 400, 900144, "invalid_request"},
		{"only OIDC scopes", tenant, form("scope", "openid profile"), 400, 70011, "invalid_scope"},
		{"scope without default", tenant, form("scope", resource+"/user_impersonation"), 400, 1002012, "invalid_scope"},
		{"unknown resource", tenant, form("scope", "https://other.crm4.dynamics.com/.default"), 400, 500011, "invalid_resource"},
		{"no assertion type", tenant, form("client_secret", "", "client_assertion", "a.b.c"), 400, 900144, "invalid_request"},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, body := post(t, server, c.tenant, c.form)
			if status != c.status || code(body) != c.code || body["error"] != c.oauth {
				t.Errorf("%d %v", status, body)
			}
			description, _ := body["error_description"].(string)
			if !strings.HasPrefix(description, "AADSTS") || !strings.Contains(description, "\r\nTrace ID: ") {
				t.Errorf("description %q", description)
			}
		})
	}
	if status, _ := post(t, server, "ACME.onmicrosoft.com", form()); status != 200 {
		t.Errorf("by domain: %d", status)
	}
}

func TestVersion1(t *testing.T) {
	a, server := start(t, Options{Lifetime: 90 * time.Second})
	a.AddSecret(client, "right", time.Time{})
	status, body := postTo(t, server, "/"+tenant+"/oauth2/token", form("scope", "", "resource", resource))
	if status != 200 || body["expires_in"] != "90" || body["resource"] != resource {
		t.Errorf("%d %v", status, body)
	}
	if status, body := postTo(t, server, "/"+tenant+"/oauth2/token", form("scope", "")); status != 400 || code(body) != 900144 {
		t.Errorf("without resource: %d %v", status, body)
	}
}

// assert signs a client assertion by hand.
func assert(t *testing.T, header, claims map[string]any) string {
	t.Helper()
	h, _ := json.Marshal(header)
	c, _ := json.Marshal(claims)
	text := encode(h) + "." + encode(c)
	digest := sha256.Sum256([]byte(text))
	var signature []byte
	var err error
	if header["alg"] == "PS256" {
		signature, err = rsa.SignPSS(rand.Reader, testKey(), crypto.SHA256, digest[:], nil)
	} else {
		signature, err = rsa.SignPKCS1v15(rand.Reader, testKey(), crypto.SHA256, digest[:])
	}
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + encode(signature)
}

func TestAssertions(t *testing.T) {
	a, server := start(t, Options{})
	certificate := testCertificate(t, 2)
	a.AddCertificate(client, certificate)
	short, long := sha1.Sum(certificate.Raw), sha256.Sum256(certificate.Raw)
	now := time.Now()
	good := func() (map[string]any, map[string]any) {
		return map[string]any{"alg": "RS256", "typ": "JWT", "x5t": encode(short[:])},
			map[string]any{"aud": server.URL + "/" + tenant + "/oauth2/v2.0/token", "iss": client, "sub": client, "jti": "1",
				"nbf": now.Unix(), "exp": now.Add(10 * time.Minute).Unix()}
	}
	for _, c := range []struct {
		name   string
		change func(header, claims map[string]any)
		code   int // 0 is success
	}{
		{"RS256 and x5t", func(h, c map[string]any) {}, 0},
		{"x5t in plain base64", func(h, c map[string]any) { h["x5t"] = base64.StdEncoding.EncodeToString(short[:]) }, 0},
		{"PS256 and x5t#S256", func(h, c map[string]any) {
			delete(h, "x5t")
			h["alg"], h["x5t#S256"] = "PS256", encode(long[:])
		}, 0},
		{"several audiences", func(h, c map[string]any) { c["aud"] = []string{"x", server.URL + "/" + tenant + "/v2.0"} }, 0},
		{"other certificate", func(h, c map[string]any) { h["x5t"] = encode(make([]byte, 20)) }, 700027},
		{"signature of another algorithm", func(h, c map[string]any) { h["alg"] = "none" }, 700027},
		{"no thumbprint", func(h, c map[string]any) { delete(h, "x5t") }, 50012},
		{"other audience", func(h, c map[string]any) { c["aud"] = "https://login.example/token" }, 700023},
		{"other issuer", func(h, c map[string]any) { c["iss"] = "someone" }, 700021},
		{"expired", func(h, c map[string]any) { c["exp"] = now.Add(-10 * time.Minute).Unix() }, 700024},
		{"not valid yet", func(h, c map[string]any) { c["nbf"] = now.Add(10 * time.Minute).Unix() }, 700024},
	} {
		t.Run(c.name, func(t *testing.T) {
			header, claims := good()
			c.change(header, claims)
			f := form("client_secret", "", "client_assertion", assert(t, header, claims),
				"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
			status, body := post(t, server, tenant, f)
			if c.code == 0 && status != 200 || c.code != 0 && (status != 401 || code(body) != c.code) {
				t.Errorf("%d %v", status, body)
			}
		})
	}
}

func TestVerify(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	a := New(Options{Now: func() time.Time { return now }})
	a.Register(client, "0B1EC7ED-0000-4000-8000-000000000001")
	token, err := a.Issue(client, tenant, resource)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := a.Verify(token.Value, "HTTPS://acme.crm4.dynamics.com/"); err != nil || p.ObjectID != "0b1ec7ed-0000-4000-8000-000000000001" {
		t.Errorf("%+v %v", p, err)
	}
	for _, c := range []struct {
		name, token, audience string
		after                 time.Duration
		want                  error
	}{
		{"expired", token.Value, resource, time.Hour, ErrExpired},
		{"another environment", token.Value, "https://other.crm4.dynamics.com", 0, ErrAudience},
		{"changed", token.Value[:len(token.Value)-8] + "AAAAAAAA", resource, 0, ErrSignature},
		{"nonsense", "abc", resource, 0, ErrMalformed},
		{"before its time", token.Value, resource, -time.Hour, ErrNotYet},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := now
			now = now.Add(c.after)
			defer func() { now = before }()
			if _, err := a.Verify(c.token, c.audience); !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}

func TestKeysVerifyTokens(t *testing.T) {
	a, server := start(t, Options{})
	a.Register(client, "")
	token, err := a.Issue(client, tenant, resource)
	if err != nil {
		t.Fatal(err)
	}
	response, err := server.Client().Get(server.URL + "/" + tenant + "/discovery/v2.0/keys")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var set struct{ Keys []struct{ N, E, Kid string } }
	if err := json.NewDecoder(response.Body).Decode(&set); err != nil || len(set.Keys) != 1 {
		t.Fatal(err, set)
	}
	n, _ := base64.RawURLEncoding.DecodeString(set.Keys[0].N)
	e, _ := base64.RawURLEncoding.DecodeString(set.Keys[0].E)
	key := &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
	parts := strings.Split(token.Value, ".")
	signature, _ := base64.RawURLEncoding.DecodeString(parts[2])
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err := rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature); err != nil {
		t.Error(err)
	}
}

func TestIsPath(t *testing.T) {
	for path, want := range map[string]bool{
		"/" + tenant + "/oauth2/v2.0/token":                     true,
		"/" + tenant + "/v2.0/.well-known/openid-configuration": true,
		"/api/data/v9.2/contacts":                               false,
		"/api/data/v9.2/$batch":                                 false,
		"/":                                                     false,
		"/common/discovery/instance":                            true,
	} {
		if IsPath(path) != want {
			t.Errorf("IsPath(%q) = %t", path, !want)
		}
	}
}

func FuzzVerify(f *testing.F) {
	a := New(Options{})
	f.Add("a.b.c")
	f.Add("eyJhbGciOiJSUzI1NiJ9.e30.AAAA")
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Fuzz(func(t *testing.T, token string) {
		if _, err := a.Verify(token, resource); err == nil {
			t.Error("a token that nobody issued was accepted")
		}
	})
}
