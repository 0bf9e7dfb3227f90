package store

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"sort"
	"strings"
)

// List walks the tree, one directory in memory at a time.
func (d *DirStore) List(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		if err := checkPrefix(prefix); err != nil {
			yield(Info{}, err)
			return
		}
		folder, _ := cutFolder(prefix)
		d.walk(ctx, folder, prefix, yield)
	}
}

// walk yields what is under folder ("" or "a/b/") and starts with prefix; false ends the walk.
func (d *DirStore) walk(ctx context.Context, folder, prefix string, yield func(Info, error) bool) bool {
	names, err := d.sortedNames(folder)
	if err != nil {
		yield(Info{}, dirError("list", folder, err))
		return false
	}
	for _, name := range names {
		key := folder + name
		switch {
		case ctx.Err() != nil:
			yield(Info{}, dirError("list", key, ctx.Err()))
			return false
		case !strings.HasPrefix(key, prefix):
			continue
		case strings.HasSuffix(key, "/"):
			if !d.walk(ctx, key, prefix, yield) {
				return false
			}
		default:
			if !d.yieldInfo(key, yield) {
				return false
			}
		}
	}
	return true
}

func (d *DirStore) yieldInfo(key string, yield func(Info, error) bool) bool {
	info, err := d.root.Lstat(key)
	if err != nil {
		if isAbsent(err) { // deleted since the directory was read
			return true
		}
		yield(Info{}, dirError("list", key, err))
		return false
	}
	return yield(Info{Key: key, Size: info.Size(), Modified: info.ModTime()}, nil)
}

// sortedNames reads one directory. A directory sorts with its slash, as its keys
// do: "a-b" and "a.b" come before "a/b", "a0" after it.
func (d *DirStore) sortedNames(folder string) ([]string, error) {
	entries, err := d.readDir(strings.TrimSuffix(folder, "/"))
	if err != nil {
		if isAbsent(err) {
			return nil, nil
		}
		return nil, err
	}
	names := make([]string, 0, len(entries))
	for _, entry := range entries {
		switch {
		case badSegment(entry.Name()) != "":
			continue
		case entry.IsDir():
			names = append(names, entry.Name()+"/")
		case entry.Type().IsRegular():
			names = append(names, entry.Name())
		}
	}
	sort.Strings(names)
	return names, nil
}

func (d *DirStore) readDir(name string) ([]fs.DirEntry, error) {
	if name == "" {
		name = "."
	}
	f, err := d.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	entries, err := f.ReadDir(-1)
	if errors.Is(err, fs.ErrNotExist) { // an entry vanished while its kind was looked up
		err = nil
	}
	return entries, err
}
