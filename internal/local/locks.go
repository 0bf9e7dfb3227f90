package local

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
)

// Locks are the signs of life of the runs of one directory: a run in progress
// holds an operating-system lock, which ends with its process however that ends.
type Locks struct{ dir string }

// NewLocks keeps its lock files in dir, which it makes.
func NewLocks(dir string) (*Locks, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the directory of locks: %w", err)
	}
	return &Locks{dir: dir}, nil
}

// Take takes a name's lock; nil without an error when somebody holds it.
func (l *Locks) Take(name string) (release func(), err error) {
	lock := flock.New(filepath.Join(l.dir, name+".lock"))
	got, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	if !got {
		return nil, nil
	}
	return func() { _ = lock.Close() }, nil // the process's end releases it in any case
}

// Alive tells whether a run's process lives. known is false for a run that never had a lock here.
func (l *Locks) Alive(run string) (alive, known bool) {
	path := filepath.Join(l.dir, run+".lock")
	if _, err := os.Stat(path); err != nil {
		return false, false
	}
	release, err := l.Take(run)
	if err != nil {
		return false, false
	}
	if release == nil {
		return true, true
	}
	release()
	return false, true
}
