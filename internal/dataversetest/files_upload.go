package dataversetest

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"penstock/internal/dataversetest/payload"
)

// uploads are files on their way in, by token. They live in memory: what a server's end interrupts starts anew.
type uploads struct {
	mu   sync.Mutex
	list map[string]*upload
}

// upload is a file that arrives, or leaves, in pieces.
type upload struct {
	table  *table
	column *column
	id     string
	name   string
	pieces []byte            // in order, of a chunked PATCH
	blocks map[string][]byte // by block id, of the actions
	file   *file             // of a download
}

func (u *uploads) open(one *upload) (token string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.list == nil {
		u.list = map[string]*upload{}
	}
	token = base64.StdEncoding.EncodeToString([]byte(newGUID()))
	u.list[token] = one
	return token
}

// with calls f with the upload of a token, alone.
func (u *uploads) with(token string, f func(*upload) error) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	one := u.list[token]
	if one == nil {
		return failf(400, "0x80040203", "The token of the upload or download is not valid, or has expired.")
	}
	return f(one)
}

func (u *uploads) close(token string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.list, token)
}

// beginChunks answers the first PATCH of a file that comes in chunks: where to send them, and how large.
func (s *Server) beginChunks(r *request, ref *reference, c *column) (*response, error) {
	at, err := s.mayUpload(r, ref)
	if err != nil {
		return nil, err
	}
	one := &upload{table: ref.table, column: c, id: at.id, name: r.fileName()}
	if err := (&file{name: one.name}).check(ref.table, c); err != nil {
		return nil, err
	}
	base, _, _ := strings.Cut(r.url, "?")
	a := reply(http.StatusOK)
	a.header.Set("Location", base+"?sessiontoken="+url.QueryEscape(s.uploads.open(one)))
	a.header.Set("x-ms-chunk-size", strconv.Itoa(chunkSize))
	a.header.Set("Accept-Ranges", "bytes")
	return a, nil
}

// mayUpload finds the record that a file is for.
func (s *Server) mayUpload(r *request, ref *reference) (at *found, err error) {
	if err := r.user.may("Write", ref.table); err != nil {
		return nil, err
	}
	err = s.read(r, func(w *work) error {
		if at, err = w.locate(ref); err == nil && at == nil {
			err = ref.missing()
		}
		if err == nil {
			err = ref.admitsFile(r, at)
		}
		return err
	})
	return at, err
}

var contentRange = regexp.MustCompile(`^bytes (\d{1,18})-(\d{1,18})/(\d{1,18})$`)

// takeChunk answers the PATCH of one chunk: 206, and 204 with the last one, when the file is there.
func (s *Server) takeChunk(r *request, ref *reference, c *column) (*response, error) {
	if err := r.user.may("Write", ref.table); err != nil {
		return nil, err
	}
	m := contentRange.FindStringSubmatch(r.header.Get("Content-Range"))
	if m == nil {
		return nil, failf(400, "0x80040203", "The header Content-Range of a chunk is missing or not valid.")
	}
	from, _ := strconv.Atoi(m[1])
	to, _ := strconv.Atoi(m[2])
	total, _ := strconv.Atoi(m[3])
	token := r.query.Other.Get("sessiontoken")
	var done *file
	err := s.uploads.with(token, func(u *upload) error {
		switch {
		case u.table.LogicalName != ref.table.LogicalName || u.column.LogicalName != c.LogicalName || u.blocks != nil:
			return failf(400, "0x80040203", "The session token belongs to another upload.")
		case from != len(u.pieces) || to-from+1 != len(r.body) || to >= total:
			return failf(400, "0x80040203", "The chunk '%s' of %d bytes does not follow the %d bytes that have arrived.", m[0], len(r.body), len(u.pieces))
		case c.MaxSizeKB > 0 && total > c.MaxSizeKB<<10:
			return (&file{name: u.name, content: make([]byte, c.MaxSizeKB<<10+1)}).check(u.table, c)
		}
		u.pieces = append(u.pieces, r.body...)
		if len(u.pieces) == total {
			done = &file{name: u.name, mime: "application/octet-stream", content: u.pieces}
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case done == nil:
		return reply(http.StatusPartialContent), nil
	}
	s.uploads.close(token)
	return reply(http.StatusNoContent), s.storeFile(r, ref, c, done)
}

// storeFile writes a file that arrived in pieces.
func (s *Server) storeFile(r *request, ref *reference, c *column, f *file) error {
	if err := f.check(ref.table, c); err != nil {
		return err
	}
	if err := r.begin(ref.table, "Update", 1, false); err != nil {
		return err
	}
	return s.write(r, func(w *work) error {
		at, err := w.locate(ref)
		if err == nil && at == nil {
			err = ref.missing()
		}
		if err == nil {
			_, err = w.putFile(ref.table, c, at, f)
		}
		return err
	})
}

// fileTarget reads the parameters Target and FileAttributeName.
func (s *Server) fileTarget(v *payload.Value) (*reference, *column, error) {
	target, attribute := v.Get("Target"), v.Get("FileAttributeName")
	if target == nil || attribute == nil || target.Get("@odata.type") == nil {
		return nil, nil, failf(400, "0x80040203", "The parameters 'Target' and 'FileAttributeName' are required.")
	}
	t := s.table(typeName(target.Get("@odata.type").Text))
	if t == nil {
		return nil, nil, failf(400, "0x80040217", "The entity with a name = '%s' was not found in the MetadataCache.", typeName(target.Get("@odata.type").Text))
	}
	ref, err := s.boundRecord(t, target)
	if err != nil {
		return nil, nil, err
	}
	c := t.byName[attribute.Text]
	if c == nil || !c.isFile() {
		return nil, nil, failf(400, "0x80040203", "'%s' is no file or image attribute of '%s'.", attribute.Text, t.LogicalName)
	}
	return ref, c, nil
}

func textOf(v *payload.Value, name string) string {
	if m := v.Get(name); m != nil {
		return m.Text
	}
	return ""
}

func (s *Server) beginUpload(r *request) (*response, error) {
	v, err := r.parameters()
	if err != nil {
		return nil, err
	}
	ref, c, err := s.fileTarget(v)
	if err != nil {
		return nil, err
	}
	at, err := s.mayUpload(r, ref)
	if err != nil {
		return nil, err
	}
	token := s.uploads.open(&upload{table: ref.table, column: c, id: at.id, name: textOf(v, "FileName"), blocks: map[string][]byte{}})
	var o output
	return jsonReply(r.typed(&o, "InitializeFileBlocksUploadResponse").raw(`,"FileContinuationToken":`).str(token).raw("}")), nil
}

func (s *Server) uploadBlock(r *request) (*response, error) {
	v, err := r.parameters()
	if err != nil {
		return nil, err
	}
	data, err := base64.StdEncoding.DecodeString(textOf(v, "BlockData"))
	block := textOf(v, "BlockId")
	if err != nil || block == "" || len(data) > chunkSize {
		return nil, failf(400, "0x80040203", "A block needs a BlockId, and BlockData of up to 4 MB in base64.")
	}
	err = s.uploads.with(textOf(v, "FileContinuationToken"), func(u *upload) error {
		if u.blocks == nil {
			return failf(400, "0x80040203", "The token belongs to no upload in blocks.")
		}
		u.blocks[block] = data
		return nil
	})
	return reply(http.StatusNoContent), err
}

func (s *Server) commitUpload(r *request) (*response, error) {
	v, err := r.parameters()
	if err != nil {
		return nil, err
	}
	f := &file{name: textOf(v, "FileName"), mime: textOf(v, "MimeType")}
	var ref *reference
	var c *column
	token := textOf(v, "FileContinuationToken")
	err = s.uploads.with(token, func(u *upload) error {
		ref, c = &reference{table: s.table(u.table.LogicalName), id: u.id}, u.column
		if f.name == "" {
			f.name = u.name
		}
		list := v.Get("BlockList")
		if list == nil || u.blocks == nil {
			return failf(400, "0x80040203", "The parameter 'BlockList' is missing, or the token belongs to no upload in blocks.")
		}
		for i := range list.Items {
			block, ok := u.blocks[list.Items[i].Text]
			if !ok {
				return failf(400, "0x80040203", "The block '%s' was never uploaded.", list.Items[i].Text)
			}
			f.content = append(f.content, block...)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if ref.table == nil {
		return nil, failf(400, "0x80040203", "The table of the upload does not exist any more.")
	}
	s.uploads.close(token)
	if err := s.storeFile(r, ref, ref.table.byName[c.LogicalName], f); err != nil {
		return nil, err
	}
	id := ""
	err = s.read(r, func(w *work) error {
		row, err := w.tx.Row("SELECT "+c.quoted+" FROM "+ref.table.sql()+" WHERE "+ref.table.id.quoted+" = ?", ref.id)
		if err == nil && row != nil {
			id, _ = row[0].(string)
		}
		return err
	})
	var o output
	return jsonReply(r.typed(&o, "CommitFileBlocksUploadResponse").raw(`,"FileId":`).str(id).raw(`,"FileSizeInBytes":`).num(int64(len(f.content))).raw("}")), err
}

func (s *Server) beginDownload(r *request) (*response, error) {
	v, err := r.parameters()
	if err != nil {
		return nil, err
	}
	ref, c, err := s.fileTarget(v)
	if err != nil {
		return nil, err
	}
	if err := r.user.may("Read", ref.table); err != nil {
		return nil, err
	}
	var f *file
	err = s.read(r, func(w *work) error {
		at, err := w.locate(ref)
		if err == nil && at == nil {
			err = ref.missing()
		}
		if err == nil {
			f, err = w.fileOf(ref.table, c, at.row)
		}
		return err
	})
	if err == nil && f == nil {
		err = failf(404, "0x80040217", "No file attachment found for attribute: %s EntityId: %s.", c.LogicalName, ref.id)
	}
	if err != nil {
		return nil, err
	}
	token := s.uploads.open(&upload{file: f})
	var o output
	r.typed(&o, "InitializeFileBlocksDownloadResponse").raw(`,"FileContinuationToken":`).str(token)
	o.raw(`,"FileSizeInBytes":`).num(int64(len(f.content))).raw(`,"FileName":`).str(f.name)
	return jsonReply(o.raw(`,"IsChunkingSupported":true}`)), nil
}

func (s *Server) downloadBlock(r *request) (*response, error) {
	v, err := r.parameters()
	if err != nil {
		return nil, err
	}
	offset, _ := strconv.Atoi(textOf(v, "Offset"))
	length, err := strconv.Atoi(textOf(v, "BlockLength"))
	if err != nil || length < 1 || length > chunkSize || offset < 0 {
		return nil, failf(400, "0x80040203", "The parameters 'Offset' and 'BlockLength' (up to 4 MB) are required.")
	}
	var o output
	err = s.uploads.with(textOf(v, "FileContinuationToken"), func(u *upload) error {
		if u.file == nil || offset > len(u.file.content) {
			return failf(400, "0x80040203", "The token belongs to no download, or the offset lies beyond its end.")
		}
		piece := u.file.content[offset:min(offset+length, len(u.file.content))]
		r.typed(&o, "DownloadBlockResponse").raw(`,"Data":`).str(base64.StdEncoding.EncodeToString(piece)).raw("}")
		return nil
	})
	if err != nil {
		return nil, err
	}
	return jsonReply(&o), nil
}

// deleteFile answers POST /DeleteFile: it empties the column that has the file.
func (s *Server) deleteFile(r *request) (*response, error) {
	v, err := r.parameters()
	if err != nil {
		return nil, err
	}
	id := strings.ToLower(textOf(v, "FileId"))
	err = s.write(r, func(w *work) error {
		for name := range s.prepared {
			t := s.table(name)
			if t == nil || t.id == nil {
				continue
			}
			for _, c := range t.columns {
				if !c.isFile() {
					continue
				}
				if done, err := w.deleteFileOf(t, c, id); err != nil || done {
					return err
				}
			}
		}
		return failf(404, "0x80040217", "fileattachment With Id = %s Does Not Exist", id)
	})
	return reply(http.StatusNoContent), err
}

func (w *work) deleteFileOf(t *table, c *column, id string) (done bool, err error) {
	if err := w.ready(t); err != nil {
		return false, err
	}
	row, err := w.tx.Row(fmt.Sprintf("SELECT rowid, %s FROM %s WHERE %s = ?", t.id.quoted, t.sql(), c.quoted), id)
	if err != nil || row == nil {
		return false, err
	}
	if err := w.r.user.may("Write", t); err != nil {
		return false, err
	}
	_, err = w.putFile(t, c, &found{row: row[0].(int64), id: row[1].(string)}, nil)
	return true, err
}
