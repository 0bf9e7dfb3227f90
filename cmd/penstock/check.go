package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"penstock/internal/config"
	"penstock/internal/dataverse"
	"penstock/internal/fault"
	"penstock/internal/run"
)

type checkCommand struct {
	Connection string `arg:"" help:"Which connection of the configuration to test."`
	Config     string `short:"c" default:"penstock.yaml" placeholder:"FILE" help:"The configuration (${default})."`
}

// Help is shown below the flags.
func (checkCommand) Help() string {
	return `Signs in, asks the environment who the application user is and which version it
has, and for every destination of the connection whether its table, key and
privileges are as the destination needs them. It writes nothing.`
}

func (c *checkCommand) Run(ctx context.Context, s streams) error {
	cfg, err := config.Load(c.Config)
	if err != nil {
		return err
	}
	conn, err := cfg.Connection(c.Connection)
	if err != nil {
		return err
	}
	connections := &run.Connections{UserAgent: "penstock/" + version, Secrets: secretsBeside(c.Config)}
	defer connections.Close()
	k := &checklist{streams: s}
	var client *dataverse.Client
	k.step("credential "+conn.Credential, func() (_ string, err error) {
		client, err = connections.Connect(ctx, conn)
		return "read", err
	})
	k.step("sign-in and environment "+conn.URL, func() (string, error) {
		me, err := client.WhoAmI(ctx)
		return "application user " + me.UserID + " of organisation " + me.OrganizationID, err
	})
	k.step("version", func() (string, error) { return client.Version(ctx) })
	destinations := destinationsOf(cfg, c.Connection)
	if k.failed == nil {
		for _, dest := range destinations {
			k.destination(ctx, client, dest)
		}
	}
	switch {
	case k.failed == nil && len(destinations) == 0:
		fmt.Fprintln(s.out, "The connection is ready. No destination uses it, so no table and no privilege was looked at.")
		return nil
	case k.failed == nil:
		fmt.Fprintln(s.out, "Everything is ready.")
		return nil
	}
	if e, ok := fault.As(k.failed); ok {
		return ended(codeOf(string(e.Kind), e.Code))
	}
	return ended(codeFailed)
}

// how says what was asked about a destination that is ready.
func how(dest *config.Destination) string {
	switch {
	case len(dest.MatchOn) > 0:
		return fmt.Sprintf("mode %s, matched on %s; table, columns and privileges fit", dest.Mode, strings.Join(dest.MatchOn, ", "))
	case len(dest.Key) > 0:
		return fmt.Sprintf("mode %s by %s; table, key and privileges fit", dest.Mode, strings.Join(dest.Key, ", "))
	}
	return fmt.Sprintf("mode %s; table and privileges fit", dest.Mode)
}

func destinationsOf(cfg *config.Config, connection string) []*config.Destination {
	var list []*config.Destination
	for _, d := range cfg.Destinations {
		if d.Connection == connection {
			list = append(list, d)
		}
	}
	slices.SortFunc(list, func(a, b *config.Destination) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// checklist runs questions one after another; after the first failure of the
// connection itself the rest would only repeat it.
type checklist struct {
	streams
	failed error
}

func (k *checklist) step(what string, ask func() (string, error)) bool {
	if k.failed != nil {
		return false
	}
	answer, err := ask()
	k.say(what, answer, err)
	k.failed = err
	return err == nil
}

func (k *checklist) say(what, answer string, err error) {
	if err == nil {
		fmt.Fprintf(k.out, "ok    %s: %s\n", what, answer)
		return
	}
	fmt.Fprintf(k.out, "FAIL  %s: ", what)
	e, ok := fault.As(err)
	if !ok {
		fmt.Fprintf(k.out, "%v\n", err)
		return
	}
	fmt.Fprintln(k.out, e.Message)
	if e.Advice != "" {
		fmt.Fprintf(k.out, "      what to do: %s\n", e.Advice)
	}
	if e.Cause != nil {
		fmt.Fprintf(k.out, "      cause: %s\n", strings.Join(strings.Fields(e.Cause.Error()), " "))
	}
}

// destination asks what prepare will ask; every destination is told about, also after one that fails.
func (k *checklist) destination(ctx context.Context, client *dataverse.Client, dest *config.Destination) {
	earlier := k.failed
	k.failed = nil
	k.step(fmt.Sprintf("destination %s (table %s)", dest.Name, dest.Table), func() (string, error) {
		if _, err := run.Inspect(ctx, client, dest); err != nil {
			return "", err
		}
		return how(dest), nil
	})
	if earlier != nil {
		k.failed = earlier
	}
}
