package run

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"penstock/internal/config"
	"penstock/internal/dataverse"
	"penstock/internal/fault"
	"penstock/internal/mapping"
)

// Inspect reads a destination's table, live, and asks whether it can be written
// as the destination says: supported, permitted, with a usable key. It writes nothing.
func Inspect(ctx context.Context, client *dataverse.Client, dest *config.Destination) (*dataverse.Table, error) {
	var asking sync.WaitGroup
	var forbidden error
	asking.Go(func() { forbidden = permitted(ctx, client, dest) })
	table, err := client.Table(ctx, dest.Table)
	asking.Wait()
	if err == nil { // what is wrong with the table says more
		err = forbidden
	}
	if err != nil {
		return nil, err
	}
	switch {
	case len(dest.MatchOn) > 0:
		err = checkMatch(table, dest.MatchOn)
	case len(dest.Key) > 0:
		err = checkKey(table, dest.Key)
	}
	if err == nil && dest.Mode.Creates() && !keyed(table, dest) {
		err = checkOwnIDs(table)
	}
	return table, err
}

// permitted asks for the privileges that the mode takes.
func permitted(ctx context.Context, client *dataverse.Client, dest *config.Destination) error {
	err := demand(ctx, client, dest.Table, needs(dest)...)
	if err == nil && dest.Mode == config.Truncate && dest.Clear == config.ClearJob {
		err = demandNamed(ctx, client, "prvBulkDelete")
	}
	return err
}

// needs are the privileges that a mode takes.
func needs(dest *config.Destination) []string {
	switch dest.Mode {
	case config.Append:
		return []string{"Create", "Read"}
	case config.Update:
		return []string{"Write", "Read"}
	case config.Delete:
		return []string{"Delete", "Read"}
	case config.Truncate:
		if len(dest.Key) == 0 {
			return []string{"Create", "Read", "Delete"}
		}
		return []string{"Create", "Write", "Read", "Delete"}
	case config.Mirror:
		return []string{"Create", "Write", "Read", "Delete"}
	}
	return []string{"Create", "Write", "Read"}
}

// writes are the verbs that nearly all rows of a destination become.
func writes(dest *config.Destination) []dataverse.Verb {
	switch {
	case dest.Mode == config.Update:
		return []dataverse.Verb{dataverse.Update}
	case dest.Mode == config.Upsert, dest.Mode == config.Mirror, dest.Mode == config.Truncate && len(dest.Key) > 0:
		return []dataverse.Verb{dataverse.Upsert}
	case dest.Mode == config.Delete:
		return nil
	}
	return []dataverse.Verb{dataverse.Create}
}

// demand makes sure that every application user has the privileges of these kinds on a table.
func demand(ctx context.Context, client *dataverse.Client, table string, kinds ...string) error {
	missing, err := client.Privileges(ctx, table, kinds...)
	if err == nil && len(missing) > 0 {
		err = dataverse.MissingPrivilege(missing...)
	}
	return err
}

// demandNamed makes sure that every application user has privileges that belong to no table.
func demandNamed(ctx context.Context, client *dataverse.Client, names ...string) error {
	missing, err := client.PrivilegesNamed(ctx, names...)
	if err == nil && len(missing) > 0 {
		err = dataverse.MissingPrivilege(missing...)
	}
	return err
}

// checkAttachments makes sure that records may be attached to those that lookups
// and associations lead to: Append on the table, AppendTo on the others, and for
// many-to-many relationships Append on both.
func checkAttachments(ctx context.Context, client *dataverse.Client, table *dataverse.Table, used []mapping.Used, dest *config.Destination) error {
	targets, err := attachments(ctx, client, table, used, dest)
	if err != nil || len(targets) == 0 {
		return err
	}
	if err := demand(ctx, client, table.Name, "Append"); err != nil {
		return err
	}
	for _, target := range slices.Sorted(maps.Keys(targets)) {
		if err := demand(ctx, client, target, targets[target]...); err != nil {
			return err
		}
	}
	return nil
}

// attachments are the tables that a destination's columns attach its records to,
// with the privilege that this takes on them. Owners are assigned, not attached to.
func attachments(ctx context.Context, client *dataverse.Client, table *dataverse.Table, used []mapping.Used, dest *config.Destination) (map[string][]string, error) {
	targets := map[string][]string{}
	if dest.Mode == config.Delete {
		return targets, nil
	}
	lookup := func(name, chosen string) {
		c := table.Column(name)
		switch {
		case c == nil || c.Type != dataverse.Lookup && c.Type != dataverse.Customer:
		case chosen != "":
			targets[chosen] = append(targets[chosen], "AppendTo")
		case len(c.Targets) == 1:
			targets[c.Targets[0].Table] = append(targets[c.Targets[0].Table], "AppendTo")
		}
	}
	for _, u := range used {
		if dest.Columns == nil {
			lookup(u.To, "")
		}
	}
	var all []dataverse.Collection
	for _, c := range dest.Columns {
		lookup(c.To, c.Table)
		if c.Associate == "" {
			continue
		}
		var err error
		if all == nil {
			if all, err = client.Collections(ctx, table.Name); err != nil {
				return nil, err
			}
		}
		for _, joined := range all {
			if joined.Navigation == c.Associate {
				targets[joined.Table] = append(targets[joined.Table], "Append")
			}
		}
	}
	return targets, nil
}

// keyed tells whether what the mode creates is found again by a key of the table.
func keyed(table *dataverse.Table, dest *config.Destination) bool {
	return len(dest.Key) > 0 && !slices.Equal(dest.Key, []string{table.PrimaryID})
}

// checkMatch makes sure that records can be found by columns that are no key.
func checkMatch(table *dataverse.Table, columns []string) error {
	for _, name := range columns {
		if table.Column(name) == nil {
			return fault.New(fault.Refused, "unknown_key", "table %s has no column %s to match on", table.Name, name).
				Advise("name columns of the table by their logical names")
		}
	}
	return nil
}

// checkKey makes sure that records can be found by the destination's key.
func checkKey(table *dataverse.Table, key []string) error {
	if slices.Equal(key, []string{table.PrimaryID}) {
		return nil
	}
	k := table.Key(key)
	if k == nil {
		return fault.New(fault.Refused, "unknown_key", "table %s has no alternate key over %s", table.Name, strings.Join(key, ", ")).
			Advise("use the primary id %s%s, or have the key added to the table", table.PrimaryID, keysOf(table))
	}
	if k.Status != "Active" {
		return fault.New(fault.Refused, "key_inactive", "the alternate key %s of table %s is %s, not Active", k.Name, table.Name, k.Status).
			Advise("wait until its index is built, or mend what made it fail (duplicates) and reactivate it")
	}
	return nil
}

func keysOf(table *dataverse.Table) string {
	var b strings.Builder
	for _, k := range table.Keys {
		b.WriteString(" or " + strings.Join(k.Columns, "+"))
	}
	return b.String()
}

// checkOwnIDs makes sure that creates may carry an id of ours: the service
// silently ignores a column that is not valid for create, and without our id a
// call repeated after a lost answer would double its rows (rule I2).
func checkOwnIDs(table *dataverse.Table) error {
	if id := table.Column(table.PrimaryID); id == nil || !id.ForCreate {
		return fault.New(fault.Refused, "client_ids_not_allowed", "table %s does not let a client choose %s, so appending could double rows", table.Name, table.PrimaryID).
			Advise("use mode upsert with an alternate key")
	}
	return nil
}
