package local

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"penstock/internal/delivery"
	"penstock/internal/fault"
)

// Gather finds the files of one delivery, in the order given. A directory stands
// for the files in it, or for those that its manifest names; a manifest and a
// marker stand for what they complete.
func Gather(ctx context.Context, paths []string, limits delivery.Limits) ([]delivery.Object, error) {
	var all []delivery.Object
	seen := map[string]bool{}
	for _, path := range paths {
		objects, err := gatherPath(ctx, path, limits)
		if err != nil {
			return nil, err
		}
		for _, o := range objects {
			if seen[o.Key] {
				return nil, fault.New(fault.Refused, "usage", "the same file is there twice").At(path, 0, "")
			}
			seen[o.Key] = true
		}
		all = append(all, objects...)
	}
	return all, nil
}

func gatherPath(ctx context.Context, path string, limits delivery.Limits) ([]delivery.Object, error) {
	real, err := filepath.Abs(path)
	if err == nil {
		real, err = filepath.EvalSymlinks(real)
	}
	var info os.FileInfo
	if err == nil {
		info, err = os.Stat(real)
	}
	if err != nil {
		return nil, unreadable(path, err)
	}
	if info.IsDir() {
		if real, err = closingOf(real, path); err != nil {
			return nil, err
		}
	}
	o := delivery.Object{Key: real}
	role := delivery.RoleOf(real)
	if role != delivery.Marker { // which says nothing, and need not be there
		if o, err = (delivery.Files{}).Pin(ctx, o); err != nil {
			return nil, err
		}
	}
	if role != delivery.Marker && role != delivery.Manifest {
		return []delivery.Object{o}, nil
	}
	return delivery.Gather(ctx, delivery.Files{}, o, limits)
}

// closingOf is what completes a directory: its manifest, or a marker, which need not be there when a person names the directory.
func closingOf(dir, path string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", unreadable(path, err)
	}
	var manifests []string
	parts := 0
	for _, e := range entries {
		switch {
		case e.IsDir() && !strings.HasPrefix(e.Name(), "_") && !strings.HasPrefix(e.Name(), "."):
			return "", fault.New(fault.Refused, "usage", "the directory has others in it, whose files would be left out").At(path, 0, "").
				Advise("name the files, or one directory that has them all")
		case delivery.RoleOf(e.Name()) == delivery.Manifest:
			manifests = append(manifests, e.Name())
		case delivery.RoleOf(e.Name()) == delivery.Part:
			parts++
		}
	}
	slices.Sort(manifests)
	switch len(manifests) {
	case 0:
		if parts == 0 {
			return "", fault.New(fault.Refused, "usage", "the directory has no files to load").At(path, 0, "")
		}
		return filepath.Join(dir, "_SUCCESS"), nil
	case 1:
		return filepath.Join(dir, manifests[0]), nil
	}
	return "", fault.New(fault.Refused, "usage", "the directory has %d manifests", len(manifests)).At(path, 0, "").
		Advise("name one of them: %s", strings.Join(manifests, ", "))
}

// identify hashes files: what a delivery of this machine is known by (rule I1).
func identify(objects []delivery.Object) error {
	for i := range objects {
		o := &objects[i]
		f, err := os.Open(o.Key)
		if err != nil {
			return unreadable(o.Key, err)
		}
		sum := sha256.New()
		o.Size, err = io.Copy(sum, f)
		if err = errors.Join(err, f.Close()); err != nil {
			return unreadable(o.Key, err)
		}
		o.SHA256 = hex.EncodeToString(sum.Sum(nil))
	}
	return nil
}

func unreadable(path string, err error) error {
	return fault.New(fault.Refused, "delivery_unreadable", "the file cannot be read").At(path, 0, "").Because(err)
}
