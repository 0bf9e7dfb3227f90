package dataverse

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strings"

	"penstock/internal/fault"
)

const (
	maxPage    = 5000
	emptyPages = 10 // that may follow each other, each with a link to the next
)

// Rows reads a collection, page after page: path is below the service root and
// encoded, such as "contacts?$select=fullname". pageSize is at most 5,000; 0 is the service's.
func (c *Client) Rows(ctx context.Context, path string, pageSize int) iter.Seq2[json.RawMessage, error] {
	prefer := ""
	if pageSize > 0 {
		prefer = fmt.Sprintf("odata.maxpagesize=%d", pageSize)
	}
	return rows[json.RawMessage](ctx, c, &request{method: http.MethodGet, url: c.root + path, prefer: prefer})
}

// rows reads pages, the next one while the rows of one are taken.
func rows[T any](ctx context.Context, c *Client, first *request) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		pages := make(chan fetched[T])
		go func() {
			defer close(pages)
			for page, err := range fetch[T](ctx, c, first) {
				if !offer(ctx, pages, fetched[T]{rows: page, err: err}) {
					return
				}
			}
			offer(ctx, pages, fetched[T]{end: true})
		}()
		defer func() {
			cancel()
			for range pages {
				// The reader sees the end of ctx and leaves.
			}
		}()
		var none T
		for page := range pages {
			switch {
			case page.end:
				return
			case page.err != nil:
				yield(none, fmt.Errorf("read rows: %w", page.err))
				return
			}
			for _, row := range page.rows {
				if !yield(row, nil) {
					return
				}
			}
		}
		yield(none, fmt.Errorf("read rows: %w", cancelled(ctx.Err()))) // rows that were not read must not look like the end
	}
}

// fetched is a page on its way to who takes its rows.
type fetched[T any] struct {
	rows []T
	err  error
	end  bool // there are no more pages
}

func offer[T any](ctx context.Context, to chan<- T, what T) bool {
	select {
	case to <- what:
		return true
	case <-ctx.Done():
		return false
	}
}

// fetch reads page after page. A link of the service is followed only when it
// leads on: to the same collection on our own origin, and not to where we were.
func fetch[T any](ctx context.Context, c *Client, first *request) iter.Seq2[[]T, error] {
	return func(yield func([]T, error) bool) {
		seen := map[string]bool{first.url: true}
		empty := 0
		for next := first.url; next != ""; {
			r := *first
			r.url = next
			page, err := fetchPage[T](ctx, c, &r)
			if err != nil {
				yield(nil, err)
				return
			}
			if empty++; len(page.Value) > 0 {
				empty = 0
			}
			if !yield(page.Value, nil) {
				return
			}
			if next, err = c.follow(first.url, page.Next); err == nil && (seen[next] || empty > emptyPages) {
				err = fault.New(fault.Broken, "unexpected_answer", "the service's pages do not end")
			}
			if err != nil {
				yield(nil, err)
				return
			}
			seen[next] = next != ""
		}
	}
}

func fetchPage[T any](ctx context.Context, c *Client, r *request) (*collection[T], error) {
	out, err := c.read(ctx, r)
	if err != nil {
		return nil, err
	}
	var page collection[T]
	if err := decode(out.body, &page); err != nil {
		return nil, err
	}
	if page.Value == nil {
		return nil, noRows()
	}
	return &page, nil
}

// noRows is the fault of an answer without a list of rows, which is not the same as an empty list.
func noRows() error {
	return fault.New(fault.Broken, "unexpected_answer", "the service answered a query without a list of rows")
}

// follow checks a link to a next page (rule S1); "" is the end.
func (c *Client) follow(first, link string) (string, error) {
	if link == "" {
		return "", nil
	}
	next, err := c.own(link)
	if err != nil {
		return "", err
	}
	from, errFrom := url.Parse(first)
	to, errTo := url.Parse(next)
	if errFrom != nil || errTo != nil || from.EscapedPath() != to.EscapedPath() {
		return "", fault.New(fault.Refused, "foreign_link", "the service's next page is not of the same collection; it was not read")
	}
	return next, nil
}

// KeyRow is what Keys reads of a record.
type KeyRow struct {
	ID        string            // primary id, lower-case
	Partition string            // of an elastic table's record
	Values    []json.RawMessage // of the columns asked for, in their order; null where there is none
}

// Keys reads the ids of a table's records and the values of columns, under a filter.
func (c *Client) Keys(ctx context.Context, table *Table, columns []string, filter Filter) iter.Seq2[KeyRow, error] {
	return func(yield func(KeyRow, error) bool) {
		r, properties, err := c.keysQuery(table, columns, filter)
		if err != nil {
			yield(KeyRow{}, err)
			return
		}
		for row, err := range rows[map[string]json.RawMessage](ctx, c, r) {
			if err != nil {
				yield(KeyRow{}, fmt.Errorf("read the keys of table %q: %w", table.Name, err))
				return
			}
			key, err := keyRow(table, properties, row)
			if !yield(key, err) || err != nil {
				return
			}
		}
	}
}

// KeysPage reads one page of what Keys reads: the first, or the one that the page before it named as
// next, which may have been read long ago and by another process. next is "" on the last page.
func (c *Client) KeysPage(ctx context.Context, table *Table, columns []string, filter Filter, from string) (keys []KeyRow, next string, err error) {
	r, properties, err := c.keysQuery(table, columns, filter)
	if err != nil {
		return nil, "", err
	}
	first := r.url
	if from != "" {
		if r.url, err = c.follow(first, from); err != nil {
			return nil, "", err
		}
	}
	page, err := fetchPage[map[string]json.RawMessage](ctx, c, r)
	if err != nil {
		return nil, "", fmt.Errorf("read the keys of table %q: %w", table.Name, err)
	}
	keys = make([]KeyRow, len(page.Value))
	for i, row := range page.Value {
		if keys[i], err = keyRow(table, properties, row); err != nil {
			return nil, "", err
		}
	}
	next, err = c.follow(first, page.Next)
	if err == nil && next != "" && next == r.url {
		err = fault.New(fault.Broken, "unexpected_answer", "the service's pages do not end")
	}
	return keys, next, err
}

// keysQuery asks for ids and columns, in pages as large as the service makes them.
func (c *Client) keysQuery(table *Table, columns []string, filter Filter) (r *request, properties []string, err error) {
	properties = make([]string, len(columns))
	for i, name := range columns {
		column, ok := table.keyColumn(name)
		if !ok {
			return nil, nil, fault.New(fault.Refused, "unknown_column", "table %q has no column %q", table.Name, name).At("", 0, name)
		}
		properties[i] = column.property
	}
	if r, err = c.query(table, properties, filter, ""); err != nil {
		return nil, nil, err
	}
	r.prefer = fmt.Sprintf("odata.maxpagesize=%d", maxPage)
	return r, properties, nil
}

func keyRow(table *Table, properties []string, row map[string]json.RawMessage) (KeyRow, error) {
	key := KeyRow{ID: strings.ToLower(textOf(row[table.PrimaryID])), Partition: textOf(row["partitionid"]), Values: make([]json.RawMessage, len(properties))}
	if !guidPattern.MatchString(key.ID) {
		return KeyRow{}, fault.New(fault.Broken, "unexpected_answer", "the service answered a query with a row without %s", table.PrimaryID)
	}
	for i, property := range properties {
		if key.Values[i] = row[property]; key.Values[i] == nil {
			key.Values[i] = json.RawMessage("null")
		}
	}
	return key, nil
}

// query asks for columns of the records under a filter.
func (c *Client) query(table *Table, properties []string, filter Filter, more string) (*request, error) {
	chosen := table.PrimaryID
	if table.Type == "Elastic" {
		chosen += ",partitionid"
	}
	for _, property := range properties {
		if property != table.PrimaryID {
			chosen += "," + property
		}
	}
	path := table.Set + "?$select=" + chosen + more
	if len(filter) > 0 {
		text, err := table.appendFilter(nil, filter)
		if err != nil {
			return nil, err
		}
		path += "&$filter=" + string(text)
	}
	return &request{method: http.MethodGet, url: c.root + path, session: c.session(table)}, nil
}

// First finds one record under a filter: whether there is any, and which.
func (c *Client) First(ctx context.Context, table *Table, filter Filter) (id string, found bool, err error) {
	r, err := c.query(table, nil, filter, "&$top=1")
	if err != nil {
		return "", false, err
	}
	out, err := c.read(ctx, r)
	if err != nil {
		return "", false, fmt.Errorf("look for a record of table %q: %w", table.Name, err)
	}
	ids, err := idsOf(table, out.body)
	if err != nil || len(ids) == 0 {
		return "", false, err
	}
	return ids[0], true, nil
}
