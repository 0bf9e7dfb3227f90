package delivery

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"strings"

	"penstock/internal/fault"
)

// Role is what an object is to a delivery, by its name. An object directly in its destination's folder is
// a delivery of its own; those in a folder below are parts, and nothing begins before a manifest or
// the marker says that all of them are there.
type Role string

const (
	Part     Role = "part"     // data
	Manifest Role = "manifest" // Redshift's UNLOAD … MANIFEST, or Athena's list of files
	Marker   Role = "marker"   // _SUCCESS, as Hadoop, Spark and Trino leave it when a folder is complete
	Aside    Role = "aside"    // what engines keep for themselves: names that begin with _ or a point, and folders
)

// RoleOf tells an object's role. Redshift's manifest is named PREFIXmanifest, Athena's …-manifest.csv.
func RoleOf(key string) Role {
	name := path.Base(key)
	lower := strings.ToLower(name)
	switch {
	case strings.HasSuffix(key, "/"):
		return Aside
	case name == "_SUCCESS":
		return Marker
	case strings.HasSuffix(lower, "manifest"), strings.HasSuffix(lower, "manifest.json"), strings.HasSuffix(lower, "-manifest.csv"):
		return Manifest
	case strings.HasPrefix(name, "_"), strings.HasPrefix(name, "."), strings.HasSuffix(lower, ".csv.metadata"), strings.HasSuffix(lower, ".txt.metadata"):
		return Aside // Athena describes a result in NAME.csv.metadata beside it
	}
	return Part
}

// Lister finds objects and pins them: what it gives has the size and version that Opener will insist on.
// Files and Bucket are Listers.
type Lister interface {
	Opener
	// Pin looks an object up as it is now. One that is not there is refused.
	Pin(ctx context.Context, o Object) (Object, error)
	// List pins the objects in an object's folder, in the order of their names.
	List(ctx context.Context, in Object, limits Limits) ([]Object, error)
}

// Gather finds the objects of the delivery that an object completes: its parts when it is a manifest or
// a marker, otherwise itself alone.
func Gather(ctx context.Context, from Lister, o Object, limits Limits) ([]Object, error) {
	limits = limits.orDefault()
	switch RoleOf(o.Key) {
	case Manifest:
		return gatherManifest(ctx, from, o, limits)
	case Marker:
		return gatherFolder(ctx, from, o, limits)
	case Aside:
		return nil, fault.New(fault.Refused, "no_data", "the object is no data but something that an engine keeps for itself").At(o.Name(), 0, "")
	}
	return []Object{o}, nil
}

func gatherFolder(ctx context.Context, from Lister, o Object, limits Limits) ([]Object, error) {
	all, err := from.List(ctx, o, limits)
	if err != nil {
		return nil, err
	}
	var parts []Object
	for _, p := range all {
		if RoleOf(p.Key) == Part {
			parts = append(parts, p)
		}
	}
	if len(parts) == 0 {
		return nil, fault.New(fault.Refused, "nothing_delivered", "the folder that the object completes has no data").At(o.Name(), 0, "").
			Advise("files must lie beside it, not in folders below, and be there before it")
	}
	return parts, checkSource(Source{Objects: parts}, limits)
}

// manifestBytes bounds a manifest: 10,000 entries take about 3 MiB.
const manifestBytes = 32 << 20

func gatherManifest(ctx context.Context, from Lister, o Object, limits Limits) ([]Object, error) {
	if o.Size > manifestBytes {
		return nil, fault.New(fault.Refused, "object_too_large", "the manifest is larger than %d MiB", manifestBytes>>20).At(o.Name(), 0, "")
	}
	body, err := from.OpenFrom(ctx, o, 0)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	data, err := io.ReadAll(io.LimitReader(body, manifestBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read the manifest %s: %w", o.Name(), err)
	}
	promised, err := ParseManifest(data, o)
	if err != nil {
		return nil, err
	}
	if err := checkSource(Source{Objects: promised}, limits); err != nil {
		return nil, placed(err, o.Name())
	}
	parts := make([]Object, len(promised))
	for i, p := range promised {
		if parts[i], err = from.Pin(ctx, p); err != nil {
			return nil, err
		}
		if p.Size >= 0 && parts[i].Size != p.Size {
			return nil, fault.New(fault.Refused, "delivery_changed", "the file has %s and its manifest says %d", fault.Count(parts[i].Size, "byte"), p.Size).
				At(p.Name(), 0, "").Advise("unload again")
		}
		parts[i].Rows = p.Rows
	}
	return parts, nil
}

// ParseManifest reads which objects a manifest names: Redshift's JSON, or a list of addresses, one a line, as
// Athena writes it. The Size of an object whose size it does not say is -1.
//
// A manifest is somebody's text, and what it names is read with our rights: it may only name objects in
// its own folder and below.
func ParseManifest(data []byte, manifest Object) ([]Object, error) {
	refuse := func(code, format string, args ...any) *fault.Error {
		return fault.New(fault.Refused, code, format, args...).At(manifest.Name(), 0, "")
	}
	var parts []Object
	var err error
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
		parts, err = manifestEntries(data)
	} else {
		for line := range strings.Lines(string(data)) {
			if address := strings.Trim(strings.TrimSpace(line), `"`); address != "" && err == nil {
				parts = append(parts, Object{Key: address, Size: -1})
			}
		}
	}
	if err != nil {
		return nil, refuse("bad_manifest", "the manifest is not the JSON that UNLOAD writes").Because(err)
	}
	if len(parts) == 0 {
		return nil, refuse("nothing_delivered", "the manifest names no files").Advise("unload again; a query without rows delivers nothing")
	}
	seen := map[string]bool{}
	for i := range parts {
		p := &parts[i]
		if p.Bucket, p.Key, err = manifestAddress(p.Key, manifest); err != nil {
			return nil, refuse("bad_manifest", "entry %d of the manifest: %v", i+1, err)
		}
		if seen[p.Key] {
			return nil, refuse("bad_manifest", "entry %d of the manifest names a file for the second time", i+1)
		}
		seen[p.Key] = true
	}
	return parts, nil
}

// manifestEntries reads {"entries":[{"url":"s3://bucket/key","meta":{"content_length":7,"record_count":1}}]}.
func manifestEntries(data []byte) ([]Object, error) {
	var m struct {
		Entries []struct {
			URL  string `json:"url"`
			Meta struct {
				Length *int64 `json:"content_length"`
				Rows   int64  `json:"record_count"`
			} `json:"meta"`
		} `json:"entries"`
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, err
	}
	var parts []Object
	for _, e := range m.Entries {
		o := Object{Key: e.URL, Size: -1, Rows: e.Meta.Rows}
		if e.Meta.Length != nil {
			o.Size = *e.Meta.Length
		}
		parts = append(parts, o)
	}
	return parts, nil
}

// manifestAddress is where an entry lies, which must be in the manifest's folder.
func manifestAddress(address string, manifest Object) (bucket, key string, err error) {
	folder := path.Dir(filepath.ToSlash(manifest.Key)) + "/"
	rest, isS3 := strings.CutPrefix(address, "s3://")
	if manifest.Bucket == "" { // files: what the addresses name lies beside the manifest by now
		if isS3 {
			rest = path.Base(rest)
		}
		key = path.Join(folder, rest)
		if path.IsAbs(rest) {
			key = path.Clean(rest)
		}
		if !strings.HasPrefix(key, folder) {
			return "", "", errors.New("it is outside the manifest's folder")
		}
		return "", key, nil
	}
	bucket, key, ok := strings.Cut(rest, "/")
	switch {
	case !isS3 || !ok || key == "":
		return "", "", errors.New("it is no s3://bucket/key")
	case bucket != manifest.Bucket || !strings.HasPrefix(key, folder) && folder != "./":
		return "", "", errors.New("it is outside the manifest's folder")
	case RoleOf(key) != Part:
		return "", "", errors.New("it is no data")
	}
	return bucket, key, nil
}
