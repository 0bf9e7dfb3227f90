// Package store keeps the objects of a run: put, create once, open, list, delete, with one meaning in S3 and in a directory.
package store

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"
)

var (
	// ErrNotExist: there is no such object.
	ErrNotExist = errors.New("object does not exist")
	// ErrExists: the object exists already, with other bytes.
	ErrExists = errors.New("object exists")
)

// Info describes an object.
type Info struct {
	Key      string
	Size     int64 // bytes
	Modified time.Time
}

// Store is a flat space of objects. Keys are of [A-Za-z0-9._=/-], have no empty,
// "." or ".." segment, and no key is also a prefix ("a" beside "a/b"): other keys are refused.
// A reader sees an object whole or not at all. All methods may be called from several processes at once.
type Store interface {
	// Open reads an object from its beginning; ErrNotExist when there is none.
	Open(ctx context.Context, key string) (io.ReadCloser, error)
	// Put writes an object, replacing one that is there. body is read from its current position to its end
	// and may be read twice (it is sought back for a retry).
	Put(ctx context.Context, key string, body io.ReadSeeker) error
	// Create writes an object that must not exist. An object that exists with the very same bytes counts
	// as success (a retry of our own); with other bytes it is ErrExists. Exactly one of several
	// concurrent writers of different bytes wins.
	Create(ctx context.Context, key string, body []byte) error
	// Note is Create for what may be lost when the machine loses its power: a process that dies loses
	// nothing, and a reader still sees the object whole or not at all. After a power cut it may be gone, or be there
	// without its bytes. It is for journals, of which there are many; on S3 it is Create.
	Note(ctx context.Context, key string, body []byte) error
	// List yields the objects whose key starts with prefix, in byte order of their keys.
	List(ctx context.Context, prefix string) iter.Seq2[Info, error]
	// Delete removes an object; one that is not there is no error.
	Delete(ctx context.Context, key string) error
}
