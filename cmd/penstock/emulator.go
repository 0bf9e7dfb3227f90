package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"penstock/internal/dataversetest"
	"penstock/internal/fault"
	"penstock/internal/local"
)

type emulatorCommand struct {
	Listen       string `default:"127.0.0.1:8443" help:"Address for TLS: Web API and token endpoint (${default})."`
	HTTP         string `help:"Address for plain HTTP as well, loopback only, for clients that cannot take a private authority."`
	DB           string `help:"Keep the rows in this SQLite file; without it they are gone at the end." type:"path"`
	TLSDir       string `help:"Where the TLS certificate and its authority are kept (a directory in your cache)."`
	Tenant       string `help:"Answer to this tenant id only; without it to any."`
	ClientID     string `default:"${client_id}" help:"The application user's client id (${default})."`
	ClientSecret string `default:"${client_secret}" help:"Its secret (${default})."`
}

// Help is shown below the flags.
func (emulatorCommand) Help() string {
	return `A Dataverse organisation with its sign-in, on this machine: Web API at
/api/data/v9.2/, tokens at /TENANT/oauth2/v2.0/token. The built-in organisation has
contact and account with their real columns and alternate keys on
contact.emailaddress1 and account.accountnumber, among others.

See what it received at /_emulator/stats.`
}

func (c *emulatorCommand) Run(ctx context.Context, hurry haste, s streams) error {
	dir, err := c.tlsDir()
	if err != nil {
		return err
	}
	if err := errors.Join(askFree("--listen", c.Listen), askFree("--http", c.HTTP)); err != nil {
		return err
	}
	e, err := local.StartEmulator(local.EmulatorOptions{Listen: c.Listen, HTTP: c.HTTP, TLSDir: dir, Server: dataversetest.Options{
		File: c.DB, Tenant: c.Tenant, Users: emulatorUsers(c.ClientID, c.ClientSecret),
	}})
	if err != nil {
		return err
	}
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
	<-ctx.Done()
	ending, cancel := context.WithTimeout(hurry, 10*time.Second)
	defer cancel()
	return e.Close(ending)
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

func emulatorUsers(id, secret string) []dataversetest.User {
	user := dataversetest.DefaultUser
	user.ClientID, user.Secrets = id, []string{secret}
	return []dataversetest.User{user}
}

func orAny(tenant string) string {
	if tenant == "" {
		return "any.example"
	}
	return tenant
}
