// Package dataversetest is a Dataverse environment for tests and rehearsals: the Web API and Entra ID over SQLite.
package dataversetest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"penstock/internal/dataversetest/entra"
	"penstock/internal/dataversetest/schema"
	"penstock/internal/dataversetest/storage"
	"penstock/internal/dataversetest/traffic"
)

// Options of a Server. The zero value is a whole organisation in memory with one application user who may do everything.
type Options struct {
	Schema         *schema.Organization // nil is that of the database file, or the built-in organisation
	File           string               // database file; "" keeps everything in memory
	SnapshotDir    string               // where snapshots are kept; "" is a directory that goes at the end
	OrganizationID string               // "" is a fixed id
	Tenant         string               // tenant id; "" accepts every tenant and answers with a fixed id
	Users          []User               // nil is DefaultUser
	TokenLifetime  time.Duration        // 0 is an hour
	Traffic        traffic.Options      // limits, latency and faults; its hooks into the server are filled in by New

	// LenientReferences lets keys in bodies (@odata.id, @odata.bind) hold characters that a URL refuses. Whether the
	// service does so is not known.
	LenientReferences bool

	// JobDelay is how long a background job stays in each of its states.
	JobDelay time.Duration

	Now   func() time.Time // nil is time.Now
	NewID func() string    // ids of new records; nil makes ascending ones, as the service does
}

// The ids of an organisation that is given none.
const (
	defaultOrganization = "0e5f1a00-0000-4000-8000-00000000c0de"
	defaultTenant       = "7e9a0700-0000-4000-8000-00000000c0de"
	businessUnit        = "b05e5500-0000-4000-8000-00000000c0de"
	baseCurrency        = "c0220c00-0000-4000-8000-00000000c0de"
)

// Server is a Dataverse organisation with its Entra ID tenant. It serves every host name that it is asked for.
type Server struct {
	options Options
	org     *schema.Organization
	db      *storage.DB
	gate    *traffic.Gate
	handler http.Handler
	entra   *entra.Authority

	// schema is held for reading by every request, and for writing by those that change tables.
	schema sync.RWMutex

	tables       sync.Map            // logical name → *table
	planning     sync.Mutex          // held while a table is made ready
	prepared     map[string]*table   // whose SQL tables exist; guarded by the database's turn
	indexed      map[string]bool     // lookups with an index; guarded by the database's turn
	version      int64               // of the record written last; guarded by the database's turn
	messages     map[string]bool     // tables whose messages are in sdkmessagefilter; guarded by the database's turn
	users        map[string]*account // by client id
	duplicates   atomic.Pointer[[]DuplicateRule]
	control      http.Handler // of /_emulator/
	uploads      uploads      // of files, in pieces
	snapshots    sync.Mutex
	ownSnapshots bool               // their directory goes with the server
	jobs         sync.WaitGroup     // bulk deletions under way
	life         context.Context    // ends with the server
	end          context.CancelFunc //
}

// New starts a server.
func New(o Options) (*Server, error) {
	o.fill()
	db, err := storage.Open(o.File)
	if err != nil {
		return nil, err
	}
	s := &Server{options: o, db: db, prepared: map[string]*table{}, indexed: map[string]bool{}, messages: map[string]bool{}}
	s.life, s.end = context.WithCancel(context.Background())
	if err := s.start(); err != nil {
		db.Close()
		return nil, fmt.Errorf("start emulator: %w", err)
	}
	return s, nil
}

func (o *Options) fill() {
	if o.OrganizationID == "" {
		o.OrganizationID = defaultOrganization
	}
	if o.Users == nil {
		o.Users = []User{DefaultUser}
	}
	if o.TokenLifetime == 0 {
		o.TokenLifetime = time.Hour
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.NewID == nil {
		o.NewID = sequentialIDs()
	}
}

// sequentialIDs makes ids as the service does: they ascend, which is kind to its indexes, and their tail is the server's.
func sequentialIDs() func() string {
	return func() string { return uuid.Must(uuid.NewV7()).String() }
}

func (s *Server) start() error {
	if err := s.openSchema(); err != nil {
		return err
	}
	s.addSystemTables()
	s.org.Reindex()
	s.admitUsers()
	if err := s.db.Write(s.readCounters); err != nil {
		return err
	}
	if err := s.seed(); err != nil {
		return err
	}
	s.startIdentity()
	s.startTraffic()
	return nil
}

// openSchema takes the tables that it is given, else those that a database file was left with.
func (s *Server) openSchema() (err error) {
	if s.options.Schema != nil {
		s.org = s.options.Schema.Clone() // system tables are added, and clients may add more
		return nil
	}
	err = s.db.Read(func(tx *storage.Tx) error {
		s.org, err = storedSchema(tx)
		return err
	})
	if s.org == nil {
		s.org = schema.Default()
	}
	return err
}

func (s *Server) startTraffic() {
	t := s.options.Traffic
	t.User = s.userOf
	t.Challenge = s.challenge
	t.Rows = s.rowCounts
	t.Reset = s.Reset
	t.Guide = controlGuide
	if t.Now == nil {
		t.Now = s.options.Now
	}
	s.gate = traffic.New(t)
	s.handler = s.gate.Wrap(http.HandlerFunc(s.serveAPI))
	s.control = s.newControl()
}

// Traffic is the gate before the Web API: its limits, faults, log and statistics.
func (s *Server) Traffic() *traffic.Gate { return s.gate }

// Close ends what is under way and closes the database.
func (s *Server) Close() error {
	s.end()
	s.gate.Close()
	s.jobs.Wait()
	err := s.db.Close()
	if s.ownSnapshots {
		err = errors.Join(err, os.RemoveAll(s.options.SnapshotDir))
	}
	return err
}

// ServeHTTP routes a request: the Web API, the emulator's own control endpoints, or Entra ID.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.HasPrefix(r.URL.Path, "/api/data/"):
		s.handler.ServeHTTP(w, r)
	case strings.HasPrefix(r.URL.Path, "/_emulator"):
		s.control.ServeHTTP(w, r)
	default:
		s.entra.ServeHTTP(w, r)
	}
}

func (s *Server) now() time.Time { return s.options.Now().UTC() }

// Reset empties the organisation.
func (s *Server) Reset(context.Context) error {
	s.schema.RLock()
	defer s.schema.RUnlock()
	err := s.db.Write(func(tx *storage.Tx) error {
		names, err := tx.Tables()
		for _, name := range names {
			if err == nil && name != countersTable && name != schemaTable {
				err = tx.Exec("DELETE FROM " + storage.Quote(name))
			}
		}
		clear(s.messages)
		return err
	})
	if err != nil {
		return fmt.Errorf("reset emulator: %w", err)
	}
	return s.seed()
}

// rowCounts counts the records of every table that has ever had one.
func (s *Server) rowCounts(context.Context) map[string]int64 {
	counts := map[string]int64{}
	s.db.Read(func(tx *storage.Tx) error {
		for name := range s.prepared {
			row, err := tx.Row("SELECT count(*) FROM " + storage.Quote(name))
			if err == nil {
				counts[name] = row[0].(int64)
			}
		}
		return nil
	})
	return counts
}
