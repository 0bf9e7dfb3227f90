package run

import (
	"context"
	"crypto/x509"
	"fmt"
	"os"
	"sync"

	"penstock/internal/config"
	"penstock/internal/dataverse"
	"penstock/internal/fault"
	"penstock/internal/secret"
	"penstock/internal/store"
)

// Connections opens connections and keeps them: one client for each, because a
// client is the unit in which the service's limits are shared.
type Connections struct {
	Secrets   secret.Reader
	UserAgent string
	Clock     dataverse.Clock // that waits go by; nil is the wall clock
	Work      store.Store     // where requests per day are counted over runs and processes; nil counts those of this process

	mu   sync.Mutex
	open map[config.Connection]*dataverse.Client
}

// Connect is the client of a connection. A connection whose settings changed is opened anew.
func (c *Connections) Connect(ctx context.Context, conn *config.Connection) (*dataverse.Client, error) {
	settings := *conn
	settings.Line = 0 // moving it in the file does not change it
	c.mu.Lock()
	defer c.mu.Unlock()
	if client := c.open[settings]; client != nil {
		return client, nil
	}
	client, err := c.dial(ctx, conn)
	if err != nil {
		return nil, fmt.Errorf("open connection %q: %w", conn.Name, err)
	}
	if c.open == nil {
		c.open = make(map[config.Connection]*dataverse.Client)
	}
	c.open[settings] = client
	return client, nil
}

func (c *Connections) dial(ctx context.Context, conn *config.Connection) (*dataverse.Client, error) {
	source := func(ctx context.Context) ([]dataverse.Credential, error) {
		data, bare, err := c.Secrets.Read(ctx, conn.Credential)
		if err != nil {
			return nil, err
		}
		return dataverse.ParseCredential(data, bare)
	}
	credentials, err := source(ctx)
	if err != nil {
		return nil, err
	}
	roots, err := rootCAs(conn.CAFile)
	if err != nil {
		return nil, err
	}
	options := dataverse.Options{
		URL: conn.URL, Tenant: conn.Tenant, Authority: conn.Authority, APIVersion: conn.APIVersion,
		Credentials: credentials, Source: source, RootCAs: roots, AllowCustomHost: conn.AllowCustomHost, UserAgent: c.UserAgent, Clock: c.Clock,
		InFlight: conn.InFlight, RequestsPerDay: conn.RequestsPerDay,
	}
	if c.Work != nil && conn.RequestsPerDay > 0 {
		options.Ledger = newLedger(c.Work, conn.Name)
	}
	return dataverse.Open(options)
}

// rootCAs is the system's authorities and those of a connection's ca_file; nil is only the system's.
func rootCAs(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fault.New(fault.Refused, "ca_file_unreadable", "the connection's ca_file cannot be read").At(file, 0, "").Because(err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fault.New(fault.Refused, "ca_file_unreadable", "the connection's ca_file holds no certificate in PEM").At(file, 0, "")
	}
	return pool, nil
}

// Close ends the idle connections of all clients.
func (c *Connections) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, client := range c.open {
		client.Close()
	}
}
