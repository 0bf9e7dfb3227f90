package store

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"path"
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
	names, err := d.sortedNames(folder, prefix)
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

// sortedNames reads the names of one directory under which keys with a prefix lie. A
// directory sorts with its slash, as its keys do: "a-b" and "a.b" come before "a/b", "a0" after it.
// Few of many names may be asked for, so only theirs are looked up.
func (d *DirStore) sortedNames(folder, prefix string) ([]string, error) {
	all, err := d.readNames(folder)
	if err != nil {
		if isAbsent(err) {
			return nil, nil
		}
		return nil, err
	}
	beginning := "" // of the names; below the prefix's own folder any will do
	if len(prefix) > len(folder) {
		beginning = prefix[len(folder):]
	}
	var names []string
	for _, name := range all {
		if !strings.HasPrefix(name, beginning) || badSegment(name) != "" {
			continue
		}
		info, err := d.root.Lstat(folder + name)
		switch {
		case isAbsent(err): // deleted since the directory was read
		case err != nil:
			return nil, err
		case info.IsDir():
			names = append(names, name+"/")
		case info.Mode().IsRegular():
			names = append(names, name)
		}
	}
	sort.Strings(names)
	return names, nil
}

// readNames reads the names in a directory ("" or "a/b/").
func (d *DirStore) readNames(folder string) ([]string, error) {
	f, err := d.root.Open(path.Join(".", folder))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdirnames(-1)
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
