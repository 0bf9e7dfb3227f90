package run

import (
	"context"
	"slices"
	"strings"

	"penstock/internal/config"
	"penstock/internal/dataverse"
	"penstock/internal/fault"
)

// Inspect reads a destination's table, live, and asks whether it can be written
// as the destination says: supported, permitted, with a usable key. It writes nothing.
func Inspect(ctx context.Context, client *dataverse.Client, dest *config.Destination) (*dataverse.Table, error) {
	table, err := client.Table(ctx, dest.Table)
	if err != nil {
		return nil, err
	}
	if table.Type == "Elastic" {
		return nil, fault.New(fault.Refused, "elastic_table", "table %s is an elastic table, on which an upsert replaces the whole row", table.Name).
			Advise("this version writes standard tables")
	}
	needs, message := []string{"Create", "Read"}, "CreateMultiple"
	if dest.Mode == config.Upsert {
		needs, message = []string{"Create", "Write", "Read"}, "UpsertMultiple"
	}
	missing, err := client.Privileges(ctx, table.Name, needs...)
	if err != nil {
		return nil, err
	}
	if len(missing) > 0 {
		return nil, dataverse.MissingPrivilege(missing...)
	}
	supported, err := client.Supports(ctx, message, table.Name)
	if fault.Is(err, fault.Denied) {
		supported, err = true, nil // it may not be asked; the table itself will tell
	}
	if err != nil {
		return nil, err
	}
	if !supported {
		return nil, fault.New(fault.Refused, "bulk_unsupported", "table %s does not take %s, which this version writes with", table.Name, message)
	}
	if dest.Mode == config.Append {
		return table, checkOwnIDs(table)
	}
	return table, checkKey(table, dest.Key)
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
