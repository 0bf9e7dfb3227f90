package bucket

import (
	"crypto/md5"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/johannesboyne/gofakes3"
)

// part is one part of an upload in progress.
type part struct {
	number   int
	blob     string
	size     int64
	etag     string
	modified time.Time
}

func (d *disk) startUpload(bucket, key string, meta map[string]string) (gofakes3.UploadID, error) {
	if err := checkKey(key); err != nil {
		return "", err
	}
	now := d.now().UnixNano()
	// Uploads of one key are listed by id, which S3 orders by their start.
	id := fmt.Sprintf("%016x%s", now, rand.Text())
	_, err := d.db.Exec(`INSERT INTO uploads VALUES (?, ?, ?, ?, ?)`, id, bucket, key, encodeMeta(meta), now)
	return gofakes3.UploadID(id), err
}

func findUpload(q querier, bucket, key string, id gofakes3.UploadID) (meta map[string]string, err error) {
	var text string
	err = q.QueryRow(`SELECT meta FROM uploads WHERE id = ? AND bucket = ? AND key = ?`, string(id), bucket, key).Scan(&text)
	if err == sql.ErrNoRows {
		return nil, gofakes3.ErrNoSuchUpload
	}
	if err != nil {
		return nil, err
	}
	return decodeMeta(text)
}

// putPart stores a part; one that was sent before under the number is replaced.
func (d *disk) putPart(bucket, key string, id gofakes3.UploadID, number int, body io.Reader, size int64) (part, error) {
	if _, err := findUpload(d.db, bucket, key, id); err != nil {
		return part{}, err
	}
	written, err := d.blobs.write(body, size)
	if err != nil {
		return part{}, err
	}
	p := part{number, written.name, written.size, written.md5, d.now()}
	var replaced []string
	err = d.within(func(tx *sql.Tx) error {
		if _, err := findUpload(tx, bucket, key, id); err != nil {
			return err // aborted while the part was on its way
		}
		var old string
		err := tx.QueryRow(`SELECT blob FROM parts WHERE upload = ? AND number = ?`, string(id), number).Scan(&old)
		if err == nil {
			replaced = append(replaced, old)
		} else if err != sql.ErrNoRows {
			return err
		}
		_, err = tx.Exec(`INSERT OR REPLACE INTO parts (upload, number, blob, size, etag, modified) VALUES (?, ?, ?, ?, ?, ?)`,
			string(id), number, p.blob, p.size, p.etag, p.modified.UnixNano())
		return err
	})
	if err != nil {
		d.blobs.remove(written.name)
		return part{}, err
	}
	d.blobs.remove(replaced...)
	return p, nil
}

// partsOf lists the parts after a number.
func (d *disk) partsOf(id gofakes3.UploadID, after int) ([]part, error) {
	rows, err := d.db.Query(`SELECT number, blob, size, etag, modified FROM parts WHERE upload = ? AND number > ? ORDER BY number`,
		string(id), after)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []part
	for rows.Next() {
		var p part
		var modified int64
		if err := rows.Scan(&p.number, &p.blob, &p.size, &p.etag, &modified); err != nil {
			return nil, err
		}
		p.modified = time.Unix(0, modified)
		all = append(all, p)
	}
	return all, rows.Err()
}

// complete joins the parts that the client names into the object.
func (d *disk) complete(bucket, key string, id gofakes3.UploadID, named []gofakes3.CompletedPart, when conditions) (object, error) {
	meta, err := findUpload(d.db, bucket, key, id)
	if err != nil {
		return object{}, err
	}
	stored, err := d.partsOf(id, 0)
	if err != nil {
		return object{}, err
	}
	chosen, err := chooseParts(stored, named)
	if err != nil {
		return object{}, err
	}
	joined, err := d.join(chosen)
	if err != nil {
		return object{}, err
	}
	o, err := d.commit(object{
		bucket: bucket, key: key, blob: joined.name, size: joined.size, etag: multipartETag(chosen), meta: meta,
	}, when, "CompleteMultipartUpload")
	if err != nil {
		return object{}, err
	}
	return o, d.dropUpload(id, stored)
}

// chooseParts checks the client's list against what is stored. Parts that it does
// not name are dropped.
func chooseParts(stored []part, named []gofakes3.CompletedPart) ([]part, error) {
	if len(named) == 0 {
		return nil, gofakes3.ErrorMessage(gofakes3.ErrMalformedXML, "the list of parts is empty")
	}
	byNumber := make(map[int]part, len(stored))
	for _, p := range stored {
		byNumber[p.number] = p
	}
	var chosen []part
	for i, n := range named {
		if i > 0 && named[i-1].PartNumber >= n.PartNumber {
			return nil, gofakes3.ErrInvalidPartOrder
		}
		p, found := byNumber[n.PartNumber]
		if !found || p.etag != strings.Trim(n.ETag, `"`) {
			return nil, gofakes3.ErrorMessagef(gofakes3.ErrInvalidPart, "part %d was not uploaded with this ETag", n.PartNumber)
		}
		chosen = append(chosen, p)
	}
	return chosen, nil
}

// join writes the parts into one file, one open at a time.
func (d *disk) join(parts []part) (blob, error) {
	pipe, w := io.Pipe()
	go func() {
		var err error
		for _, p := range parts {
			if err = d.copyBlob(w, p.blob); err != nil {
				break
			}
		}
		w.CloseWithError(err)
	}()
	defer pipe.Close()
	return d.blobs.write(pipe, -1)
}

func (d *disk) copyBlob(w io.Writer, name string) error {
	f, err := d.blobs.open(name)
	if os.IsNotExist(err) { // completed or aborted by another request meanwhile
		return gofakes3.ErrNoSuchUpload
	}
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return err
}

// multipartETag: the MD5 of the parts' MD5s and their number, as S3 does it.
func multipartETag(parts []part) string {
	sum := md5.New()
	for _, p := range parts {
		raw, _ := hex.DecodeString(p.etag) // we encoded it
		sum.Write(raw)
	}
	return fmt.Sprintf("%x-%d", sum.Sum(nil), len(parts))
}

func (d *disk) abort(bucket, key string, id gofakes3.UploadID) error {
	if _, err := findUpload(d.db, bucket, key, id); err != nil {
		return err
	}
	parts, err := d.partsOf(id, 0)
	if err != nil {
		return err
	}
	return d.dropUpload(id, parts)
}

func (d *disk) dropUpload(id gofakes3.UploadID, parts []part) error {
	err := d.within(func(tx *sql.Tx) error {
		if _, err := tx.Exec(`DELETE FROM uploads WHERE id = ?`, string(id)); err != nil {
			return err
		}
		_, err := tx.Exec(`DELETE FROM parts WHERE upload = ?`, string(id))
		return err
	})
	if err == nil {
		for _, p := range parts {
			d.blobs.remove(p.blob)
		}
	}
	return err
}

// listUploads lists a bucket's uploads by key, those of one key by their start.
// A marker with an upload id goes on after it, one without after all of its key.
func (d *disk) listUploads(bucket string, after gofakes3.UploadListMarker, prefix gofakes3.Prefix, limit int64) (*gofakes3.ListMultipartUploadsResult, error) {
	out := &gofakes3.ListMultipartUploadsResult{
		Bucket: bucket, KeyMarker: after.Object, UploadIDMarker: after.UploadID,
		MaxUploads: limit, Delimiter: prefix.Delimiter, Prefix: prefix.Prefix,
	}
	rows, err := d.db.Query(`SELECT key, id, initiated FROM uploads
		WHERE bucket = ?1 AND (key > ?2 OR key = ?2 AND ?3 <> '' AND id > ?3) ORDER BY key, id`,
		bucket, after.Object, string(after.UploadID))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	groups := lister{prefix: prefix.Prefix, delimiter: prefix.Delimiter}
	for rows.Next() {
		var item gofakes3.ListMultipartUploadItem
		var initiated int64
		if err := rows.Scan(&item.Key, &item.UploadID, &initiated); err != nil {
			return nil, err
		}
		if !strings.HasPrefix(item.Key, prefix.Prefix) {
			continue
		}
		group := groups.commonPrefix(item.Key)
		if n := len(out.CommonPrefixes); group != "" && n > 0 && out.CommonPrefixes[n-1].Prefix == group {
			out.NextKeyMarker, out.NextUploadIDMarker = item.Key, item.UploadID
			continue
		}
		if int64(len(out.Uploads)+len(out.CommonPrefixes)) == limit {
			out.IsTruncated = true
			return out, nil
		}
		out.NextKeyMarker, out.NextUploadIDMarker = item.Key, item.UploadID
		if group != "" {
			out.CommonPrefixes = append(out.CommonPrefixes, gofakes3.CommonPrefix{Prefix: group})
			continue
		}
		item.Initiated = gofakes3.NewContentTime(time.Unix(0, initiated))
		out.Uploads = append(out.Uploads, item)
	}
	out.NextKeyMarker, out.NextUploadIDMarker = "", ""
	return out, rows.Err()
}
