package run

import (
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/gofrs/flock"
)

// A scratch directory holds rows while a run is prepared. It is its process's own:
// beside it lies a file that the process keeps locked, by a lock of the system
// that ends with the process however that ends. Whoever gets such a lock
// knows that the owner is gone, and removes what it has left. No name is used twice.
const (
	scratchName = "penstock-"
	lockEnding  = ".lock"
	// scratchTries is how often somebody may take a name's lock between its making and its locking.
	scratchTries = 20
)

// scratchOf makes a scratch directory, to be left when done, and removes those of the dead.
func (s *Steps) scratchOf(run string) (dir string, leave func(), err error) {
	s.clearScratch()
	for range scratchTries {
		dir = filepath.Join(s.scratch(), scratchName+run+"-"+rand.Text())
		lock, err := lockScratch(dir)
		if err != nil {
			return "", nil, spillFault(err)
		}
		if lock == nil {
			continue
		}
		if err := os.Mkdir(dir, 0o700); err != nil {
			removeScratch(dir, lock)
			return "", nil, spillFault(err)
		}
		return dir, func() { removeScratch(dir, lock) }, nil
	}
	return "", nil, spillFault(errors.New("others were first to lock every scratch directory"))
}

// lockScratch locks a directory that is not made yet; nil when somebody who was
// clearing up took the file for a dead one's meanwhile.
func lockScratch(dir string) (*flock.Flock, error) {
	lock := flock.New(dir + lockEnding)
	got, err := lock.TryLock()
	if err != nil || !got {
		return nil, err
	}
	locked, err := lock.Stat()
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	if there, err := os.Stat(dir + lockEnding); err != nil || !os.SameFile(locked, there) {
		return nil, lock.Close() // it was removed before it was locked: the lock protects nothing
	}
	return lock, nil
}

// clearScratch removes what processes that were killed have left. What cannot be
// removed, or is another person's, stays.
func (s *Steps) clearScratch() {
	locks, _ := filepath.Glob(filepath.Join(s.scratch(), scratchName+"*"+lockEnding))
	for _, path := range locks {
		lock := flock.New(path, flock.SetFlag(os.O_RDONLY)) // which does not make it anew
		if got, err := lock.TryLock(); err == nil && got {
			removeScratch(strings.TrimSuffix(path, lockEnding), lock)
		}
	}
}

// removeScratch removes a directory whose lock we hold, and then the lock.
func removeScratch(dir string, lock *flock.Flock) {
	_ = os.RemoveAll(dir)
	// Under the lock where the system allows it, so that nobody locks a file that is about to go …
	err := os.Remove(dir + lockEnding)
	_ = lock.Close()
	if err != nil {
		_ = os.Remove(dir + lockEnding) // … and where it does not (Windows), a file that is open is not removed either
	}
}
