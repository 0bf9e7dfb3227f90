package local

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"penstock/internal/delivery"
)

// dropEvery is how often the drop folder is looked at. A file is taken when it
// looked the same twice, so that one still being copied is left alone; a manifest
// or marker when all other files of its folder have been taken.
const dropEvery = 500 * time.Millisecond

// WatchDrop takes files from the drop folder until ctx is done: each is uploaded
// to the inbox under the same path and then moved to taken/ beside the folder.
// told hears of every file taken, and of what went wrong.
func (s *Stack) WatchDrop(ctx context.Context, told func(key string, err error)) error {
	if err := os.MkdirAll(s.Drop, 0o755); err != nil {
		return fmt.Errorf("make the drop folder: %w", err)
	}
	seen := map[string]look{}
	failed := map[string]look{} // told once, until the file changes
	tick := time.NewTicker(dropEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now := s.looks()
		left := maps.Clone(now)
		for _, path := range slices.SortedFunc(maps.Keys(now), closingLast) {
			l := now[path]
			if seen[path] != l || failed[path] == l || closes(path) && others(left, path) {
				continue
			}
			key, err := s.takeDrop(ctx, path)
			if err != nil {
				failed[path] = l
			} else {
				delete(left, path)
			}
			told(key, err)
		}
		seen = now
	}
}

// closes tells whether a file completes the others of its folder.
func closes(path string) bool {
	role := delivery.RoleOf(filepath.ToSlash(path))
	return role == delivery.Manifest || role == delivery.Marker
}

func closingLast(a, b string) int {
	switch {
	case closes(a) == closes(b):
		return strings.Compare(a, b)
	case closes(a):
		return 1
	}
	return -1
}

// others tells whether files are left that a manifest or marker completes.
func others(left map[string]look, path string) bool {
	folder := filepath.Dir(path) + string(filepath.Separator)
	for other := range left {
		if strings.HasPrefix(other, folder) && !closes(other) {
			return true
		}
	}
	return false
}

// look is what a file looks like from outside.
type look struct {
	size     int64
	modified time.Time
}

func (s *Stack) looks() map[string]look {
	files := map[string]look{}
	_ = filepath.WalkDir(s.Drop, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || strings.HasPrefix(entry.Name(), ".") {
			return nil // gone meanwhile, or a copy's temporary file
		}
		if info, err := entry.Info(); err == nil {
			files[path] = look{info.Size(), info.ModTime()}
		}
		return nil
	})
	return files
}

func (s *Stack) takeDrop(ctx context.Context, path string) (key string, err error) {
	relative, err := filepath.Rel(s.Drop, path)
	if err != nil {
		return path, err
	}
	key = "inbox/" + filepath.ToSlash(relative)
	if strings.Count(relative, string(filepath.Separator)) < 2 {
		return key, fmt.Errorf("put it into %s", filepath.Join(s.Drop, "AUDIENCE", "DESTINATION"))
	}
	if err := s.upload(ctx, path, key); err != nil {
		return key, err
	}
	taken := filepath.Join(filepath.Dir(s.Drop), "taken", relative)
	if err := os.MkdirAll(filepath.Dir(taken), 0o755); err != nil {
		return key, err
	}
	return key, os.Rename(path, taken)
}

func (s *Stack) upload(ctx context.Context, path, key string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := s.objects.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(InboxBucket), Key: &key, Body: f}); err != nil {
		return fmt.Errorf("upload it: %w", err)
	}
	return nil
}
