package entra

import (
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// origin is the address that the client used: issuer and end points must carry it, or MSAL refuses them.
func origin(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}

// tenantID resolves the tenant of a URL: an id, or a domain name.
func (a *Authority) tenantID(tenant string) (string, *Error) {
	name := strings.ToLower(tenant)
	_, err := uuid.Parse(name)
	isID := err == nil && len(name) == 36
	domain := strings.Contains(name, ".") && !strings.ContainsAny(name, "/ ")
	switch {
	case name == "common" || name == "organizations" || name == "consumers":
		return "", failure(90002, tenant)
	case !isID && !domain:
		return "", failure(900023, tenant)
	case a.options.Tenant == "" && isID:
		return name, nil
	case a.options.Tenant == "":
		return derivedID("tenant", name), nil
	case name == strings.ToLower(a.options.Tenant) || slices.ContainsFunc(a.options.Domains, func(d string) bool { return strings.EqualFold(d, name) }):
		return strings.ToLower(a.options.Tenant), nil
	}
	return "", failure(90002, tenant)
}

func (a *Authority) discoveryV2(w http.ResponseWriter, r *http.Request, tenant string) {
	a.discovery(w, r, tenant, "v2.0", "/oauth2/v2.0", "/discovery/v2.0/keys")
}

func (a *Authority) discoveryV1(w http.ResponseWriter, r *http.Request, tenant string) {
	a.discovery(w, r, tenant, "", "/oauth2", "/discovery/keys")
}

func (a *Authority) discovery(w http.ResponseWriter, r *http.Request, tenant, version, oauth, keys string) {
	id, failed := a.tenantID(tenant)
	if failed != nil {
		a.refuse(w, r, failed)
		return
	}
	base := origin(r) + "/" + tenant
	answer(w, http.StatusOK, map[string]any{
		"issuer":                                origin(r) + "/" + id + "/" + version,
		"authorization_endpoint":                base + oauth + "/authorize",
		"token_endpoint":                        base + oauth + "/token",
		"jwks_uri":                              base + keys,
		"token_endpoint_auth_methods_supported": []string{"client_secret_post", "private_key_jwt", "client_secret_basic"},
		"grant_types_supported":                 []string{"client_credentials"},
		"response_types_supported":              []string{"code", "id_token", "code id_token", "id_token token"},
		"response_modes_supported":              []string{"query", "fragment", "form_post"},
		"subject_types_supported":               []string{"pairwise"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"scopes_supported":                      []string{"openid", "profile", "email", "offline_access"},
		"claims_supported":                      []string{"sub", "iss", "aud", "exp", "iat", "nbf", "tid", "oid", "appid", "ver"},
	})
}

// instance answers clients that ask whether an authority is genuine before they use it.
func (a *Authority) instance(w http.ResponseWriter, r *http.Request, _ string) {
	authorize := r.URL.Query().Get("authorization_endpoint")
	tenant := "common"
	if _, rest, ok := strings.Cut(authorize, "://"); ok {
		if parts := strings.Split(rest, "/"); len(parts) > 1 {
			tenant = parts[1]
		}
	}
	answer(w, http.StatusOK, map[string]any{
		"tenant_discovery_endpoint": origin(r) + "/" + tenant + "/v2.0/.well-known/openid-configuration",
		"api-version":               "1.1",
		"metadata": []any{map[string]any{
			"preferred_network": r.Host, "preferred_cache": r.Host, "aliases": []string{r.Host},
		}},
	})
}

func (a *Authority) keys(w http.ResponseWriter, r *http.Request, tenant string) {
	if _, failed := a.tenantID(tenant); failed != nil {
		a.refuse(w, r, failed)
		return
	}
	public := a.key().PublicKey
	answer(w, http.StatusOK, map[string]any{"keys": []any{map[string]any{
		"kty": "RSA", "use": "sig", "alg": "RS256", "kid": a.keyID(),
		"n": base64.RawURLEncoding.EncodeToString(public.N.Bytes()),
		"e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(public.E)).Bytes()),
	}}})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store, no-cache")
	w.Header().Set("Pragma", "no-cache")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	// A client that hung up is not worth an error.
	_ = json.NewEncoder(w).Encode(body)
}
