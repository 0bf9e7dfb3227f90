// Package storage keeps the records of an emulated organisation in SQLite, in memory or in a file.
package storage

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
)

// DB is one database. One connection serves everyone, a transaction at a time: SQLite has one writer anyway,
// an in-memory database is seen whole by one connection only, and readers then never see half a change.
type DB struct {
	mu    sync.Mutex
	conn  connection
	stmts map[string]statement
}

type connection interface {
	driver.Conn
	driver.ConnPrepareContext
	driver.ExecerContext
}

type statement interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// Open opens a database file, or an empty database in memory when path is "".
func Open(path string) (*DB, error) {
	name := ":memory:"
	if path != "" {
		name = "file:" + strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(path)
	}
	sqliteDriver, err := newDriver()
	if err != nil {
		return nil, err
	}
	conn, err := sqliteDriver.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open database %q: %w", path, err)
	}
	db := &DB{conn: conn.(connection), stmts: map[string]statement{}}
	// WAL lets any SQLite tool read the file while the emulator runs.
	for _, pragma := range []string{"journal_mode(wal)", "synchronous(off)", "temp_store(memory)", "cache_size(-65536)"} {
		if _, err := db.conn.ExecContext(context.Background(), "PRAGMA "+pragma, nil); err != nil {
			conn.Close()
			return nil, fmt.Errorf("prepare database %q: %w", path, err)
		}
	}
	return db, nil
}

// Close closes the database.
func (db *DB) Close() error {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.forget()
	return db.conn.Close()
}

// forget drops the prepared statements.
func (db *DB) forget() {
	for text, s := range db.stmts {
		s.Close()
		delete(db.stmts, text)
	}
}

// Tx is the database within one transaction.
type Tx struct {
	db     *DB
	after  []func()
	undone []func()
}

// Write runs f in a transaction that is kept when f returns nil.
func (db *DB) Write(f func(*Tx) error) error {
	db.mu.Lock()
	defer db.mu.Unlock()
	return db.write(f)
}

// write is Write for who has the database to himself.
func (db *DB) write(f func(*Tx) error) error {
	tx := &Tx{db: db}
	if err := tx.Exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	done := false
	defer func() {
		if !done {
			tx.Exec("ROLLBACK")
			tx.undo()
		}
	}()
	if err := f(tx); err != nil {
		return err
	}
	if err := tx.Exec("COMMIT"); err != nil {
		return err
	}
	done = true
	for _, f := range tx.after {
		f()
	}
	return nil
}

// Read runs f with the database to itself.
func (db *DB) Read(f func(*Tx) error) error {
	db.mu.Lock()
	defer db.mu.Unlock()
	return f(&Tx{db: db})
}

// AfterCommit has f called once the transaction is kept.
func (tx *Tx) AfterCommit(f func()) { tx.after = append(tx.after, f) }

// OnRollback has f called when changes of the transaction are undone.
func (tx *Tx) OnRollback(f func()) { tx.undone = append(tx.undone, f) }

func (tx *Tx) undo() {
	for _, f := range tx.undone {
		f()
	}
	tx.undone = nil
}

// Try runs f so that its changes are undone when it fails, while the transaction goes on.
func (tx *Tx) Try(f func() error) error {
	if err := tx.Exec("SAVEPOINT try"); err != nil {
		return err
	}
	err := f()
	if err != nil {
		tx.undo()
		if undo := tx.Exec("ROLLBACK TO try"); undo != nil {
			return errors.Join(err, undo)
		}
	}
	if release := tx.Exec("RELEASE try"); release != nil {
		return errors.Join(err, release)
	}
	return err
}

// Conflict is a violated uniqueness: the table and the first column of the index.
type Conflict struct{ Table, Column string }

func (c *Conflict) Error() string { return "unique constraint of " + c.Table + "." + c.Column }

// conflictOf reads SQLite's "UNIQUE constraint failed: contact.key_email (2067)".
func conflictOf(err error) error {
	_, rest, ok := strings.Cut(err.Error(), "UNIQUE constraint failed: ")
	if !ok {
		return err
	}
	first, _, _ := strings.Cut(rest, ",")
	first, _, _ = strings.Cut(first, " (")
	table, column, _ := strings.Cut(first, ".")
	return &Conflict{Table: table, Column: column}
}

// maxStatements bounds the prepared statements; queries of all shapes come and go.
const maxStatements = 500

func (tx *Tx) prepare(text string) (statement, error) {
	if s, ok := tx.db.stmts[text]; ok {
		return s, nil
	}
	if len(tx.db.stmts) >= maxStatements {
		tx.db.forget()
	}
	s, err := tx.db.conn.PrepareContext(context.Background(), text)
	if err != nil {
		return nil, fmt.Errorf("prepare %s: %w", text, err)
	}
	stmt := s.(statement)
	tx.db.stmts[text] = stmt
	return stmt, nil
}

func bind(args []driver.Value) []driver.NamedValue {
	named := make([]driver.NamedValue, len(args))
	for i, a := range args {
		named[i] = driver.NamedValue{Ordinal: i + 1, Value: a}
	}
	return named
}

// Exec runs a statement.
func (tx *Tx) Exec(text string, args ...driver.Value) error {
	_, err := tx.Change(text, args...)
	return err
}

// Change runs a statement and says how many rows it changed.
func (tx *Tx) Change(text string, args ...driver.Value) (int64, error) {
	s, err := tx.prepare(text)
	if err != nil {
		return 0, err
	}
	result, err := s.ExecContext(context.Background(), bind(args))
	if err != nil {
		return 0, conflictOf(err)
	}
	return result.RowsAffected()
}

// Query hands every row to f, which must not keep the slice.
func (tx *Tx) Query(text string, args []driver.Value, f func(row []driver.Value) error) error {
	s, err := tx.prepare(text)
	if err != nil {
		return err
	}
	rows, err := s.QueryContext(context.Background(), bind(args))
	if err != nil {
		return fmt.Errorf("run %s: %w", text, err)
	}
	defer rows.Close()
	row := make([]driver.Value, len(rows.Columns()))
	for {
		switch err := rows.Next(row); {
		case err == io.EOF:
			return nil
		case err != nil:
			return fmt.Errorf("run %s: %w", text, err)
		}
		if err := f(row); err != nil {
			return err
		}
	}
}

// Row is the first row of a query; nil when there is none.
func (tx *Tx) Row(text string, args ...driver.Value) ([]driver.Value, error) {
	var first []driver.Value
	err := tx.Query(text, args, func(row []driver.Value) error {
		first = append([]driver.Value(nil), row...)
		return io.EOF
	})
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return first, err
}

// Quote makes an identifier of a name.
func Quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// Tables are the names of all tables.
func (tx *Tx) Tables() ([]string, error) {
	var names []string
	err := tx.Query("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'", nil, func(row []driver.Value) error {
		names = append(names, row[0].(string))
		return nil
	})
	return names, err
}
