package bucket

import (
	"crypto/md5"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/johannesboyne/gofakes3"
)

// blobs is a directory of files that are written once under a random name.
type blobs struct {
	dir     string
	durable bool // see that bytes and names are on the disk before they count
}

// blob is a file that has been written but is not in the index yet.
type blob struct {
	name string
	size int64
	md5  string // hexadecimal
}

// write stores all that r yields. size is what the client announced, -1 when unknown.
func (b blobs) write(r io.Reader, size int64) (_ blob, err error) {
	name := rand.Text()
	f, err := os.OpenFile(b.path(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return blob{}, err
	}
	defer func() {
		if closeErr := f.Close(); err == nil {
			err = closeErr
		}
		if err != nil {
			b.remove(name)
		}
	}()
	sum := md5.New()
	written, err := io.Copy(io.MultiWriter(f, sum), r)
	if errors.Is(err, io.ErrUnexpectedEOF) || err == nil && size >= 0 && written != size {
		err = gofakes3.ErrIncompleteBody
	}
	if err != nil {
		return blob{}, err
	}
	if b.durable {
		if err := errors.Join(f.Sync(), b.sync()); err != nil {
			return blob{}, err
		}
	}
	return blob{name, written, hex.EncodeToString(sum.Sum(nil))}, nil
}

func (b blobs) open(name string) (*os.File, error) { return os.Open(b.path(name)) }

// remove forgets a blob; one that stays behind is swept at the next start.
func (b blobs) remove(names ...string) {
	for _, name := range names {
		if name != "" {
			_ = os.Remove(b.path(name))
		}
	}
}

func (b blobs) path(name string) string { return filepath.Join(b.dir, name) }

// sync puts the names of the directory onto the disk.
func (b blobs) sync() error {
	d, err := os.Open(b.dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func (b blobs) keepOnly(names []string) error {
	keep := make(map[string]bool, len(names))
	for _, name := range names {
		keep[name] = true
	}
	entries, err := os.ReadDir(b.dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if keep[entry.Name()] {
			continue
		}
		if err := os.Remove(b.path(entry.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove leftover: %w", err)
		}
	}
	return nil
}
