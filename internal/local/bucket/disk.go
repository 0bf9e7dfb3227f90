package bucket

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/johannesboyne/gofakes3"
	_ "modernc.org/sqlite" // the index
)

// disk keeps objects: an index in SQLite, the bytes in files that are never
// changed once written. The index alone says what exists; a file that it does not
// name is rubbish of a crash. SQLite compares text by its bytes, as S3 does keys.
type disk struct {
	db         *sql.DB
	blobs      blobs
	now        func() time.Time
	keepEvents bool
}

// object is one line of the index.
type object struct {
	bucket, key string
	blob        string
	size        int64
	etag        string // without quotes
	modified    time.Time
	meta        map[string]string
}

const schema = `
CREATE TABLE IF NOT EXISTS buckets (name TEXT PRIMARY KEY, created INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS objects (
  bucket TEXT, key TEXT, blob TEXT NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL,
  modified INTEGER NOT NULL, meta TEXT NOT NULL, PRIMARY KEY (bucket, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS uploads (
  id TEXT PRIMARY KEY, bucket TEXT NOT NULL, key TEXT NOT NULL, meta TEXT NOT NULL, initiated INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS parts (
  upload TEXT, number INTEGER, blob TEXT NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL,
  modified INTEGER NOT NULL, PRIMARY KEY (upload, number)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS events (sequencer TEXT PRIMARY KEY, event TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sequence (last INTEGER NOT NULL);
INSERT INTO sequence SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM sequence);
`

func openDisk(dir string, opts Options) (*disk, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", dir, err)
	}
	d := &disk{blobs: blobs{filepath.Join(dir, "blobs"), !opts.NoSync}, now: opts.Now, keepEvents: opts.OnCreated != nil}
	if err := os.MkdirAll(d.blobs.dir, 0o700); err != nil {
		return nil, fmt.Errorf("make %s: %w", d.blobs.dir, err)
	}
	if err := d.openIndex(filepath.Join(dir, "index.db")); err != nil {
		return nil, fmt.Errorf("open the index of %s (is another process using it?): %w", dir, err)
	}
	if err := d.sweep(); err != nil {
		d.db.Close()
		return nil, fmt.Errorf("sweep %s: %w", dir, err)
	}
	return d, nil
}

// openIndex locks the file for this process: two servers would hand out the same
// sequencers. One connection serialises all that touches the index.
func (d *disk) openIndex(path string) error {
	sync := "FULL"
	if !d.blobs.durable {
		sync = "OFF"
	}
	name := url.URL{Scheme: "file", Path: path, RawQuery: "_txlock=immediate&_pragma=busy_timeout(200)" +
		"&_pragma=locking_mode(EXCLUSIVE)&_pragma=journal_mode(WAL)&_pragma=synchronous(" + sync + ")"}
	db, err := sql.Open("sqlite", name.String())
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	if _, err := db.Exec(schema); err != nil {
		db.Close()
		return err
	}
	d.db = db
	return nil
}

func (d *disk) close() error { return d.db.Close() }

// abandonedAfter: an upload that nobody completed or aborted is given up, as a
// lifecycle rule does in the cloud.
const abandonedAfter = 7 * 24 * time.Hour

// sweep gives up abandoned uploads and removes the files that the index does not name.
func (d *disk) sweep() error {
	limit := d.now().Add(-abandonedAfter).UnixNano()
	if _, err := d.db.Exec(`DELETE FROM uploads WHERE initiated < ?`, limit); err != nil {
		return err
	}
	if _, err := d.db.Exec(`DELETE FROM parts WHERE upload NOT IN (SELECT id FROM uploads)`); err != nil {
		return err
	}
	named, err := d.texts(`SELECT blob FROM objects UNION ALL SELECT blob FROM parts`)
	if err != nil {
		return err
	}
	return d.blobs.keepOnly(named)
}

// texts runs a query of one text column.
func (d *disk) texts(query string, args ...any) ([]string, error) {
	rows, err := d.db.Query(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		all = append(all, text)
	}
	return all, rows.Err()
}

// within runs f in a transaction.
func (d *disk) within(f func(tx *sql.Tx) error) error {
	tx, err := d.db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after a commit
	if err := f(tx); err != nil {
		return err // as it is: gofakes3 looks at its type
	}
	return tx.Commit()
}

// checkKey refuses what S3 refuses, and control characters, which the XML of a list cannot carry.
func checkKey(key string) error {
	switch {
	case len(key) > gofakes3.KeySizeLimit:
		return gofakes3.ResourceError(gofakes3.ErrKeyTooLong, key)
	case key == "", !utf8.ValidString(key), strings.ContainsFunc(key, unicode.IsControl):
		return gofakes3.ErrorMessage(gofakes3.ErrInvalidArgument, "an object key is UTF-8 text without control characters")
	}
	return nil
}

func encodeMeta(meta map[string]string) string {
	text, _ := json.Marshal(meta) // strings always encode
	return string(text)
}

func decodeMeta(text string) (map[string]string, error) {
	meta := map[string]string{}
	if err := json.Unmarshal([]byte(text), &meta); err != nil {
		return nil, fmt.Errorf("decode metadata: %w", err)
	}
	return meta, nil
}
