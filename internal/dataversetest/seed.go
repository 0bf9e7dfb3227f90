package dataversetest

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"

	"penstock/internal/dataversetest/payload"
	"penstock/internal/dataversetest/schema"
	"penstock/internal/dataversetest/storage"
)

// Seed writes records from a file: a CSV that is called after its table, contact.csv, or JSON {"contact":[{…},…]}. They
// go through the same validation as those of clients; a record whose primary id is there already is updated.
//
// A CSV has properties as its header, lookups as nav@odata.bind with /accounts(…) as values. An empty cell is no value.
func (s *Server) Seed(name string, r io.Reader) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return fmt.Errorf("seed %s: %w", name, err)
	}
	s.schema.RLock()
	defer s.schema.RUnlock()
	if trimmed := bytes.TrimLeft(data, " \t\r\n\ufeff"); len(trimmed) > 0 && trimmed[0] == '{' {
		err = s.seedJSON(string(data))
	} else {
		err = s.seedCSV(strings.TrimSuffix(filepath.Base(name), filepath.Ext(name)), data)
	}
	if err != nil {
		return fmt.Errorf("seed %s: %w", name, err)
	}
	return nil
}

func (s *Server) seedJSON(text string) error {
	all, err := payload.Parse(text)
	if err != nil {
		return err
	}
	for _, one := range all.Items {
		t := s.table(one.Name)
		if t == nil {
			return fmt.Errorf("there is no table %q", one.Name)
		}
		if one.Kind != payload.Array {
			return fmt.Errorf("%s: a list of rows was expected", one.Name)
		}
		rows := make([]seedRow, len(one.Items))
		for i := range one.Items {
			rows[i] = seedRow{&one.Items[i].Value, fmt.Sprintf("%s, row %d", one.Name, i+1)}
		}
		if err := s.seedRows(t, rows); err != nil {
			return err
		}
	}
	return nil
}

// seedRow is a row with its place in the file.
type seedRow struct {
	value *payload.Value
	place string
}

const seedStep = 1000

func (s *Server) seedRows(t *table, rows []seedRow) error {
	for len(rows) > 0 {
		n := min(seedStep, len(rows))
		if err := s.seedSome(t, rows[:n]); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// seedSome writes rows in one transaction, one after the other: each may point to those before it.
func (s *Server) seedSome(t *table, rows []seedRow) error {
	r := &request{ctx: context.Background(), user: s.system()}
	return s.write(r, func(w *work) error {
		for _, row := range rows {
			c, err := s.decodeRow(r, t, row.value)
			if err == nil {
				err = w.resolveAll([]*change{c})
			}
			if err == nil {
				_, err = w.bulkUpsert(c)
			}
			var refusal *Error
			if errors.As(err, &refusal) {
				return fmt.Errorf("%s: %s %s", row.place, refusal.Code, refusal.Message)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", row.place, err)
			}
		}
		return nil
	})
}

func (s *Server) seedCSV(name string, data []byte) error {
	t := s.table(strings.ToLower(name))
	if t == nil {
		return fmt.Errorf("there is no table %q: a CSV is called after its table", name)
	}
	reader := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(data, []byte("\ufeff"))))
	header, err := reader.Read()
	if err != nil {
		return fmt.Errorf("read the header: %w", err)
	}
	fields := make([]*column, len(header))
	for i, property := range header {
		f, ok := t.fields[property]
		switch {
		case !ok:
			return fmt.Errorf("the table %s has no property %q", t.LogicalName, property)
		case f.lookup == nil:
			fields[i] = f.column
		}
	}
	var rows []seedRow
	for {
		cells, err := reader.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		line, _ := reader.FieldPos(0)
		row := &payload.Value{Kind: payload.Object}
		for i, cell := range cells {
			if cell != "" {
				row.Items = append(row.Items, payload.Member{Name: header[i], Value: cellValue(fields[i], cell)})
			}
		}
		rows = append(rows, seedRow{row, "line " + strconv.Itoa(line)})
	}
	return s.seedRows(t, rows)
}

// cellValue is the JSON value that a cell stands for; c is nil for a lookup.
func cellValue(c *column, cell string) payload.Value {
	text := payload.Value{Kind: payload.String, Text: cell}
	if c == nil {
		return text
	}
	switch c.Type {
	case schema.TypeInteger, schema.TypeBigInt, schema.TypeDecimal, schema.TypeDouble, schema.TypeMoney:
		return payload.Value{Kind: payload.Number, Text: cell}
	case schema.TypePicklist, schema.TypeState, schema.TypeStatus:
		return payload.Value{Kind: payload.Number, Text: c.optionText(cell)}
	case schema.TypeBoolean:
		switch c.optionText(strings.ToLower(cell)) {
		case "1", "true", "yes":
			return payload.Value{Kind: payload.True, Text: "true"}
		case "0", "false", "no":
			return payload.Value{Kind: payload.False, Text: "false"}
		}
	}
	return text
}

// optionText is the number of an option that is given by its label.
func (c *column) optionText(label string) string {
	if c.Options != nil {
		for _, o := range c.Options.Options {
			if storage.Fold(o.Label) == storage.Fold(label) {
				return strconv.Itoa(o.Value)
			}
		}
	}
	return label
}
