package config

import (
	"net/netip"
	"net/url"
	"strings"
)

// origin reads a URL that must be nothing but an origin and returns it in one
// spelling: no default port, no slash at the end. The complaint is empty when
// all is well; it never quotes the URL, which may hold a password.
func origin(text string) (u *url.URL, complaint, cure string) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, "is not a URL", "write https://NAME.REGION.dynamics.com"
	}
	switch {
	case u.Scheme != "https" && u.Scheme != "http" || u.Opaque != "":
		return nil, "does not start with https://", "write https://NAME.REGION.dynamics.com"
	case u.User != nil:
		return nil, "holds a user name or password", "credentials belong into credential"
	case u.Host != strings.ToLower(u.Host) || !strings.HasPrefix(text, u.Scheme):
		return nil, "has capital letters", "write it in lower case"
	case u.Hostname() == "" || !plainHost(u):
		return nil, "has no proper host", "write https://NAME.REGION.dynamics.com"
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.HasSuffix(text, "#"):
		return nil, "has more than a host", "write only https://" + u.Host
	}
	if port := u.Port(); port == "443" && u.Scheme == "https" || port == "80" && u.Scheme == "http" || strings.HasSuffix(u.Host, ":") {
		u.Host = strings.TrimSuffix(u.Host, ":"+port)
	}
	u.Path, u.RawPath = "", ""
	return u, "", ""
}

// plainHost holds for DNS names and IP addresses, without escapes, zones and empty labels.
func plainHost(u *url.URL) bool {
	host := u.Hostname()
	if strings.HasPrefix(u.Host, "[") {
		ip, err := netip.ParseAddr(host)
		return err == nil && ip.Zone() == ""
	}
	for label := range strings.SplitSeq(host, ".") {
		if !isLabel(label) {
			return false
		}
	}
	return true
}

// isLabel holds for a single DNS label in lower case.
func isLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}
