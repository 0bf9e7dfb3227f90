package dataverse

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"penstock/internal/fault"
)

// idsPerFilter keeps the conditions of one filter far below the service's limits (500 conditions in a query).
const idsPerFilter = 40

var (
	guidPattern = regexp.MustCompile(`^[0-9A-Fa-f]{8}-([0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}$`)
	anyGUID     = regexp.MustCompile(`[0-9A-Fa-f]{8}-([0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}`)
)

// Exists reports which records are there, by primary id (lower case). On an
// elastic table it is enough that one partition has a record of that id.
func (c *Client) Exists(ctx context.Context, table *Table, ids []string) (map[string]bool, error) {
	return c.exists(ctx, table, ids, nil)
}

func (c *Client) exists(ctx context.Context, table *Table, ids []string, observer *Observer) (map[string]bool, error) {
	var paths []string
	for some := range slices.Chunk(ids, idsPerFilter) {
		conditions := make([]string, len(some))
		for i, id := range some {
			if !guidPattern.MatchString(id) {
				return nil, fault.New(fault.Broken, "bad_id", "an id to look up is no GUID")
			}
			conditions[i] = table.PrimaryID + " eq " + id
		}
		paths = append(paths, table.Set+"?$select="+table.PrimaryID+"&$filter="+escapeQuery(strings.Join(conditions, " or ")))
	}
	found := make(map[string]bool, len(ids))
	bodies, err := c.readAll(ctx, paths, c.session(table), observer)
	if err != nil {
		return nil, fmt.Errorf("look up %d records of table %q: %w", len(ids), table.Name, err)
	}
	for _, body := range bodies {
		some, err := idsOf(table, body)
		if err != nil {
			return nil, err
		}
		for _, id := range some {
			found[id] = true
		}
	}
	return found, nil
}

// Resolve finds the records that have each key: none, one, or two for
// "several". The service compares, not we: it ignores case, trailing blanks
// and usually accents (rule I5), so each key is a query of its own.
func (c *Client) Resolve(ctx context.Context, table *Table, keys [][]KeyPart) ([][]string, error) {
	return c.resolve(ctx, table, keys, nil)
}

func (c *Client) resolve(ctx context.Context, table *Table, keys [][]KeyPart, observer *Observer) ([][]string, error) {
	paths := make([]string, len(keys))
	for i, key := range keys {
		filter, err := table.appendKey(nil, key, "%20eq%20", "%20and%20")
		if err != nil || len(key) == 0 {
			return nil, fault.New(fault.Broken, "bad_key", "a key to resolve has a value or column that no filter takes")
		}
		paths[i] = table.Set + "?$select=" + table.PrimaryID + "&$top=2&$filter=" + string(filter)
	}
	bodies, err := c.readAll(ctx, paths, c.session(table), observer)
	if err != nil {
		return nil, fmt.Errorf("resolve %d keys of table %q: %w", len(keys), table.Name, err)
	}
	found := make([][]string, len(keys))
	for i, body := range bodies {
		if found[i], err = idsOf(table, body); err != nil {
			return nil, err
		}
	}
	return found, nil
}

func rowsOf(body []byte) ([]map[string]json.RawMessage, error) {
	var in collection[map[string]json.RawMessage]
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	if in.Value == nil {
		return nil, noRows()
	}
	return in.Value, nil
}

func idsOf(table *Table, body []byte) ([]string, error) {
	rows, err := rowsOf(body)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(rows))
	for i, row := range rows {
		if ids[i] = strings.ToLower(textOf(row[table.PrimaryID])); ids[i] == "" {
			return nil, fault.New(fault.Broken, "unexpected_answer", "the service answered a query with a row without %s", table.PrimaryID)
		}
	}
	return ids, nil
}
