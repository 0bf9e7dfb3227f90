package store_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"penstock/internal/fault"
	"penstock/internal/store"
	"penstock/internal/store/storetest"
)

// The test binary starts itself as one of several creators.
func TestMain(m *testing.M) {
	if root := os.Getenv("STORE_CREATOR_ROOT"); root != "" {
		if err := createAll(root, os.Getenv("STORE_CREATOR_NAME")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func openDir(t *testing.T, root string) *store.DirStore {
	t.Helper()
	d, err := store.Dir(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func TestDir(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return openDir(t, filepath.Join(t.TempDir(), "deep", "root")) })
}

const contested = 40

func contestedKey(k int) string { return fmt.Sprintf("turns/t%d/epoch-00000001", k) }

// createAll waits for the start and prints the number of each key that it won.
func createAll(root, name string) error {
	d, err := store.Dir(root)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return err
	}
	for k := range contested {
		err := d.Create(context.Background(), contestedKey(k), []byte(name))
		switch {
		case err == nil:
			fmt.Println(k)
		case !errors.Is(err, store.ErrExists):
			return err
		}
	}
	return nil
}

func TestDirCreatesOnceBetweenProcesses(t *testing.T) {
	root := t.TempDir()
	d := openDir(t, root)
	const processes = 4
	winners := make(map[string]string)
	var outputs []*bufio.Scanner
	var start []func()
	for p := range processes {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "STORE_CREATOR_ROOT="+root, fmt.Sprintf("STORE_CREATOR_NAME=p%d", p))
		cmd.Stderr = os.Stderr
		stdin, err := cmd.StdinPipe()
		check(t, err)
		stdout, err := cmd.StdoutPipe()
		check(t, err)
		check(t, cmd.Start())
		t.Cleanup(func() { cmd.Wait() })
		lines := bufio.NewScanner(stdout)
		if !lines.Scan() || lines.Text() != "ready" {
			t.Fatalf("process %d did not start: %q %v", p, lines.Text(), lines.Err())
		}
		outputs = append(outputs, lines)
		start = append(start, func() { fmt.Fprintln(stdin); stdin.Close() })
	}
	for _, begin := range start {
		begin()
	}
	for p, lines := range outputs {
		for lines.Scan() {
			k := lines.Text()
			if other, taken := winners[k]; taken {
				t.Errorf("key %s was won by %s and p%d", k, other, p)
			}
			winners[k] = fmt.Sprintf("p%d", p)
		}
	}
	for k := range contested {
		data, err := store.ReadAll(t.Context(), d, contestedKey(k), 100)
		check(t, err)
		if winner := winners[fmt.Sprint(k)]; string(data) != winner {
			t.Errorf("key %d holds %q, but %q won", k, data, winner)
		}
	}
}

func TestDirClearsOldLeftovers(t *testing.T) {
	root := t.TempDir()
	openDir(t, root)
	old, young := filepath.Join(root, "~tmp", "1-OLD"), filepath.Join(root, "~tmp", "2-YOUNG")
	for _, name := range []string{old, young} {
		check(t, os.WriteFile(name, []byte("half an obj"), 0o600))
	}
	longAgo := time.Now().Add(-25 * time.Hour)
	check(t, os.Chtimes(old, longAgo, longAgo))

	d := openDir(t, root)
	if _, err := os.Stat(old); !os.IsNotExist(err) {
		t.Errorf("the old leftover is still there (%v)", err)
	}
	if _, err := os.Stat(young); err != nil {
		t.Errorf("the young one may belong to a writer at work: %v", err)
	}
	for info, err := range d.List(t.Context(), "") {
		t.Errorf("listed: %v %v", info, err)
	}
}

func TestDirLeavesNoTemporaryFiles(t *testing.T) {
	root := t.TempDir()
	d := openDir(t, root)
	check(t, d.Put(t.Context(), "a/b", strings.NewReader("x")))
	check(t, d.Create(t.Context(), "a/c", []byte("x")))
	_ = d.Create(t.Context(), "a/c", []byte("other"))
	_ = d.Put(t.Context(), "a", strings.NewReader("x"))
	_ = d.Put(t.Context(), "a/d", failingBody{})
	left, err := os.ReadDir(filepath.Join(root, "~tmp"))
	check(t, err)
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if _, err := d.Open(t.Context(), "a/d"); !errors.Is(err, store.ErrNotExist) {
		t.Errorf("half an object is there: %v", err)
	}
}

type failingBody struct{}

func (failingBody) Read(p []byte) (int, error) {
	return copy(p, "half"), errors.New("the disk of the reader broke")
}
func (failingBody) Seek(int64, int) (int64, error) { return 0, nil }

func TestDirStaysInside(t *testing.T) {
	outside := t.TempDir()
	check(t, os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o600))
	root := t.TempDir()
	d := openDir(t, root)
	check(t, os.Symlink(outside, filepath.Join(root, "out")))
	check(t, os.Symlink(filepath.Join(outside, "secret"), filepath.Join(root, "file")))

	for _, key := range []string{"out/secret", "file"} {
		if body, err := d.Open(t.Context(), key); err == nil {
			body.Close()
			t.Errorf("open %s went out of the root", key)
		}
	}
	if err := d.Put(t.Context(), "out/new", strings.NewReader("x")); err == nil {
		t.Error("put went out of the root")
	}
	if err := d.Create(t.Context(), "file", []byte("x")); !fault.Is(err, fault.Broken) {
		t.Errorf("create over a link: %v, want Broken", err)
	}
	_ = d.Delete(t.Context(), "out/secret")
	for info, err := range d.List(t.Context(), "") {
		t.Errorf("listed: %v %v", info, err)
	}
	if data, err := os.ReadFile(filepath.Join(outside, "secret")); err != nil || string(data) != "secret" {
		t.Errorf("the file outside: %q %v", data, err)
	}
}

func TestDirRefusesAPrefixOfAnotherKey(t *testing.T) {
	d := openDir(t, t.TempDir())
	check(t, d.Put(t.Context(), "a/b", strings.NewReader("x")))
	for _, key := range []string{"a", "a/b/c", "a/b/c/d"} {
		for _, err := range []error{d.Put(t.Context(), key, strings.NewReader("x")), d.Create(t.Context(), key, []byte("x"))} {
			if f, ok := fault.As(err); !ok || f.Code != "key_conflict" {
				t.Errorf("%s: %v, want key_conflict", key, err)
			}
		}
	}
}

// A crash between making a directory and naming the file leaves it empty.
func TestDirTakesTheNameOfAnEmptyDirectory(t *testing.T) {
	root := t.TempDir()
	d := openDir(t, root)
	for _, name := range []string{"a", "b"} {
		check(t, os.Mkdir(filepath.Join(root, name), 0o700))
	}
	check(t, d.Put(t.Context(), "a", strings.NewReader("x")))
	check(t, d.Create(t.Context(), "b", []byte("x")))
}

func TestDirWritersAndPruningMeet(t *testing.T) {
	d := openDir(t, t.TempDir())
	done := make(chan error)
	for w := range 4 {
		go func() {
			for i := range 50 {
				key := fmt.Sprintf("q/deep/er/%d-%d", w, i)
				if err := d.Create(context.Background(), key, []byte("x")); err != nil {
					done <- err
					return
				}
				if err := d.Delete(context.Background(), key); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
