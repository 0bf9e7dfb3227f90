package dataverse

import (
	"net"
	"net/url"
	"regexp"
	"strings"

	"penstock/internal/cloud"
	"penstock/internal/fault"
)

// origin is scheme, host and port in one spelling: lower case, without a default port.
type origin string

func originOf(u *url.URL) origin {
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	scheme := strings.ToLower(u.Scheme)
	if port != "" && !(scheme == "https" && port == "443") && !(scheme == "http" && port == "80") {
		host += ":" + port
	}
	return origin(scheme + "://" + host)
}

var hostName = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$`)

// parseOrigin reads a configured address. Rule S1: it is Microsoft's, on https and
// the usual port, or the owner has allowed a custom host; plain http stays on this machine.
func parseOrigin(what, text string, microsoft func(host string) bool, allowCustom bool) (origin, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return "", fault.New(fault.Refused, "bad_url", "the %s is not an address like https://contoso.crm4.dynamics.com", what)
	}
	if u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return "", fault.New(fault.Refused, "bad_url", "the %s must be scheme and host only, without user, path or query", what)
	}
	host, ip := strings.ToLower(u.Hostname()), net.ParseIP(u.Hostname())
	if ip == nil && !hostName.MatchString(host) {
		return "", fault.New(fault.Refused, "bad_url", "the host of the %s is not a DNS name", what)
	}
	o := originOf(u)
	switch {
	case u.Scheme == "http" && !cloud.IsLoopback(host):
		return "", fault.New(fault.Refused, "insecure_url", "the %s uses plain http", what).
			Advise("use https; plain http is for loopback addresses only")
	case u.Scheme != "http" && u.Scheme != "https":
		return "", fault.New(fault.Refused, "bad_url", "the %s must start with https://", what)
	case o == origin("https://"+host) && microsoft(host):
		return o, nil
	case !allowCustom:
		return "", fault.New(fault.Refused, "custom_host", "the host of the %s is not one of Microsoft's", what).
			Advise("set allow_custom_host: true if credentials may be sent to %s", o)
	}
	return o, nil
}

// own resolves a link that the service handed out (next page, Location) and refuses it
// unless it stays on the connection's origin. Rule S1.
func (c *Client) own(link string) (string, error) {
	base, err := url.Parse(c.root)
	if err != nil {
		return "", err
	}
	u, err := base.Parse(link)
	if err != nil || u.User != nil || originOf(u) != c.origin {
		return "", fault.New(fault.Refused, "foreign_link", "the service handed out a link that leaves %s; it was not followed", c.origin)
	}
	return u.String(), nil
}
