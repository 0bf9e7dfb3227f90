package entra

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// maxForm bounds a token request; assertions have a few kilobytes.
const maxForm = 256 << 10

// request is a token request after its form was read.
type request struct {
	tenant   string // as in the URL
	tenantID string
	endpoint string
	base     string // the tenant's address, without a version
	client   string
	form     url.Values
}

func (a *Authority) tokenV2(w http.ResponseWriter, r *http.Request, tenant string) {
	a.token(w, r, tenant, func(q *request) (string, *Error) { return resourceOfScope(q.form.Get("scope")) }, answerV2)
}

func (a *Authority) tokenV1(w http.ResponseWriter, r *http.Request, tenant string) {
	a.token(w, r, tenant, func(q *request) (string, *Error) { return q.form.Get("resource"), q.require("resource") }, answerV1)
}

func (a *Authority) token(w http.ResponseWriter, r *http.Request, tenant string,
	resource func(*request) (string, *Error), respond func(http.ResponseWriter, Token)) {
	q, failed := a.read(w, r, tenant)
	if failed == nil {
		var token Token
		if token, failed = a.grant(q, resource); failed == nil {
			respond(w, token)
			return
		}
	}
	a.refuse(w, r, failed)
}

func (a *Authority) read(w http.ResponseWriter, r *http.Request, tenant string) (*request, *Error) {
	id, failed := a.tenantID(tenant)
	if failed != nil {
		return nil, failed
	}
	if r.Method != http.MethodPost {
		return nil, failure(900561, r.Method)
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return nil, failure(90014, "the body is not application/x-www-form-urlencoded")
	}
	q := &request{tenant: tenant, tenantID: id, base: origin(r) + "/" + tenant, endpoint: origin(r) + r.URL.Path, form: r.PostForm}
	if name, password, ok := r.BasicAuth(); ok {
		q.takeBasic(name, password)
	}
	q.client = q.form.Get("client_id")
	return q, nil
}

// takeBasic accepts client_secret_basic, whose parts are percent-encoded first.
func (q *request) takeBasic(name, password string) {
	if id, err := url.QueryUnescape(name); err == nil {
		q.form.Set("client_id", id)
	}
	if value, err := url.QueryUnescape(password); err == nil {
		q.form.Set("client_secret", value)
	}
}

func (q *request) require(field string) *Error {
	if q.form.Get(field) == "" {
		return failure(900144, field)
	}
	return nil
}

func (a *Authority) grant(q *request, resource func(*request) (string, *Error)) (Token, *Error) {
	if failed := q.require("grant_type"); failed != nil {
		return Token{}, failed
	}
	if grant := q.form.Get("grant_type"); grant != "client_credentials" {
		return Token{}, failure(70003, grant)
	}
	if failed := q.require("client_id"); failed != nil {
		return Token{}, failed
	}
	audience, failed := resource(q)
	if failed != nil {
		return Token{}, failed
	}
	app, ok := a.find(q.client)
	if !ok {
		return Token{}, failure(700016, q.client, q.tenant)
	}
	if failed := a.authenticate(q, app); failed != nil {
		return Token{}, failed
	}
	if a.options.Resource != nil && !a.options.Resource(strings.TrimSuffix(audience, "/")) {
		return Token{}, failure(500011, audience, q.tenant)
	}
	return a.issue(app, q.tenantID, audience, q.base), nil
}

// resourceOfScope finds the resource in a scope such as `https://acme.crm4.dynamics.com/.default`. MSAL adds the scopes
// of OpenID Connect to every request, and they mean nothing here.
func resourceOfScope(scope string) (string, *Error) {
	var resource string
	if strings.TrimSpace(scope) == "" {
		return "", failure(900144, "scope")
	}
	for _, s := range strings.Fields(scope) {
		switch s {
		case "openid", "profile", "offline_access", "email":
			continue
		}
		found, ok := strings.CutSuffix(s, "/.default")
		if !ok {
			return "", failure(1002012, s)
		}
		if u, err := url.Parse(found); err != nil || u.Scheme == "" || resource != "" {
			return "", failure(70011, scope)
		}
		resource = found
	}
	if resource == "" {
		return "", failure(70011, scope)
	}
	return resource, nil
}

func (a *Authority) authenticate(q *request, app application) *Error {
	if assertion := q.form.Get("client_assertion"); assertion != "" {
		if q.form.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
			return failure(900144, "client_assertion_type")
		}
		return a.checkAssertion(q, app, assertion)
	}
	given := q.form.Get("client_secret")
	if given == "" {
		return failure(7000218)
	}
	for _, s := range app.secrets {
		if !sameSecret(s.value, given) {
			continue
		}
		if !s.expires.IsZero() && !a.options.Now().Before(s.expires) {
			return failure(7000222, app.clientID)
		}
		return nil
	}
	return failure(7000215, app.clientID)
}

// sameSecret takes as long for a wrong secret as for the right one.
func sameSecret(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

func answerV2(w http.ResponseWriter, t Token) {
	seconds := int(t.Expires.Sub(t.Issued).Seconds())
	answer(w, http.StatusOK, map[string]any{
		"token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": t.Value,
	})
}

// answerV1 gives numbers as strings, as the older end point does.
func answerV1(w http.ResponseWriter, t Token) {
	seconds := strconv.Itoa(int(t.Expires.Sub(t.Issued).Seconds()))
	answer(w, http.StatusOK, map[string]any{
		"token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": t.Value,
		"expires_on": strconv.FormatInt(t.Expires.Unix(), 10), "not_before": strconv.FormatInt(t.Issued.Unix(), 10),
		"resource": t.Audience,
	})
}
