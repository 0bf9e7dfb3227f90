package config

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"penstock/internal/cloud"
	"penstock/internal/near"
)

// apiVersions are the Web API versions that Penstock speaks; the last is the default.
var apiVersions = []string{"v8.2", "v9.0", "v9.1", "v9.2"}

const (
	maxRequests = 1_000_000_000_000
	maxInFlight = 52 // requests at once that the service's protection limits grant an application user
)

var (
	// namePattern: names become segments of S3 keys and of paths.
	namePattern   = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)
	tenantPattern = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z.-]*$`)
	envPattern    = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	secretPattern = regexp.MustCompile(`^[A-Za-z0-9/_+=.@:-]+$`) // names and ARNs of Secrets Manager
)

// config reads the whole file.
func (r *reader) config(root ast.Node, c *Config) {
	lines := r.section(root, "",
		field{"connections", func(n ast.Node, _ string) {
			r.named(n, "connection", func(e entry, where string) { c.Connections[e.name] = r.connection(e, where) })
		}},
		field{"destinations", func(n ast.Node, _ string) {
			r.named(n, "destination", func(e entry, where string) { c.Destinations[e.name] = r.destination(e, where) })
		}},
	)
	if lines != nil && lines["connections"] == 0 {
		r.add(1, "there is no section \"connections\"").Advise("say where to write: see examples/penstock.yaml")
	}
	r.known(c)
}

// named reads a section of things with names of the user's choice.
func (r *reader) named(n ast.Node, what string, take func(e entry, where string)) {
	entries, ok := r.entries(n, what+"s")
	if ok && len(entries) == 0 {
		r.add(lineOf(n), "%ss: is empty", what).Advise("describe at least one %s, or remove the line", what)
	}
	for _, e := range entries {
		where := what + " " + quote(e.name)
		if !namePattern.MatchString(e.name) {
			r.add(e.line, "%s: the name is not allowed", where).
				Advise("1 to 63 lower-case letters, digits and hyphens, not starting with a hyphen: it becomes part of object keys")
		}
		take(e, where)
	}
}

// known checks that destinations name connections that exist.
func (r *reader) known(c *Config) {
	names := namesOf(c.Connections)
	for _, name := range namesOf(c.Destinations) {
		d := c.Destinations[name]
		if d.Connection == "" || c.Connections[d.Connection] != nil {
			continue
		}
		problem := r.add(r.connectionLine[d.Name], "destination %q: there is no connection %s", d.Name, quote(d.Connection))
		problem.Advise("%s", hint(d.Connection, names))
	}
}

// hint names the nearest of names, or all of them when they are few.
func hint(name string, names []string) string {
	if like := near.Name(name, names); like != "" {
		return fmt.Sprintf("did you mean %q?", like)
	}
	if len(names) == 0 {
		return "the file describes none"
	}
	if len(names) > 10 {
		names = append(slices.Clone(names[:10]), "…")
	}
	return "there are " + strings.Join(names, ", ")
}

func (r *reader) connection(e entry, where string) *Connection {
	c := &Connection{Name: e.name, Line: e.line, APIVersion: apiVersions[len(apiVersions)-1]}
	var environment string
	var requests, inFlight float64
	lines := r.section(e.value, where,
		field{"environment", r.environment(&environment)},
		field{"url", r.text(&c.URL)},
		field{"tenant", r.pattern(&c.Tenant, tenantPattern, "is not a tenant", "write the Entra tenant's id (a GUID) or one of its domains")},
		field{"credential", r.credential(&c.Credential)},
		field{"authority", r.text(&c.Authority)},
		field{"ca_file", func(n ast.Node, where string) {
			if r.text(&c.CAFile)(n, where); c.CAFile != "" {
				c.CAFile = r.beside(c.CAFile)
			}
		}},
		field{"allow_custom_host", r.boolean(&c.AllowCustomHost)},
		field{"api_version", r.oneOf(&c.APIVersion, apiVersions...)},
		field{"requests_per_day", r.number(&requests, 1, maxRequests, true)},
		field{"max_in_flight", r.number(&inFlight, 1, maxInFlight, true)},
	)
	c.RequestsPerDay, c.InFlight = int64(requests), int(inFlight)
	if lines == nil {
		return c
	}
	switch {
	case lines["environment"] == 0 && lines["url"] == 0:
		r.add(e.line, "%s: neither environment nor url says where to write", where).
			Advise("environment: {region: crm4, name: contoso}, or url: https://contoso.crm4.dynamics.com")
	case lines["environment"] != 0 && lines["url"] != 0:
		r.add(lines["url"], "%s: both environment and url are given", where).Advise("keep one of them")
	case lines["environment"] != 0:
		c.URL = environment
	}
	if lines["credential"] == 0 {
		r.add(e.line, "%s: credential is missing", where).Advise("secretsmanager:NAME, env:NAME or file:PATH")
	}
	r.hosts(c, lines, where)
	return c
}

// hosts checks where secrets and tokens would go (rule S1) and fills in the cloud's authority.
func (r *reader) hosts(c *Connection, lines map[string]int, where string) {
	if c.URL != "" {
		c.URL = r.host(c.URL, lines["url"], where+": url", c.AllowCustomHost, false)
	}
	if c.Authority != "" {
		c.Authority = r.host(c.Authority, lines["authority"], where+": authority", c.AllowCustomHost, true)
		return
	}
	c.Authority = cloud.Authority("")
	if u, err := url.Parse(c.URL); err == nil {
		c.Authority = cloud.Authority(u.Hostname())
	}
}

// host checks one origin and returns it in its one spelling.
func (r *reader) host(text string, line int, where string, custom, authority bool) string {
	u, complaint, cure := origin(text)
	if complaint != "" {
		if authority && strings.HasPrefix(cure, "write https://NAME") {
			cure = "write https://login.microsoftonline.com"
		}
		r.add(line, "%s %s", where, complaint).Advise("%s", cure)
		return ""
	}
	microsoft := cloud.IsEnvironment(u.Host) // with a port of its own it is none of them
	if authority {
		microsoft = cloud.IsAuthority(u.Host)
	}
	switch {
	case u.Scheme == "http" && authority:
		r.add(line, "%s must be https: a secret is sent there", where)
	case u.Scheme == "http" && (!custom || !cloud.IsLoopback(u.Hostname())):
		r.add(line, "%s must be https: tokens are sent there", where).
			Advise("plain http is for an emulator on this machine: a loopback address and allow_custom_host: true")
	case !microsoft && !custom:
		r.add(line, "%s names %s, which is not one of Microsoft's hosts", where, quote(u.Host)).
			Advise("allow_custom_host: true lets Penstock send its secrets and tokens there")
	default:
		return u.String()
	}
	return ""
}

// environment reads {region, name} and builds the public cloud's origin.
func (r *reader) environment(to *string) func(ast.Node, string) {
	return func(n ast.Node, where string) {
		var region, name string
		lines := r.section(n, where, field{"region", r.label(&region)}, field{"name", r.label(&name)})
		for _, part := range []string{"region", "name"} {
			if lines != nil && lines[part] == 0 {
				r.add(lineOf(n), "%s: %s is missing", where, part).Advise("environment: {region: crm4, name: contoso} is https://contoso.crm4.dynamics.com")
			}
		}
		if region != "" && name != "" {
			*to = "https://" + name + "." + region + "." + cloud.Public
		}
	}
}

// label reads a single DNS label: with a dot or a slash it could name another host (rule S1).
func (r *reader) label(to *string) func(ast.Node, string) {
	return func(n ast.Node, where string) {
		var s string
		if r.text(&s)(n, where); s == "" {
			return
		}
		if !isLabel(s) {
			r.add(lineOf(n), "%s: %s is not a single part of a host name", where, quote(s)).
				Advise("lower-case letters, digits and hyphens only; other clouds and whole hosts go into url")
			return
		}
		*to = s
	}
}

// credential reads where the credential is kept. What is wrong is not quoted:
// it may be the secret itself (rule S2).
func (r *reader) credential(to *string) func(ast.Node, string) {
	return func(n ast.Node, where string) {
		var s string
		if r.text(&s)(n, where); s == "" {
			return
		}
		kind, rest, _ := strings.Cut(s, ":")
		switch {
		case kind == "env" && envPattern.MatchString(rest), kind == "secretsmanager" && secretPattern.MatchString(rest):
			*to = s
		case kind == "file" && strings.TrimSpace(rest) != "":
			*to = "file:" + r.beside(rest)
		default:
			r.add(lineOf(n), "%s: does not say where the credential is kept", where).
				Advise("secretsmanager:NAME, env:NAME or file:PATH; the secret itself does not belong into this file")
		}
	}
}

// pattern reads text of a form; what is wrong is not quoted.
func (r *reader) pattern(to *string, form *regexp.Regexp, complaint, cure string) func(ast.Node, string) {
	return func(n ast.Node, where string) {
		var s string
		if r.text(&s)(n, where); s == "" {
			return
		}
		if !form.MatchString(s) {
			r.add(lineOf(n), "%s %s", where, complaint).Advise("%s", cure)
			return
		}
		*to = s
	}
}
