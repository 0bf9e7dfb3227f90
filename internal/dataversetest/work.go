package dataversetest

import (
	"penstock/internal/dataversetest/storage"
	"penstock/internal/dataversetest/traffic"
)

// work is what a request does within one transaction.
type work struct {
	s       *Server
	tx      *storage.Tx
	r       *request
	now     string
	wrote   map[string]*tally
	exists  map[identifier]bool // records that lookups were found to point to
	leaving map[identifier]bool // records whose deletion is under way, in a circle perhaps
	scratch *draft
	names   map[identifier]string // primary names of records that lookups point to
}

type tally struct{ created, updated, deleted int }

// identifier names a record.
type identifier struct{ table, id string }

const countersTable = "emulator counters"

// timestamp is how the database keeps a point in time: texts that sort.
const timestamp = "2006-01-02T15:04:05Z"

// write runs f in a transaction. Its numbers count only once it is kept.
func (s *Server) write(r *request, f func(*work) error) error {
	if r.work != nil { // a change set has the transaction already
		return f(r.work)
	}
	w := &work{s: s, r: r, now: s.now().Format(timestamp), wrote: map[string]*tally{}, exists: map[identifier]bool{}, leaving: map[identifier]bool{}}
	return s.db.Write(func(tx *storage.Tx) error {
		w.tx = tx
		before := s.version
		if err := f(w); err != nil {
			return err
		}
		tx.AfterCommit(w.report)
		if s.version == before {
			return nil
		}
		return tx.Exec(`UPDATE "`+countersTable+`" SET value = ? WHERE name = 'version'`, s.version)
	})
}

// read runs f with a view of the database that does not change meanwhile. It is a transaction that may write: what is read
// may first need its table, its index, or the messages of new tables.
func (s *Server) read(r *request, f func(*work) error) error { return s.write(r, f) }

func (w *work) report() {
	call := traffic.From(w.r.ctx)
	for table, t := range w.wrote {
		call.Wrote(table, t.created, t.updated, t.deleted)
	}
}

func (w *work) tally(t *table) *tally {
	n := w.wrote[t.LogicalName]
	if n == nil {
		n = &tally{}
		w.wrote[t.LogicalName] = n
	}
	return n
}

// table finds a table by logical name; nil when there is none.
func (s *Server) table(name string) *table {
	st := s.org.Tables[name]
	if st == nil {
		return nil
	}
	if t, ok := s.tables.Load(name); ok && t.(*table).Table == st && t.(*table).print == fingerprintOf(st) {
		return t.(*table)
	}
	// One request must not see two of them: tables are compared by identity.
	s.planning.Lock()
	defer s.planning.Unlock()
	if t, ok := s.tables.Load(name); ok && t.(*table).Table == st && t.(*table).print == fingerprintOf(st) {
		return t.(*table)
	}
	t := newTable(st)
	s.tables.Store(name, t)
	return t
}

// set finds a table by entity set name; nil when there is none.
func (s *Server) set(name string) *table {
	st := s.org.Sets[name]
	if st == nil {
		return nil
	}
	return s.table(st.LogicalName)
}

// ready makes sure that the SQL table of t exists and is up to date.
func (w *work) ready(t *table) error {
	if w.s.prepared[t.LogicalName] == t {
		return w.expire(t)
	}
	if err := t.prepare(w.tx); err != nil {
		return err
	}
	w.s.prepared[t.LogicalName] = t
	w.tx.OnRollback(func() { delete(w.s.prepared, t.LogicalName) })
	return w.expire(t)
}

// expire removes the records of an elastic table whose time to live is over.
func (w *work) expire(t *table) error {
	if t.partition == nil || t.byName["ttlinseconds"] == nil {
		return nil
	}
	return w.tx.Exec("DELETE FROM "+storage.Quote(t.LogicalName)+` WHERE "expires" <= ?`, w.s.now().Unix())
}

// indexLookup makes finding records by a lookup fast. It is done when first needed: most lookups are never searched,
// and an index costs every write.
func (w *work) indexLookup(t *table, c *column) error {
	name := t.LogicalName + "." + c.LogicalName
	if w.s.indexed[name] {
		return nil
	}
	err := w.tx.Exec("CREATE INDEX IF NOT EXISTS " + storage.Quote("lookup "+name) + " ON " + storage.Quote(t.LogicalName) +
		" (" + c.quoted + ") WHERE " + c.quoted + " IS NOT NULL")
	if err != nil {
		return err
	}
	w.s.indexed[name] = true
	w.tx.OnRollback(func() { delete(w.s.indexed, name) })
	return nil
}

func (w *work) nextVersion() int64 {
	w.s.version++
	return w.s.version
}

// readCounters takes up where the database file was left.
func (s *Server) readCounters(tx *storage.Tx) error {
	if err := tx.Exec(`CREATE TABLE IF NOT EXISTS "` + countersTable + `" (name TEXT PRIMARY KEY, value INTEGER)`); err != nil {
		return err
	}
	if err := tx.Exec(`INSERT OR IGNORE INTO "` + countersTable + `" VALUES ('version', 1000000)`); err != nil {
		return err
	}
	row, err := tx.Row(`SELECT value FROM "` + countersTable + `" WHERE name = 'version'`)
	if err == nil {
		s.version = row[0].(int64)
	}
	return err
}
