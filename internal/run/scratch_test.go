package run

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// One run may be prepared by two processes that do not know of each other: the same
// file, destination and second, in two directories. Neither takes the other's scratch away.
func TestScratchBelongsToItsProcess(t *testing.T) {
	here := t.TempDir()
	one, other := &Steps{Scratch: here}, &Steps{Scratch: here}
	mine, leave, err := one.scratchOf("run")
	if err != nil {
		t.Fatal(err)
	}
	spill := filepath.Join(mine, "spool-1")
	if err := os.WriteFile(spill, []byte("a row"), 0o600); err != nil {
		t.Fatal(err)
	}
	theirs, leaveTheirs, err := other.scratchOf("run")
	if err != nil || theirs == mine {
		t.Fatalf("%s beside %s: %v", theirs, mine, err)
	}
	if _, err := os.Stat(spill); err != nil {
		t.Errorf("the second process removed what the first one had: %v", err)
	}
	leave()
	if _, err := os.Stat(theirs); err != nil {
		t.Errorf("the first process removed what the second one has: %v", err)
	}
	leaveTheirs()
	holdsNothing(t, here)
}

// What a process that was killed has left holds rows, and goes with the next
// preparation on the machine, whichever run that is of.
func TestScratchOfTheDeadIsRemoved(t *testing.T) {
	here := t.TempDir()
	left := filepath.Join(here, scratchName+"run-ABC")
	for _, err := range []error{os.Mkdir(left, 0o700), os.WriteFile(filepath.Join(left, "spool-1"), []byte("a row"), 0o600),
		os.WriteFile(left+lockEnding, nil, 0o600), os.Mkdir(filepath.Join(here, "penstock-tls-1"), 0o700)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	_, leave, err := (&Steps{Scratch: here}).scratchOf("another")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("it is still there: %v", err)
	}
	leave()
	if err := os.Remove(filepath.Join(here, "penstock-tls-1")); err != nil {
		t.Errorf("what is no scratch directory went too: %v", err)
	}
	holdsNothing(t, here)
}

func TestManyTakeScratchAtOnce(t *testing.T) {
	here := t.TempDir()
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			s := &Steps{Scratch: here}
			for range 10 {
				dir, leave, err := s.scratchOf("run")
				if err != nil {
					t.Error(err)
					return
				}
				if err := os.WriteFile(filepath.Join(dir, "a"), nil, 0o600); err != nil {
					t.Error(err)
				}
				leave()
			}
		})
	}
	group.Wait()
	_, leave, err := (&Steps{Scratch: here}).scratchOf("run") // which clears what two that met have left
	if err != nil {
		t.Fatal(err)
	}
	leave()
	holdsNothing(t, here)
}

func holdsNothing(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		t.Errorf("%s is left", e.Name())
	}
}
