package storage

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
)

// Snapshot writes a copy of the database to a file that is not there yet.
func (db *DB) Snapshot(path string) error {
	db.mu.Lock()
	defer db.mu.Unlock()
	if _, err := db.conn.ExecContext(context.Background(), "VACUUM INTO ?", bind([]driver.Value{path})); err != nil {
		return fmt.Errorf("write snapshot %s: %w", path, err)
	}
	return nil
}

// Restore puts what a snapshot holds in the place of everything that the database holds.
func (db *DB) Restore(path string) (err error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.forget()
	if _, err := db.conn.ExecContext(context.Background(), "ATTACH DATABASE ? AS snapshot", bind([]driver.Value{path})); err != nil {
		return fmt.Errorf("open snapshot %s: %w", path, err)
	}
	defer func() {
		db.forget() // a statement in use would keep the file open
		_, detached := db.conn.ExecContext(context.Background(), "DETACH DATABASE snapshot", nil)
		err = errors.Join(err, detached)
	}()
	if err := db.write((*Tx).copySnapshot); err != nil {
		return fmt.Errorf("restore snapshot %s: %w", path, err)
	}
	return nil
}

func (tx *Tx) copySnapshot() error {
	names, err := tx.Tables()
	for _, name := range names {
		if err == nil {
			err = tx.Exec("DROP TABLE main." + Quote(name))
		}
	}
	if err != nil {
		return err
	}
	type part struct{ kind, name, sql string }
	var parts []part
	err = tx.Query("SELECT type, name, sql FROM snapshot.sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY type DESC", nil, func(row []driver.Value) error {
		parts = append(parts, part{row[0].(string), row[1].(string), row[2].(string)})
		return nil
	})
	for _, p := range parts { // tables come before their indexes
		if err == nil {
			err = tx.Exec(p.sql)
		}
		if err == nil && p.kind == "table" {
			err = tx.copyTable(p.name)
		}
	}
	return err
}

// copyTable keeps the rowids, by which pages are made.
func (tx *Tx) copyTable(name string) error {
	columns := []string{"rowid"}
	err := tx.Query("SELECT name FROM pragma_table_info(?, 'snapshot')", []driver.Value{name}, func(row []driver.Value) error {
		columns = append(columns, Quote(row[0].(string)))
		return nil
	})
	if err != nil {
		return err
	}
	list := strings.Join(columns, ", ")
	return tx.Exec("INSERT INTO main." + Quote(name) + " (" + list + ") SELECT " + list + " FROM snapshot." + Quote(name))
}
