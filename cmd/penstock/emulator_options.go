package main

import (
	"context"
	"io"
	"os"
	"path/filepath"

	"penstock/internal/dataversetest"
	"penstock/internal/dataversetest/schema"
	"penstock/internal/dataversetest/traffic"
	"penstock/internal/fault"
)

// options are those of the emulated organisation. The function returned closes its log.
func (c *emulatorCommand) options(s streams) (o dataversetest.Options, closeLog func() error, err error) {
	closeLog = func() error { return nil }
	o = dataversetest.Options{File: c.DB, SnapshotDir: c.SnapshotDir, Tenant: c.Tenant, TokenLifetime: c.TokenLifetime, JobDelay: c.JobDelay}
	if o.Schema, err = c.organization(); err != nil {
		return o, closeLog, err
	}
	if o.Users, err = c.users(); err != nil {
		return o, closeLog, err
	}
	if o.Traffic, err = c.traffic(); err != nil {
		return o, closeLog, err
	}
	switch c.Log {
	case "":
	case "-":
		o.Traffic.Log = s.err
	default:
		file, err := os.OpenFile(c.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			return o, closeLog, emulatorUsage("--log: the file cannot be opened", err)
		}
		o.Traffic.Log, closeLog = io.Writer(file), file.Close
	}
	return o, closeLog, nil
}

func emulatorUsage(what string, err error) error {
	return fault.New(fault.Refused, "usage", "%s", what).Because(err)
}

// organization is nil for the built-in one, or that of the database file.
func (c *emulatorCommand) organization() (*schema.Organization, error) {
	if len(c.Schema) == 0 {
		if c.NoBuiltin {
			return nil, emulatorUsage("--no-builtin needs --schema", nil)
		}
		return nil, nil
	}
	builtin := schema.Default()
	var org *schema.Organization
	if !c.NoBuiltin {
		org = schema.Default()
	}
	for _, name := range c.Schema {
		loaded, err := loadSchema(name, builtin)
		if err != nil {
			return nil, emulatorUsage("--schema: "+filepath.Base(name), err)
		}
		if org == nil {
			org = loaded
		} else {
			org.Merge(loaded)
		}
	}
	return org, nil
}

func loadSchema(name string, builtin *schema.Organization) (*schema.Organization, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return schema.Load(file, builtin)
}

func (c *emulatorCommand) users() ([]dataversetest.User, error) {
	first := dataversetest.DefaultUser
	first.ClientID, first.Secrets = c.ClientID, []string{c.ClientSecret}
	users := []dataversetest.User{first}
	var roles []dataversetest.Role
	for _, text := range c.Role {
		role, err := dataversetest.ParseRole(text)
		if err != nil {
			return nil, emulatorUsage("--role", err)
		}
		roles = append(roles, role)
	}
	for _, text := range c.User {
		user, err := dataversetest.ParseUser(text, roles)
		if err != nil {
			return nil, emulatorUsage("--user", err)
		}
		users = append(users, user)
	}
	return users, nil
}

func (c *emulatorCommand) traffic() (t traffic.Options, err error) {
	limits, err := traffic.ParseLimits(c.Limits)
	if err != nil {
		return t, emulatorUsage("--limits", err)
	}
	if c.Servers != 0 {
		limits.Servers = c.Servers
		if err := limits.Validate(); err != nil || c.Servers < 0 {
			return t, emulatorUsage("--servers: there are between 1 and 64", nil)
		}
	}
	if t.Costs, err = traffic.ParseCosts(c.Cost); err != nil {
		return t, emulatorUsage("--cost", err)
	}
	if c.Latency != 0 {
		t.Costs.Network = traffic.Duration(c.Latency)
		if err := t.Costs.Validate(); err != nil {
			return t, emulatorUsage("--latency", err)
		}
	}
	t.Limits = &limits
	for _, text := range c.Fault {
		if _, err := traffic.ParseFault(text); err != nil {
			return t, emulatorUsage("--fault", err)
		}
	}
	return t, nil
}

// fill brings the organisation to where it is to begin: emptied, restored, seeded, and with its faults.
func (c *emulatorCommand) fill(ctx context.Context, server *dataversetest.Server) error {
	if c.Reset {
		if err := server.Reset(ctx); err != nil {
			return err
		}
	}
	if c.Restore != "" {
		if err := server.RestoreFile(c.Restore); err != nil {
			return emulatorUsage("--restore", err)
		}
	}
	for _, name := range c.Seed {
		if err := seedFile(server, name); err != nil {
			return emulatorUsage("--seed", err)
		}
	}
	server.Traffic().ResetCounters() // seeding is not traffic
	for _, text := range c.Fault {
		f, err := traffic.ParseFault(text)
		if err == nil {
			_, err = server.Traffic().AddFaults(f)
		}
		if err != nil {
			return emulatorUsage("--fault", err)
		}
	}
	return nil
}

func seedFile(server *dataversetest.Server, name string) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	return server.Seed(filepath.Base(name), file)
}
