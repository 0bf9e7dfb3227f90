package store

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"sync"
	"syscall"
	"time"

	"penstock/internal/fault"
)

// tempDir holds objects while they are written. '~' is in no key, so it can
// neither be listed nor collide.
const tempDir = "~tmp"

// A temporary file this old belongs to a writer that has died.
const staleAfter = 24 * time.Hour

// A try fails only when another process removes or makes a directory at the same
// moment, so a handful is plenty.
const maxTries = 20

// DirStore keeps objects as files under a root directory; the key is the path.
// It never leaves the root: a symbolic link that leads out is refused. A key that
// is a prefix of another is refused as well, because a path is a file or a
// directory. On a file system that ignores case, keys that differ only in case
// are one object.
type DirStore struct {
	root  *os.Root
	named sync.Map // directories whose names, and those above them, this process has seen onto the disk
}

var _ Store = (*DirStore)(nil)

// Dir opens the store under root and makes the directory if it is not there.
// It also clears what writers that died more than a day ago have left.
func Dir(root string) (*DirStore, error) {
	// Objects hold personal data: for the owner's eyes only.
	if err := os.MkdirAll(root, 0o700); err != nil {
		return nil, fmt.Errorf("make store directory: %w", err)
	}
	opened, err := os.OpenRoot(root)
	if err != nil {
		return nil, fmt.Errorf("open store directory: %w", err)
	}
	d := &DirStore{root: opened}
	if err := d.prepareTemp(); err != nil {
		opened.Close()
		return nil, err
	}
	return d, nil
}

// Close gives the root directory back; readers that are open stay usable.
func (d *DirStore) Close() error { return d.root.Close() }

func (d *DirStore) prepareTemp() error {
	if err := d.root.MkdirAll(tempDir, 0o700); err != nil {
		return fmt.Errorf("make %s: %w", tempDir, err)
	}
	entries, err := d.readDir(tempDir)
	if err != nil {
		return fmt.Errorf("read %s: %w", tempDir, err)
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err == nil && info.Mode().IsRegular() && time.Since(info.ModTime()) > staleAfter {
			// Another process may be clearing the same file.
			_ = d.root.Remove(tempDir + "/" + entry.Name())
		}
	}
	return nil
}

// Open reads an object; the reader is an *os.File.
func (d *DirStore) Open(_ context.Context, key string) (io.ReadCloser, error) {
	if err := CheckKey(key); err != nil {
		return nil, err
	}
	f, err := d.open(key)
	if err != nil {
		return nil, dirError("open", key, err)
	}
	return f, nil
}

func (d *DirStore) open(key string) (*os.File, error) {
	info, err := d.root.Lstat(key)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fs.ErrNotExist
	}
	return d.root.Open(key)
}

// durability says whether what is written is on the disk before it is told to be there.
type durability bool

const (
	durable durability = true
	cached  durability = false // the system writes it when it likes
)

// Put replaces the object by a rename, so that a reader has the old one or the
// new one and never a part.
func (d *DirStore) Put(ctx context.Context, key string, body io.ReadSeeker) error {
	if err := CheckKey(key); err != nil {
		return err
	}
	temp, err := d.writeTemp(durable, func(f *os.File) error {
		if whole, ok := body.(*bytes.Reader); ok && ctx.Err() == nil {
			_, err := whole.WriteTo(f) // at once: in pieces a chunk takes a hundred calls of the system
			return err
		}
		_, err := io.Copy(f, &contextReader{ctx, body})
		return err
	})
	if err != nil {
		return dirError("write", key, err)
	}
	err = d.place(key, durable, func() error { return d.root.Rename(temp, key) })
	if err != nil {
		_ = d.root.Remove(temp)
		return dirError("write", key, err)
	}
	return nil
}

// Create gives the finished file its name by link(2), which fails when the name
// is taken: exactly one writer wins, in this process or another.
func (d *DirStore) Create(ctx context.Context, key string, body []byte) error {
	return d.create(ctx, key, body, durable)
}

// Note is Create without waiting for the disk, which in a directory is what
// creating costs.
func (d *DirStore) Note(ctx context.Context, key string, body []byte) error {
	return d.create(ctx, key, body, cached)
}

func (d *DirStore) create(ctx context.Context, key string, body []byte, how durability) error {
	if err := CheckKey(key); err != nil {
		return err
	}
	temp, err := d.writeTemp(how, func(f *os.File) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		_, err := f.Write(body)
		return err
	})
	if err != nil {
		return dirError("create", key, err)
	}
	defer d.root.Remove(temp)
	for range maxTries {
		err = d.place(key, how, func() error { return d.root.Link(temp, key) })
		if !errors.Is(err, fs.ErrExist) {
			return dirError("create", key, err)
		}
		err = d.compare(key, body)
		if !errors.Is(err, fs.ErrNotExist) {
			return dirError("create", key, err)
		}
		// Deleted between the two looks: the name is free again.
	}
	return dirError("create", key, errNotAnObject)
}

// compare is nil when the object holds exactly body, ErrExists when it holds something else.
func (d *DirStore) compare(key string, body []byte) error {
	f, err := d.open(key)
	if err != nil {
		return err
	}
	defer f.Close()
	same, err := holds(f, body)
	if err == nil && !same {
		err = ErrExists
	}
	return err
}

// writeTemp writes a file of its own and, when it must be durable, onto the disk: after a power cut
// a name must not stand for bytes that never arrived.
func (d *DirStore) writeTemp(how durability, write func(*os.File) error) (_ string, err error) {
	name := fmt.Sprintf("%s/%d-%s", tempDir, os.Getpid(), rand.Text())
	f, err := d.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			f.Close()
			_ = d.root.Remove(name)
		}
	}()
	if err = write(f); err != nil {
		return "", err
	}
	if how == durable {
		if err = f.Sync(); err != nil {
			return "", err
		}
	}
	return name, f.Close()
}

// contextReader ends a copy when its context ends.
type contextReader struct {
	ctx  context.Context
	body io.Reader
}

func (r *contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.body.Read(p)
}

var (
	errPrefix      = errors.New("the key is a prefix of another key, or another key of it")
	errNotAnObject = errors.New("something that is not an object has this name")
)

// place gives a finished file its name. Delete prunes empty directories, so the
// parent may vanish, and an empty directory may stand where the object belongs:
// both are tried again.
func (d *DirStore) place(key string, how durability, name func() error) error {
	var err error
	for range maxTries {
		if err = d.makeParent(path.Dir(key), how); err == nil {
			err = name()
		}
		switch {
		case err == nil && how == cached:
			return nil
		case err == nil:
			return d.syncDir(path.Dir(key))
		case errors.Is(err, syscall.ENOTDIR):
			return errPrefix
		case errors.Is(err, fs.ErrNotExist):
			continue
		case d.isDir(key):
			if d.root.Remove(key) != nil {
				return errPrefix
			}
		default:
			return err
		}
	}
	return err
}

// makeParent makes dir where it is not there. For what is durable its name must be on the disk too.
func (d *DirStore) makeParent(dir string, how durability) error {
	if !d.isDir(dir) {
		for gone := dir; gone != "." && !d.isDir(gone); gone = path.Dir(gone) {
			d.named.Delete(gone)
		}
		if err := d.root.MkdirAll(dir, 0o700); err != nil {
			if errors.Is(err, fs.ErrExist) { // a file stands in the way
				return syscall.ENOTDIR
			}
			return err
		}
	}
	if how == cached {
		return nil
	}
	return d.syncNames(dir)
}

// syncNames sees that the names of dir and of the directories above it are on the disk.
func (d *DirStore) syncNames(dir string) error {
	if _, done := d.named.Load(dir); done || dir == "." {
		return nil
	}
	above := path.Dir(dir)
	if err := d.syncNames(above); err != nil {
		return err
	}
	if err := d.syncDir(above); err != nil {
		return err
	}
	d.named.Store(dir, nil)
	return nil
}

func (d *DirStore) isDir(name string) bool {
	info, err := d.root.Lstat(name)
	return err == nil && info.IsDir()
}

func (d *DirStore) syncDir(dir string) error {
	f, err := d.root.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // pruned since: the object was deleted again
	}
	if err != nil {
		return err
	}
	defer f.Close()
	return syncFolder(f)
}

// Delete removes the object and the directories that it leaves empty, so that a
// name that was a folder is free again.
func (d *DirStore) Delete(_ context.Context, key string) error {
	if err := CheckKey(key); err != nil {
		return err
	}
	info, err := d.root.Lstat(key)
	if err == nil && info.Mode().IsRegular() {
		err = d.root.Remove(key)
	}
	if err != nil && !isAbsent(err) {
		return dirError("delete", key, err)
	}
	for dir := path.Dir(key); dir != "." && d.isDir(dir); dir = path.Dir(dir) {
		if d.root.Remove(dir) != nil {
			break // not empty
		}
		d.named.Delete(dir)
	}
	return nil
}

func isAbsent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// dirError names the operation and the key, and gives the kind that a caller acts on.
func dirError(verb, key string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrExists):
		return fmt.Errorf("%s %s: %w", verb, key, ErrExists)
	case verb == "open" && isAbsent(err):
		return fmt.Errorf("%s %s: %w", verb, key, ErrNotExist)
	case errors.Is(err, errPrefix), errors.Is(err, errNotAnObject):
		return fault.New(fault.Broken, "key_conflict", "%s %s", verb, key).Because(err)
	case isStopped(err):
		return fault.New(fault.Interrupted, "store_unreachable", "%s %s: stopped before it was done", verb, key).Because(err)
	case errors.Is(err, fs.ErrPermission):
		return fault.New(fault.Denied, "store_denied", "%s %s: the directory may not be used", verb, key).Because(err)
	}
	return fault.New(fault.Broken, "store_failed", "%s %s", verb, key).Because(err)
}
