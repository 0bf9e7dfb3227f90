package cloud

import "testing"

func TestHosts(t *testing.T) {
	for _, c := range []struct {
		host                   string
		environment, authority bool
		signs                  string
	}{
		{"contoso.crm4.dynamics.com", true, false, "https://login.microsoftonline.com"},
		{"contoso.api.crm4.dynamics.com", true, false, "https://login.microsoftonline.com"},
		{"agency.crm.microsoftdynamics.us", true, false, "https://login.microsoftonline.us"},
		{"unit.crm.appsplatform.us", true, false, "https://login.microsoftonline.us"},
		{"contoso.crm.dynamics.cn", true, false, "https://login.partner.microsoftonline.cn"},
		{"dynamics.com", false, false, "https://login.microsoftonline.com"},
		{".dynamics.com", false, false, "https://login.microsoftonline.com"},
		{"evil-dynamics.com", false, false, "https://login.microsoftonline.com"},
		{"contoso.crm4.dynamics.com.evil.example", false, false, "https://login.microsoftonline.com"},
		{"login.microsoftonline.com", false, true, "https://login.microsoftonline.com"},
		{"westeurope.login.microsoft.com", false, true, "https://login.microsoftonline.com"},
		{"login.microsoftonline.com.evil.example", false, false, "https://login.microsoftonline.com"},
		{"evillogin.microsoft.com", false, false, "https://login.microsoftonline.com"},
	} {
		if IsEnvironment(c.host) != c.environment || IsAuthority(c.host) != c.authority || Authority(c.host) != c.signs {
			t.Errorf("%s: environment %v, authority %v, signed by %s", c.host, IsEnvironment(c.host), IsAuthority(c.host), Authority(c.host))
		}
	}
	for host, want := range map[string]bool{"localhost": true, "127.0.0.1": true, "127.8.8.8": true, "::1": true, "10.0.0.1": false, "localhost.example": false} {
		if IsLoopback(host) != want {
			t.Errorf("%s: loopback %v", host, !want)
		}
	}
}
