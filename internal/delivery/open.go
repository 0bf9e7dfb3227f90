package delivery

import (
	"io"
	"path"
	"strings"

	"penstock/internal/fault"
)

// FormatOf tells a file's format by its name.
func FormatOf(name string) (Format, error) {
	switch strings.ToLower(path.Ext(name)) {
	case ".csv":
		return CSV, nil
	case ".jsonl", ".ndjson":
		return JSONL, nil
	}
	return "", fault.New(fault.Refused, "unknown_format", "the file's name does not tell its format").
		Advise("name it .csv, .jsonl or .ndjson, or set format: csv or format: jsonl for the destination").
		At(name, 0, "")
}

// Open starts reading a file. name is what messages call it. What can be said about
// the whole file is said here: an empty CSV file, a broken header, another encoding or format.
func Open(r io.Reader, format Format, name string, limits Limits) (Reader, error) {
	return open(r, format, name, limits, windowBytes)
}

func open(r io.Reader, format Format, name string, limits Limits, size int) (Reader, error) {
	limits = limits.orDefault()
	in := newWindow(r, name, size, limits.RowBytes)
	bom, err := in.begin()
	if err != nil {
		return nil, err
	}
	switch format {
	case CSV:
		return openCSV(in, limits, bom)
	case JSONL:
		return openJSONL(in, limits, bom)
	}
	return nil, fault.New(fault.Refused, "unknown_format", "there is no format %q", string(format)).
		Advise("set format: csv or format: jsonl for the destination").At(name, 0, "")
}
