package dataversetest

import (
	"database/sql/driver"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"penstock/internal/dataversetest/schema"
	"penstock/internal/dataversetest/storage"
)

// filesTable holds the contents of file columns; a record's column holds the id of its file.
const filesTable = "emulator files"

// chunkSize is how large the pieces are that the service proposes.
const chunkSize = 4 << 20

// maxSingle is what an upload in one request may hold.
const maxSingle = 128 << 20

func (c *column) isFile() bool { return c.Type == schema.TypeFile || c.Type == schema.TypeImage }

// serveFile answers /set(key)/column of a file or an image: PATCH, PUT and DELETE, GET …/$value, and GET with Range.
func (s *Server) serveFile(r *request, ref *reference, c *column, raw bool) (*response, error) {
	switch {
	case r.batched:
		return nil, unsupported("uploads and downloads of files within a $batch.")
	case r.method == http.MethodGet:
		return s.getFile(r, ref, c, raw)
	case r.method == http.MethodDelete && !raw:
		return s.setFile(r, ref, c, nil)
	case r.method != http.MethodPatch && r.method != http.MethodPut || raw:
		return nil, errVerb(r)
	case r.query.Other.Has("sessiontoken"): // first: clients repeat x-ms-transfer-mode with every chunk
		return s.takeChunk(r, ref, c)
	case strings.EqualFold(r.header.Get("x-ms-transfer-mode"), "chunked"):
		return s.beginChunks(r, ref, c)
	}
	return s.setFile(r, ref, c, &file{name: r.fileName(), mime: r.header.Get("Content-Type"), content: []byte(r.body)})
}

// file is the content of a file column.
type file struct {
	name, mime string
	content    []byte
}

// fileName is the name that a client gives what it uploads.
func (r *request) fileName() string {
	name := r.query.Other.Get("x-ms-file-name")
	if name == "" {
		name = r.header.Get("x-ms-file-name")
		if decoded, err := url.PathUnescape(name); err == nil {
			name = decoded
		}
	}
	return name
}

// check refuses what the column cannot hold.
func (f *file) check(t *table, c *column) error {
	switch {
	case c.MaxSizeKB > 0 && len(f.content) > c.MaxSizeKB<<10:
		return failf(400, "0x80072601", "The file of %d bytes exceeds the maximum size of %d KB of the attribute '%s'.", len(f.content), c.MaxSizeKB, c.LogicalName)
	case c.Type == schema.TypeFile && f.name == "":
		return failf(400, "0x80040203", "The name of the file for the attribute '%s' of '%s' is missing: send it as x-ms-file-name.", c.LogicalName, t.LogicalName)
	}
	return nil
}

// setFile writes the content of a file column; nil empties it.
func (s *Server) setFile(r *request, ref *reference, c *column, f *file) (*response, error) {
	if err := r.user.may("Write", ref.table); err != nil {
		return nil, err
	}
	if f != nil {
		if len(f.content) > maxSingle {
			return nil, failf(413, "", "The request body is too large: a file of more than 128 MB is sent in chunks.")
		}
		if err := f.check(ref.table, c); err != nil {
			return nil, err
		}
	}
	if err := r.begin(ref.table, "Update", 1, ref.key != nil); err != nil {
		return nil, err
	}
	err := s.write(r, func(w *work) error {
		at, err := w.locate(ref)
		if err != nil {
			return err
		}
		if at == nil {
			return ref.missing()
		}
		if err := ref.admitsFile(r, at); err != nil {
			return err
		}
		_, err = w.putFile(ref.table, c, at, f)
		return err
	})
	return reply(http.StatusNoContent), err
}

// admitsFile checks If-Match. If-None-Match is the literal "null" of clients that copy the documentation, and means nothing.
func (ref *reference) admitsFile(r *request, at *found) error {
	plain := *r
	plain.header = http.Header{"If-Match": r.header["If-Match"]}
	return ref.admits(&plain, at)
}

// putFile writes a file, or with nil empties the column, and returns the file's id.
func (w *work) putFile(t *table, c *column, at *found, f *file) (id string, err error) {
	if err := w.dropFile(t, c, at.row); err != nil {
		return "", err
	}
	d := w.draft(t)
	switch {
	case f == nil:
		d.put(c, nil)
		d.fillBeside(c, nil)
	case c.Type == schema.TypeImage:
		id = newGUID()
		d.put(c, f.content)
		d.fillBeside(c, map[string]driver.Value{"id": id, "_timestamp": w.s.now().UnixMilli(),
			"_url": fmt.Sprintf("/Image/download.aspx?Entity=%s&Attribute=%s&Id=%s", t.LogicalName, c.LogicalName, at.id)})
	default:
		id = newGUID()
		if err := w.readyFiles(); err != nil {
			return "", err
		}
		if err := w.tx.Exec("INSERT INTO "+storage.Quote(filesTable)+" VALUES (?, ?, ?, ?)", id, f.name, f.mime, f.content); err != nil {
			return "", err
		}
		d.put(c, id)
		d.fillBeside(c, map[string]driver.Value{"_name": f.name})
	}
	if err := w.addChanges(d, at.row); err != nil {
		return "", err
	}
	w.tally(t).updated++
	return id, d.update(w.tx, at.row)
}

// fillBeside sets the columns that go with a file or an image.
func (d *draft) fillBeside(c *column, values map[string]driver.Value) {
	for _, suffix := range []string{"_name", "id", "_timestamp", "_url"} {
		if beside := d.table.byName[c.LogicalName+suffix]; beside != nil && beside.AttributeOf == c.LogicalName {
			d.put(beside, values[suffix])
		}
	}
}

func (w *work) readyFiles() error {
	return w.tx.Exec("CREATE TABLE IF NOT EXISTS " + storage.Quote(filesTable) + " (id TEXT PRIMARY KEY, name TEXT, mime TEXT, content BLOB)")
}

// dropFiles removes the contents of a record's file columns.
func (w *work) dropFiles(t *table, row int64) error {
	for _, c := range t.columns {
		if c.Type == schema.TypeFile {
			if err := w.dropFile(t, c, row); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *work) dropFile(t *table, c *column, row int64) error {
	if c.Type != schema.TypeFile {
		return nil
	}
	v, err := w.tx.Row("SELECT "+c.quoted+" FROM "+t.sql()+" WHERE rowid = ?", row)
	if err != nil || v == nil || v[0] == nil {
		return err
	}
	return w.tx.Exec("DELETE FROM "+storage.Quote(filesTable)+" WHERE id = ?", v[0])
}

// fileOf reads the content of a file or an image column; nil when it is empty.
func (w *work) fileOf(t *table, c *column, row int64) (*file, error) {
	v, err := w.tx.Row("SELECT "+c.quoted+" FROM "+t.sql()+" WHERE rowid = ?", row)
	if err != nil || v == nil || v[0] == nil {
		return nil, err
	}
	if content, ok := v[0].([]byte); ok {
		return &file{name: c.LogicalName + ".jpg", mime: http.DetectContentType(content), content: content}, nil
	}
	v, err = w.tx.Row("SELECT name, mime, content FROM "+storage.Quote(filesTable)+" WHERE id = ?", v[0])
	if err != nil || v == nil {
		return nil, err
	}
	f := &file{}
	f.name, _ = v[0].(string)
	f.mime, _ = v[1].(string)
	f.content, _ = v[2].([]byte)
	return f, nil
}

var rangePattern = regexp.MustCompile(`^bytes=(\d{1,18})-(\d{0,18})$`)

// part is the piece of a file that a Range header asks for.
func (f *file) part(header string) (piece []byte, from int, err error) {
	m := rangePattern.FindStringSubmatch(header)
	if m == nil {
		return nil, 0, failf(416, "", "The range '%s' is not valid.", header)
	}
	from, _ = strconv.Atoi(m[1])
	to := len(f.content)
	if m[2] != "" {
		if last, _ := strconv.Atoi(m[2]); last+1 < to {
			to = last + 1
		}
	}
	if from > to || from == to && from > 0 {
		return nil, 0, failf(416, "", "The range '%s' is not within the file of %d bytes.", header, len(f.content))
	}
	return f.content[from:to], from, nil
}

// getFile answers GET …/column/$value with the bytes, and GET …/column with Range as JSON.
func (s *Server) getFile(r *request, ref *reference, c *column, raw bool) (*response, error) {
	if err := r.user.may("Read", ref.table); err != nil {
		return nil, err
	}
	if err := r.begin(ref.table, "Retrieve", 1, ref.key != nil); err != nil {
		return nil, err
	}
	var f *file
	err := s.read(r, func(w *work) error {
		at, err := w.locate(ref)
		if err != nil {
			return err
		}
		if at == nil {
			return ref.missing()
		}
		f, err = w.fileOf(ref.table, c, at.row)
		return err
	})
	if err != nil {
		return nil, err
	}
	if f == nil {
		return reply(http.StatusNoContent), nil
	}
	return f.answer(r, raw)
}

func (f *file) answer(r *request, raw bool) (*response, error) {
	a := reply(http.StatusOK)
	a.header.Set("x-ms-file-name", f.name)
	a.header.Set("x-ms-file-size", strconv.Itoa(len(f.content)))
	a.header.Set("x-ms-chunk-size", strconv.Itoa(chunkSize))
	a.body = f.content
	if header := r.header.Get("Range"); header != "" {
		piece, from, err := f.part(header)
		if err != nil {
			return nil, err
		}
		a.status, a.body = http.StatusPartialContent, piece
		a.header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, max(from, from+len(piece)-1), len(f.content)))
		a.header.Set("Location", r.url)
	}
	a.header.Set("Content-Disposition", "attachment; filename*=UTF-8''"+url.PathEscape(f.name))
	if raw {
		a.header.Set("Content-Type", "application/octet-stream")
		return a, nil
	}
	var o output
	o.raw(`{"@odata.context":`).str(r.base + "$metadata#Edm.Binary").raw(`,"value":`).str(base64.StdEncoding.EncodeToString(a.body)).raw("}")
	a.body = o.bytes()
	a.header.Set("Content-Type", jsonType)
	return a, nil
}
