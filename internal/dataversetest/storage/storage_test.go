package storage_test

import (
	"database/sql/driver"
	"errors"
	"testing"

	"penstock/internal/dataversetest/storage"
)

func TestFold(t *testing.T) {
	for in, want := range map[string]string{"ABC  ": "abc", "José": "jose", "JOSE\u0301 ": "jose", "Straße": "strasse", " a": " a", "ÅÄÖ": "aao", "": ""} {
		if got := storage.Fold(in); got != want {
			t.Errorf("%q folds to %q, want %q", in, got, want)
		}
	}
	if got := storage.FoldInner("A "); got != "a " {
		t.Errorf("inner %q", got)
	}
}

func TestDecimalsCompareByValue(t *testing.T) {
	ascending := []string{"-100", "-12.5", "-12.25", "-0.1", "0", "0.05", "0.1", "9", "10", "922337203685477.5806", "922337203685477.5807"}
	for i, a := range ascending {
		for j, b := range ascending {
			got, want := storage.CompareDecimals(a, b), 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			if got != want {
				t.Errorf("%s against %s: %d, want %d", a, b, got, want)
			}
		}
	}
}

func open(t *testing.T) *storage.DB {
	db, err := storage.Open("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if err := db.Write(func(tx *storage.Tx) error {
		return tx.Exec(`CREATE TABLE t (id TEXT, "key a" TEXT UNIQUE, UNIQUE (id))`)
	}); err != nil {
		t.Fatal(err)
	}
	return db
}

func count(t *testing.T, db *storage.DB) (n int64) {
	t.Helper()
	if err := db.Read(func(tx *storage.Tx) error {
		row, err := tx.Row("SELECT count(*) FROM t")
		if err == nil {
			n = row[0].(int64)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestConflictsNameTheColumn(t *testing.T) {
	db := open(t)
	for column, args := range map[string][]driver.Value{"id": {"1", nil}, "key a": {"2", "x"}} {
		err := db.Write(func(tx *storage.Tx) error {
			if err := tx.Exec("INSERT OR IGNORE INTO t VALUES ('1', 'x')"); err != nil {
				return err
			}
			return tx.Exec("INSERT INTO t VALUES (?, ?)", args...)
		})
		var conflict *storage.Conflict
		if !errors.As(err, &conflict) || conflict.Table != "t" || conflict.Column != column {
			t.Errorf("%s: %v", column, err)
		}
	}
	if n := count(t, db); n != 0 {
		t.Errorf("%d rows stayed", n)
	}
}

func TestTryUndoesOnlyItself(t *testing.T) {
	db := open(t)
	broken := errors.New("broken")
	undone, kept := false, false
	err := db.Write(func(tx *storage.Tx) error {
		tx.AfterCommit(func() { kept = true })
		if err := tx.Exec("INSERT INTO t VALUES ('1', NULL)"); err != nil {
			return err
		}
		err := tx.Try(func() error {
			tx.OnRollback(func() { undone = true })
			if err := tx.Exec("INSERT INTO t VALUES ('2', NULL)"); err != nil {
				return err
			}
			return broken
		})
		if !errors.Is(err, broken) {
			t.Errorf("got %v", err)
		}
		return nil
	})
	if err != nil || !undone || !kept || count(t, db) != 1 {
		t.Errorf("%v, undone %v, kept %v, rows %d", err, undone, kept, count(t, db))
	}
}
