// Package cloud knows Microsoft's clouds: which hosts are environments and which may see a secret (rule S1).
package cloud

import (
	"net"
	"strings"
)

// Public is the suffix of environments in the public cloud; GCC shares it (crm9).
const Public = "dynamics.com"

// clouds are Microsoft's: where environments live and who signs for them. New
// regions appear (crm22 …), so only the ends of host names are fixed.
var clouds = []struct{ suffix, authority string }{
	{Public, "https://login.microsoftonline.com"},
	{"microsoftdynamics.us", "https://login.microsoftonline.us"}, // GCC High
	{"appsplatform.us", "https://login.microsoftonline.us"},      // DoD
	{"dynamics.cn", "https://login.partner.microsoftonline.cn"},  // 21Vianet
}

// authorities are Microsoft's sign-in hosts. Regional ones are labels below login.microsoft.com.
var authorities = map[string]bool{
	"login.microsoftonline.com":        true,
	"login.windows.net":                true,
	"login.microsoft.com":              true,
	"sts.windows.net":                  true,
	"login.microsoftonline.us":         true,
	"login-us.microsoftonline.com":     true,
	"login.usgovcloudapi.net":          true,
	"login.partner.microsoftonline.cn": true,
	"login.chinacloudapi.cn":           true,
}

// IsEnvironment tells whether a host (lower case, no port) is one of Microsoft's environments.
func IsEnvironment(host string) bool {
	_, ok := find(host)
	return ok
}

// Authority is the origin that signs for an environment's host; the public cloud's for a host that is none of Microsoft's.
func Authority(host string) string {
	authority, _ := find(host)
	return authority
}

func find(host string) (authority string, ok bool) {
	for _, c := range clouds {
		if strings.HasSuffix(host, "."+c.suffix) && len(host) > len(c.suffix)+1 {
			return c.authority, true
		}
	}
	return clouds[0].authority, false
}

// IsAuthority tells whether a host (lower case, no port) is a sign-in host of Microsoft's.
func IsAuthority(host string) bool {
	return authorities[host] || strings.HasSuffix(host, ".login.microsoft.com")
}

// IsLoopback tells whether a host can only be this machine.
func IsLoopback(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}
