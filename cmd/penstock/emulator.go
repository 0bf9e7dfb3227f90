package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"penstock/internal/fault"
	"penstock/internal/local"
)

type emulatorCommand struct {
	Listen       string `default:"127.0.0.1:8443" placeholder:"ADDR" help:"Address for TLS: Web API and token endpoint (${default})."`
	HTTP         string `placeholder:"ADDR" help:"Address for plain HTTP as well, loopback only, for clients that cannot take a private authority."`
	TLSDir       string `placeholder:"DIR" help:"Where the TLS certificate and its authority are kept (a directory in your cache)."`
	Tenant       string `placeholder:"ID" help:"Answer to this tenant id only; without it to any."`
	ClientID     string `default:"${client_id}" placeholder:"ID" help:"The application user's client id (${default})."`
	ClientSecret string `default:"${client_secret}" placeholder:"SECRET" help:"Its secret (${default})."`

	Schema    []string `placeholder:"FILE" type:"path" help:"Tables from a $$metadata document, EntityDefinitions JSON or YAML, also .gz; repeatable. They replace built-in ones of the same name."`
	NoBuiltin bool     `help:"Only the tables of --schema, without the built-in organisation."`

	DB          string   `placeholder:"FILE" type:"path" help:"Keep the rows in this SQLite file; without it they are gone at the end."`
	Reset       bool     `help:"Begin without rows, whatever the file of --db holds."`
	Restore     string   `placeholder:"FILE" type:"path" help:"Begin with the rows and tables of a snapshot."`
	Seed        []string `placeholder:"FILE" type:"path" help:"Rows to begin with: TABLE.csv, or JSON {table: [rows]}; repeatable."`
	SnapshotDir string   `placeholder:"DIR" type:"path" help:"Where snapshots are kept; without it they are gone at the end."`

	User          []string      `sep:"none" placeholder:"SETTINGS" help:"A further application user: client_id=…,secret=…,role=…; repeatable."`
	Role          []string      `sep:"none" placeholder:"NAME=PRIVILEGES" help:"A role for --user: Loader=prvCreateContact,prvRead*; repeatable."`
	TokenLifetime time.Duration `default:"1h" placeholder:"TIME" help:"How long tokens live (${default})."`

	Limits  string        `default:"default" placeholder:"PRESET" help:"Service protection: off, default, production or fast, then members: fast,servers=3,requests=600."`
	Servers int           `placeholder:"N" help:"Simulated web servers, each with its own limits."`
	Latency time.Duration `placeholder:"TIME" help:"On the way, for every request."`
	Cost    string        `default:"none" placeholder:"PRESET" help:"Server time: none, typical or slow, then members: typical,row=5ms,tables.contact.plug_in=40ms."`
	Fault   []string      `sep:"none" placeholder:"RULE" help:"What goes wrong: drop-after:every=7,path=UpsertMultiple; repeatable."`

	JobDelay time.Duration `placeholder:"TIME" help:"How long background jobs stay in each of their states."`
	Log      string        `placeholder:"FILE" help:"A line for every request, to this file or to standard error (-)."`
}

// Help is shown below the flags.
func (emulatorCommand) Help() string {
	return `A Dataverse organisation with its sign-in, on this machine: Web API at
/api/data/v9.2/, tokens at /TENANT/oauth2/v2.0/token. The built-in organisation has
contact and account with their real columns and alternate keys on
contact.emailaddress1 and account.accountnumber, among others.

See what it received at /_emulator/stats, and what else can be asked and set while it
runs at /_emulator/. All of it is in docs/emulator.md.`
}

func (c *emulatorCommand) Run(ctx context.Context, s streams) error {
	dir, err := c.tlsDir()
	if err != nil {
		return err
	}
	if err := errors.Join(askFree("--listen", c.Listen), askFree("--http", c.HTTP)); err != nil {
		return err
	}
	server, closeLog, err := c.options(s)
	if err != nil {
		return err
	}
	defer closeLog()
	e, err := local.StartEmulator(local.EmulatorOptions{Listen: c.Listen, HTTP: c.HTTP, TLSDir: dir, Server: server})
	if err != nil {
		return err
	}
	if err := c.fill(ctx, e.Server); err != nil {
		return errors.Join(err, e.Close(context.WithoutCancel(ctx)))
	}
	c.welcome(s, e)
	<-ctx.Done()
	ending, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return e.Close(ending)
}

func (c *emulatorCommand) welcome(s streams, e *local.Emulator) {
	fmt.Fprintf(s.out, `Dataverse emulator
  Web API     %s/api/data/v9.2/
  token       %s/TENANT/oauth2/v2.0/token
  authority   %s   (what clients must trust)
`, e.URL, e.URL, e.CAFile)
	if e.PlainURL != "" {
		fmt.Fprintf(s.out, "  plain HTTP  %s/api/data/v9.2/\n", e.PlainURL)
	}
	fmt.Fprintf(s.out, `  stats       %s/_emulator/stats

A connection to it, for penstock.yaml:

connections:
  emulator:
    url: %s
    authority: %s
    ca_file: %s
    allow_custom_host: true
    tenant: %s
    credential: env:EMULATOR_CREDENTIAL

export EMULATOR_CREDENTIAL='{"client_id":"%s","client_secret":"%s"}'

Ctrl-C ends it.
`, e.URL, e.URL, e.URL, e.CAFile, orAny(c.Tenant), c.ClientID, c.ClientSecret)
}

func (c *emulatorCommand) tlsDir() (string, error) {
	if c.TLSDir != "" {
		return c.TLSDir, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fault.New(fault.Refused, "usage", "there is no cache directory for the certificate").Advise("say --tls-dir DIR").Because(err)
	}
	return filepath.Join(cache, "penstock", "emulator"), nil
}

func orAny(tenant string) string {
	if tenant == "" {
		return "any.example"
	}
	return tenant
}
