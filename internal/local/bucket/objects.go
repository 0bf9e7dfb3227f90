package bucket

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/johannesboyne/gofakes3"
)

// querier is a database or a transaction.
type querier interface {
	QueryRow(query string, args ...any) *sql.Row
}

func (d *disk) createBucket(name string) error {
	done, err := d.db.Exec(`INSERT INTO buckets VALUES (?, ?) ON CONFLICT DO NOTHING`, name, d.now().UnixNano())
	if err != nil {
		return err
	}
	if n, err := done.RowsAffected(); err != nil || n == 0 {
		return gofakes3.ResourceError(gofakes3.ErrBucketAlreadyExists, name)
	}
	return nil
}

func (d *disk) buckets() ([]gofakes3.BucketInfo, error) {
	rows, err := d.db.Query(`SELECT name, created FROM buckets ORDER BY name`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []gofakes3.BucketInfo
	for rows.Next() {
		var name string
		var created int64
		if err := rows.Scan(&name, &created); err != nil {
			return nil, err
		}
		all = append(all, gofakes3.BucketInfo{Name: name, CreationDate: gofakes3.NewContentTime(time.Unix(0, created))})
	}
	return all, rows.Err()
}

func bucketExists(q querier, name string) (bool, error) {
	return exists(q, `SELECT 1 FROM buckets WHERE name = ?`, name)
}

func exists(q querier, query string, args ...any) (bool, error) {
	var one int
	err := q.QueryRow(query, args...).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

func requireBucket(q querier, name string) error {
	found, err := bucketExists(q, name)
	if err == nil && !found {
		err = gofakes3.BucketNotFound(name)
	}
	return err
}

// deleteBucket removes an empty bucket, and its unfinished uploads.
func (d *disk) deleteBucket(name string) error {
	blobs, err := d.texts(`SELECT blob FROM parts JOIN uploads ON upload = id WHERE bucket = ?`, name)
	if err != nil {
		return err
	}
	err = d.within(func(tx *sql.Tx) error {
		if err := requireBucket(tx, name); err != nil {
			return err
		}
		if full, err := exists(tx, `SELECT 1 FROM objects WHERE bucket = ?`, name); err != nil {
			return err
		} else if full {
			return gofakes3.ResourceError(gofakes3.ErrBucketNotEmpty, name)
		}
		for _, statement := range []string{
			`DELETE FROM parts WHERE upload IN (SELECT id FROM uploads WHERE bucket = ?)`,
			`DELETE FROM uploads WHERE bucket = ?`,
			`DELETE FROM buckets WHERE name = ?`,
		} {
			if _, err := tx.Exec(statement, name); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		d.blobs.remove(blobs...)
	}
	return err
}

func find(q querier, bucket, key string) (object, bool, error) {
	o := object{bucket: bucket, key: key}
	var modified int64
	var meta string
	err := q.QueryRow(`SELECT blob, size, etag, modified, meta FROM objects WHERE bucket = ? AND key = ?`, bucket, key).
		Scan(&o.blob, &o.size, &o.etag, &modified, &meta)
	if errors.Is(err, sql.ErrNoRows) {
		return o, false, nil
	}
	if err != nil {
		return o, false, err
	}
	o.modified = time.Unix(0, modified).UTC()
	o.meta, err = decodeMeta(meta)
	return o, true, err
}

// stat reads the index only.
func (d *disk) stat(bucket, key string) (object, error) {
	o, found, err := find(d.db, bucket, key)
	if err == nil && !found {
		if err = requireBucket(d.db, bucket); err == nil {
			err = gofakes3.KeyNotFound(key)
		}
	}
	return o, err
}

// open gives the object and its bytes as of one moment: a file that is replaced
// or deleted later stays readable while it is open.
func (d *disk) open(bucket, key string) (object, *os.File, error) {
	for {
		o, err := d.stat(bucket, key)
		if err != nil {
			return object{}, nil, err
		}
		f, err := d.blobs.open(o.blob)
		if err == nil {
			return o, f, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return object{}, nil, err
		}
		// Replaced between the two looks, unless the index still names the lost file.
		if again, err := d.stat(bucket, key); err != nil || again.blob == o.blob {
			return object{}, nil, errors.Join(err, fmt.Errorf("the bytes of %s/%s are gone: %w", bucket, key, fs.ErrNotExist))
		}
	}
}

// commit makes the object visible, if the conditions hold at this very moment,
// and keeps the event in the same transaction.
func (d *disk) commit(o object, when conditions, reason string) (object, error) {
	var replaced string
	err := d.within(func(tx *sql.Tx) (err error) {
		replaced, err = d.commitIn(tx, &o, when, reason)
		return err
	})
	if err != nil {
		d.blobs.remove(o.blob)
		return object{}, err
	}
	d.blobs.remove(replaced)
	return o, nil
}

func (d *disk) commitIn(tx *sql.Tx, o *object, when conditions, reason string) (replaced string, err error) {
	if err := requireBucket(tx, o.bucket); err != nil {
		return "", err
	}
	old, found, err := find(tx, o.bucket, o.key)
	if err != nil {
		return "", err
	}
	if err := when.allowWrite(old, found); err != nil {
		return "", err
	}
	o.modified = d.now().UTC()
	_, err = tx.Exec(`INSERT OR REPLACE INTO objects (bucket, key, blob, size, etag, modified, meta) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		o.bucket, o.key, o.blob, o.size, o.etag, o.modified.UnixNano(), encodeMeta(o.meta))
	if err != nil {
		return "", err
	}
	return old.blob, d.keepEvent(tx, *o, reason)
}

func (d *disk) keepEvent(tx *sql.Tx, o object, reason string) error {
	if !d.keepEvents {
		return nil
	}
	sequencer, err := d.nextSequencer(tx)
	if err != nil {
		return err
	}
	event, err := json.Marshal(Event{
		Bucket: o.bucket, Key: o.key, Size: o.size, ETag: o.etag,
		Sequencer: sequencer, Time: o.modified, Reason: reason,
	})
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO events VALUES (?, ?)`, sequencer, string(event))
	return err
}

// nextSequencer is the time, or one more than the last where the clock stands or
// was set back. Taking the time keeps the sequencers of a directory that was made
// anew apart from those of the old one.
func (d *disk) nextSequencer(tx *sql.Tx) (string, error) {
	var next int64
	err := tx.QueryRow(`UPDATE sequence SET last = max(last + 1, ?) RETURNING last`, d.now().UnixNano()).Scan(&next)
	return fmt.Sprintf("%016X", next), err
}

func (d *disk) nextEvent() (event Event, found bool, err error) {
	var text string
	err = d.db.QueryRow(`SELECT event FROM events ORDER BY sequencer LIMIT 1`).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return Event{}, false, nil
	}
	if err != nil {
		return Event{}, false, err
	}
	return event, true, json.Unmarshal([]byte(text), &event)
}

func (d *disk) forgetEvent(sequencer string) error {
	_, err := d.db.Exec(`DELETE FROM events WHERE sequencer = ?`, sequencer)
	return err
}

func (d *disk) delete(bucket, key string, when conditions) error {
	var blob string
	err := d.within(func(tx *sql.Tx) error {
		if err := requireBucket(tx, bucket); err != nil {
			return err
		}
		old, found, err := find(tx, bucket, key)
		if err != nil {
			return err
		}
		if err := when.allowWrite(old, found); err != nil {
			return err
		}
		blob = old.blob
		_, err = tx.Exec(`DELETE FROM objects WHERE bucket = ? AND key = ?`, bucket, key)
		return err
	})
	if err == nil {
		d.blobs.remove(blob)
	}
	return err
}
