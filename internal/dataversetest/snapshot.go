package dataversetest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"penstock/internal/dataversetest/schema"
	"penstock/internal/dataversetest/storage"
)

var snapshotName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// ErrNoSnapshot says that there is no snapshot of that name.
var ErrNoSnapshot = errors.New("there is no such snapshot")

// snapshotPath is where a snapshot of that name is kept.
func (s *Server) snapshotPath(name string) (string, error) {
	if !snapshotName.MatchString(name) {
		return "", fmt.Errorf("%q is no name for a snapshot: letters, digits, dots, dashes and underscores", name)
	}
	s.snapshots.Lock()
	defer s.snapshots.Unlock()
	if s.options.SnapshotDir == "" {
		dir, err := os.MkdirTemp("", "dataverse-snapshots-*")
		if err != nil {
			return "", fmt.Errorf("make a directory for snapshots: %w", err)
		}
		s.options.SnapshotDir, s.ownSnapshots = dir, true
	}
	if err := os.MkdirAll(s.options.SnapshotDir, 0o755); err != nil {
		return "", fmt.Errorf("make a directory for snapshots: %w", err)
	}
	return filepath.Join(s.options.SnapshotDir, name+".sqlite"), nil
}

// Snapshot keeps all records, and what their tables look like, under a name; an older snapshot of that name goes.
func (s *Server) Snapshot(_ context.Context, name string) error {
	path, err := s.snapshotPath(name)
	if err != nil {
		return err
	}
	s.schema.RLock()
	defer s.schema.RUnlock()
	fresh := path + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("write snapshot %s: %w", name, err)
	}
	if err := s.db.Snapshot(fresh); err != nil {
		return err
	}
	if err := s.addSchema(fresh); err != nil {
		return fmt.Errorf("write snapshot %s: %w", name, err)
	}
	if err := os.Rename(fresh, path); err != nil {
		return fmt.Errorf("write snapshot %s: %w", name, err)
	}
	return nil
}

// addSchema writes what the tables look like into a database file.
func (s *Server) addSchema(path string) error {
	db, err := storage.Open(path)
	if err != nil {
		return err
	}
	err = db.Write(func(tx *storage.Tx) error { return keepSchema(tx, s.org) })
	return errors.Join(err, db.Close())
}

// Restore puts the records and tables of a snapshot in the place of all there are. Statistics, limits and faults stay.
func (s *Server) Restore(_ context.Context, name string) error {
	path, err := s.snapshotPath(name)
	if err != nil {
		return err
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %s", ErrNoSnapshot, name)
	}
	return s.RestoreFile(path)
}

// RestoreFile is Restore from a file: a snapshot, or any database of an emulator.
func (s *Server) RestoreFile(path string) error {
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("restore: %w", err) // SQLite would make it
	}
	s.schema.Lock()
	defer s.schema.Unlock()
	if err := s.db.Restore(path); err != nil {
		return err
	}
	return s.reopen()
}

// reopen takes up a database that has become another one.
func (s *Server) reopen() error {
	s.tables.Clear()
	err := s.db.Write(func(tx *storage.Tx) error {
		clear(s.prepared)
		clear(s.indexed)
		clear(s.messages)
		org, err := storedSchema(tx)
		if err != nil {
			return err
		}
		if org == nil {
			org = schema.Default()
		}
		s.org = org
		s.addSystemTables()
		s.org.Reindex()
		return s.readCounters(tx)
	})
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	return s.seed() // the users of this server may be others
}
