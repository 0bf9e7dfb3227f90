package dataverse

import (
	"testing"

	"penstock/internal/fault"
)

func TestOpenChecksAddresses(t *testing.T) {
	token := []Credential{{token: hidden("x")}}
	secret := []Credential{{clientID: "c", secret: hidden("x")}}
	tests := []struct {
		name string
		opts Options
		code string // "" opens
	}{
		{"Microsoft's", Options{URL: "https://Contoso.CRM4.dynamics.com/"}, ""},
		{"with its port", Options{URL: "https://contoso.crm4.dynamics.com:443"}, ""},
		{"another cloud", Options{URL: "https://contoso.crm.dynamics.cn"}, ""},
		{"not quite Microsoft's", Options{URL: "https://contoso.crm4.dynamics.com.evil.example"}, "custom_host"},
		{"suffix without a dot", Options{URL: "https://evildynamics.com"}, "custom_host"},
		{"odd port", Options{URL: "https://contoso.crm4.dynamics.com:8443"}, "custom_host"},
		{"custom, allowed", Options{URL: "https://proxy.example:8443", AllowCustomHost: true}, ""},
		{"loopback http", Options{URL: "http://127.0.0.1:8080", AllowCustomHost: true}, ""},
		{"loopback http, IPv6", Options{URL: "http://[::1]:8080", AllowCustomHost: true}, ""},
		{"loopback http, not allowed", Options{URL: "http://localhost:8080"}, "custom_host"},
		{"http elsewhere", Options{URL: "http://contoso.crm4.dynamics.com", AllowCustomHost: true}, "insecure_url"},
		{"loopback in name only", Options{URL: "http://127.0.0.1.evil.example", AllowCustomHost: true}, "insecure_url"},
		{"user", Options{URL: "https://contoso.crm4.dynamics.com@evil.example", AllowCustomHost: true}, "bad_url"},
		{"path", Options{URL: "https://contoso.crm4.dynamics.com/api/data", AllowCustomHost: true}, "bad_url"},
		{"query", Options{URL: "https://contoso.crm4.dynamics.com?x=1"}, "bad_url"},
		{"no scheme", Options{URL: "contoso.crm4.dynamics.com"}, "bad_url"},
		{"other scheme", Options{URL: "ftp://contoso.crm4.dynamics.com"}, "bad_url"},
		{"empty", Options{}, "bad_url"},
		{"odd host", Options{URL: "https://contoso%2fevil.dynamics.com"}, "bad_url"},
		{"own authority", Options{URL: "https://contoso.crm4.dynamics.com", Authority: "https://login.microsoftonline.us"}, ""},
		{"foreign authority", Options{URL: "https://contoso.crm4.dynamics.com", Authority: "https://login.evil.example"}, "custom_host"},
		{"environment as authority", Options{URL: "https://contoso.crm4.dynamics.com", Authority: "https://other.crm4.dynamics.com"}, "custom_host"},
		{"tenant missing", Options{URL: "https://contoso.crm4.dynamics.com", Credentials: secret}, "bad_tenant"},
		{"tenant with a path", Options{URL: "https://contoso.crm4.dynamics.com", Credentials: secret, Tenant: "x/../y"}, "bad_tenant"},
		{"tenant", Options{URL: "https://contoso.crm4.dynamics.com", Credentials: secret, Tenant: "contoso.onmicrosoft.com"}, ""},
		{"no credential", Options{URL: "https://contoso.crm4.dynamics.com", Credentials: []Credential{}}, "no_credential"},
		{"version", Options{URL: "https://contoso.crm4.dynamics.com", APIVersion: "v9.2/../x"}, "bad_api_version"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.opts.Credentials == nil {
				tt.opts.Credentials = token
			}
			_, err := Open(tt.opts)
			if tt.code == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantFault(t, err, fault.Refused, tt.code)
		})
	}
}

func TestAuthorityFollowsTheCloud(t *testing.T) {
	for address, want := range map[string]string{
		"https://contoso.crm4.dynamics.com":         "https://login.microsoftonline.com/t",
		"https://contoso.crm.microsoftdynamics.us":  "https://login.microsoftonline.us/t",
		"https://contoso.crm.dynamics.cn":           "https://login.partner.microsoftonline.cn/t",
		"https://proxy.example/":                    "https://login.microsoftonline.com/t",
		"https://contoso.api.crm4.dynamics.com:443": "https://login.microsoftonline.com/t",
	} {
		c, err := Open(Options{URL: address, Tenant: "t", AllowCustomHost: true, Credentials: []Credential{{clientID: "c", secret: hidden("x")}}})
		if err != nil {
			t.Fatal(err)
		}
		if got := c.limiter.users[0].tokens.signIn.authority; got != want {
			t.Errorf("%s: %s", address, got)
		}
	}
}

func TestLinksStayOnTheOrigin(t *testing.T) {
	c, err := Open(Options{URL: "https://contoso.crm4.dynamics.com", Credentials: []Credential{{token: hidden("x")}}})
	if err != nil {
		t.Fatal(err)
	}
	for link, ok := range map[string]bool{
		"https://contoso.crm4.dynamics.com/api/data/v9.2/contacts?$skiptoken=%3Ccookie": true,
		"https://CONTOSO.crm4.dynamics.com:443/x":                                       true,
		"/api/data/v9.2/contacts":                                                       true,
		"contacts?page=2":                                                               true,
		"https://contoso.crm4.dynamics.com.evil.example/":                               false,
		"https://contoso.crm4.dynamics.com:8443/":                                       false,
		"http://contoso.crm4.dynamics.com/":                                             false,
		"//evil.example/api/data/v9.2/contacts":                                         false,
		"https://user@contoso.crm4.dynamics.com/":                                       false,
		"https://evil.example\\@contoso.crm4.dynamics.com/":                             false,
	} {
		if _, err := c.own(link); (err == nil) != ok {
			t.Errorf("%s: %v", link, err)
		}
	}
}
