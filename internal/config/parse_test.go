package config

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/fault"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestParse(t *testing.T) {
	got, err := Parse([]byte(`# yaml-language-server: $schema=infra/penstock.schema.json
connections:
  sales:
    environment: {region: crm4, name: contoso}
    tenant: 5c1d2f6e-1111-2222-3333-444455556666
    credential: secretsmanager:penstock/sales
  emulator:
    url: http://127.0.0.1:8080/
    authority: https://127.0.0.1:8443
    credential: file:secret.json
    ca_file: ca.pem
    allow_custom_host: true
    api_version: v9.1
    requests_per_day: 40000
    max_in_flight: 8
destinations:
  loyalty-members:
    connection: sales
    table: contact
    mode: upsert
    key: [emailaddress1]
    audiences: [admin, business]
    columns:
      Email:   emailaddress1
      Tier:    {to: new_tier, choice: label}
      Account: {to: parentcustomerid, table: account}
      Notes:   {skip: true}
    rejects: {max_percent: 1}
  log:
    connection: emulator
    table: new_log
    mode: append
    format: jsonl
    nulls: clear
    parallel: 4
`), "conf/penstock.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want := &Config{
		File: "conf/penstock.yaml",
		Connections: map[string]*Connection{
			"sales": {Name: "sales", Line: 3, URL: "https://contoso.crm4.dynamics.com", Tenant: "5c1d2f6e-1111-2222-3333-444455556666",
				Credential: "secretsmanager:penstock/sales", Authority: "https://login.microsoftonline.com", APIVersion: "v9.2"},
			"emulator": {Name: "emulator", Line: 7, URL: "http://127.0.0.1:8080", Credential: "file:conf/secret.json",
				Authority: "https://127.0.0.1:8443", CAFile: "conf/ca.pem", AllowCustomHost: true, APIVersion: "v9.1", RequestsPerDay: 40000, InFlight: 8},
		},
		Destinations: map[string]*Destination{
			"loyalty-members": {Name: "loyalty-members", Line: 17, Connection: "sales", Table: "contact", Mode: Upsert,
				Key: []string{"emailaddress1"}, Audiences: []string{"admin", "business"}, Values: Values{Nulls: SkipNulls},
				Duplicates: LastWins, Clear: ClearRows, MaxDeletes: MaxDeletes{Percent: 20},
				Columns: []Column{
					{From: "Email", Line: 24, To: "emailaddress1"},
					{From: "Tier", Line: 25, To: "new_tier", Choice: "label"},
					{From: "Account", Line: 26, To: "parentcustomerid", Table: "account"},
					{From: "Notes", Line: 27, Skip: true},
				}, Rejects: Rejects{MaxPercent: 1}},
			"log": {Name: "log", Line: 29, Connection: "emulator", Table: "new_log", Mode: Append, Files: Files{Format: "jsonl"},
				Audiences: []string{"admin"}, Values: Values{Nulls: ClearNulls}, Parallel: 4, Rejects: Rejects{MaxPercent: 10},
				Duplicates: LastWins, Clear: ClearRows, MaxDeletes: MaxDeletes{Percent: 20}},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAuthorityFollowsTheCloud(t *testing.T) {
	for url, want := range map[string]string{
		"https://a.crm9.dynamics.com":        "https://login.microsoftonline.com",
		"https://a.crm.microsoftdynamics.us": "https://login.microsoftonline.us",
		"https://a.crm.appsplatform.us:443":  "https://login.microsoftonline.us",
		"https://a.crm.dynamics.cn":          "https://login.partner.microsoftonline.cn",
	} {
		c, err := Parse([]byte(withConnection("url: '"+url+"'")), "p.yaml")
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Connections["sales"].Authority; got != want {
			t.Errorf("%s: authority %s, want %s", url, got, want)
		}
		if got := c.Connections["sales"].URL; got != strings.TrimSuffix(url, ":443") {
			t.Errorf("%s became %s", url, got)
		}
	}
}

func TestErrorTexts(t *testing.T) {
	var got strings.Builder
	for _, s := range slices.Concat(samples, syntax) {
		_, err := Parse([]byte(s.doc), "penstock.yaml")
		if (err == nil) != s.good {
			t.Errorf("%s: error %v, want good: %v", s.name, err, s.good)
		}
		if err != nil {
			fmt.Fprintf(&got, "## %s\n%v\n\n", s.name, err)
		}
	}
	golden := filepath.Join("testdata", "errors.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Error(diff)
	}
}

// TestErrorsAreFaults: each carries file, line and kind, none a value that may be a secret (rule S2).
func TestErrorsAreFaults(t *testing.T) {
	for _, s := range slices.Concat(samples, syntax) {
		_, err := Parse([]byte(s.doc), "penstock.yaml")
		if s.good {
			continue
		}
		first, ok := fault.As(err)
		if !ok || fault.KindOf(err) != fault.Refused {
			t.Fatalf("%s: %v is no refusal", s.name, err)
		}
		var all Errors
		if !errors.As(err, &all) || all[0] != first {
			t.Fatalf("%s: the first fault is not the first of all", s.name)
		}
		for i, e := range all {
			if e.Code != Code || e.File != "penstock.yaml" || e.Line == 0 || i > 0 && all[i-1].Line > e.Line {
				t.Errorf("%s: %d: %#v", s.name, i, e)
			}
		}
		if strings.Contains(err.Error(), "S3cr3t") {
			t.Errorf("%s: the message quotes a secret: %v", s.name, err)
		}
	}
}

func TestLoad(t *testing.T) {
	file := filepath.Join(t.TempDir(), "penstock.yaml")
	if _, err := Load(file); !fault.Is(err, fault.Refused) || !strings.Contains(err.Error(), file) {
		t.Errorf("missing file: %v", err)
	}
	if err := os.WriteFile(file, []byte(base), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err := Load(file); err != nil || len(c.Destinations) != 1 {
		t.Errorf("Load: %v, %v", c, err)
	}
}

func TestLookUp(t *testing.T) {
	c, err := Parse([]byte(base), "penstock.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if d, err := c.Destination("loyalty-members"); err != nil || d.Table != "contact" {
		t.Errorf("Destination: %v, %v", d, err)
	}
	if k, err := c.Connection("sales"); err != nil || k.Name != "sales" {
		t.Errorf("Connection: %v, %v", k, err)
	}
	_, err = c.Destination("loyalty-member")
	if e, ok := fault.As(err); !ok || e.Code != "unknown_destination" || e.Advice != `did you mean "loyalty-members"?` {
		t.Errorf("unknown destination: %v", err)
	}
	_, err = c.Connection("marketing")
	if e, ok := fault.As(err); !ok || e.Code != "unknown_connection" || e.Advice != "there are sales" {
		t.Errorf("unknown connection: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range slices.Concat(samples, syntax) {
		f.Add([]byte(s.doc))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse(data, "penstock.yaml")
		if (c == nil) == (err == nil) {
			t.Fatalf("config %v, error %v", c, err)
		}
		if err != nil {
			if !fault.Is(err, fault.Refused) {
				t.Fatalf("not a refusal: %v", err)
			}
			return
		}
		for name, k := range c.Connections {
			if !namePattern.MatchString(name) || k.URL == "" || k.Credential == "" || k.Authority == "" {
				t.Fatalf("accepted %+v", k)
			}
		}
		for name, d := range c.Destinations {
			if !namePattern.MatchString(name) || c.Connections[d.Connection] == nil || d.Table == "" || !sound(d) {
				t.Fatalf("accepted %+v", d)
			}
		}
	})
}

// sound holds for destinations whose parts agree about what is identified and deleted.
func sound(d *Destination) bool {
	identified := len(d.Key) + len(d.MatchOn)
	switch {
	case !slices.Contains(modes, string(d.Mode)):
	case len(d.Key) > 0 && len(d.MatchOn) > 0, d.Mode == Append && identified > 0:
	case d.Mode != Append && d.Mode != Truncate && identified == 0:
	case d.Mode.Clears() == (len(d.Filter) == 0 && !d.AllowWholeTable), len(d.Filter) > 0 && d.AllowWholeTable:
	case d.MaxDeletes.Percent < 0 || d.MaxDeletes.Percent > 100 || d.MaxDeletes.Count < 0:
	default:
		return !slices.ContainsFunc(d.Columns, func(c Column) bool {
			leads := c.To != "" || c.Associate != ""
			return c.Skip == leads || c.Value != nil && (c.Template != "" || c.Default != nil)
		})
	}
	return false
}
