package people

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"unicode/utf16"

	"github.com/parquet-go/parquet-go"
)

// Format is how a large file is written.
type Format string

// Formats that Fill writes.
const (
	CSV       Format = "CSV"
	UTF16     Format = "UTF-16" // CSV
	JSONLines Format = "JSON Lines"
	JSONArray Format = "JSON array"
	Parquet   Format = "Parquet"
)

// fillPeople are who stands in a large file, again and again: to make each row up takes longer than to read it.
const fillPeople = 50_000

// Fill writes a file of so many bytes or a little more, and says how many rows they are.
func Fill(w io.Writer, f Format, size int64) (rows int64, err error) {
	return fill(w, f, size, fillPeople)
}

func fill(w io.Writer, f Format, size int64, many int) (rows int64, err error) {
	if f == Parquet {
		return fillParquet(w, size, many)
	}
	head, separator, foot, render := shape(f)
	if render == nil {
		return 0, fmt.Errorf("there is no format %q", f)
	}
	people, err := rendered(many, render, separator)
	if err != nil {
		return 0, err
	}
	written := int64(0)
	put := func(piece []byte) {
		if err == nil {
			_, err = w.Write(piece)
			written += int64(len(piece))
		}
	}
	for put(head); written < size && err == nil; rows += int64(many) {
		if rows > 0 {
			put(separator)
		}
		put(people)
	}
	put(foot)
	return rows, err
}

// shape is what stands around the rows of a format, and how one is rendered.
func shape(f Format) (head, separator, foot []byte, render func(dst []byte, p *person) ([]byte, error)) {
	asCSV := func(dst []byte, p *person) ([]byte, error) { return p.appendCSV(dst), nil }
	asJSON := func(dst []byte, p *person) ([]byte, error) {
		object, err := json.Marshal(p)
		return append(dst, object...), err
	}
	end := []byte("\n")
	switch f {
	case UTF16:
		marked := wide([]byte("\uFEFF" + Header + "\n"))
		return marked, wide(end), wide(end), func(dst []byte, p *person) ([]byte, error) { return append(dst, wide(p.appendCSV(nil))...), nil }
	case JSONLines:
		return nil, end, end, asJSON
	case JSONArray:
		return []byte("[\n"), []byte(",\n"), []byte("\n]\n"), asJSON
	case CSV:
		return []byte(Header + "\n"), end, end, asCSV
	}
	return nil, nil, nil, nil
}

// wide is text in UTF-16, the lower byte first.
func wide(text []byte) []byte {
	var out []byte
	for _, unit := range utf16.Encode([]rune(string(text))) {
		out = append(out, byte(unit), byte(unit>>8))
	}
	return out
}

func rendered(many int, render func([]byte, *person) ([]byte, error), separator []byte) (text []byte, err error) {
	var rows bytes.Buffer
	var one []byte
	for i, p := range everyone(many) {
		if i > 0 {
			rows.Write(separator)
		}
		if one, err = render(one[:0], p); err != nil {
			return nil, fmt.Errorf("render row %d: %w", i+1, err)
		}
		rows.Write(one)
	}
	return rows.Bytes(), nil
}

// inGroup is how often everybody is in a row group: 20 times 50,000 people are about 100 MB, which is what engines write.
const inGroup = 20

// fillParquet leaves the pages as they are: compressed ones would take several times the rows for the size.
func fillParquet(w io.Writer, size int64, many int) (rows int64, err error) {
	counted := &counting{Writer: w}
	out := parquet.NewGenericWriter[person](counted, parquet.MaxRowsPerRowGroup(int64(inGroup*many)))
	everybody := slices.Grow([]person(nil), many)
	for _, p := range everyone(many) {
		everybody = append(everybody, *p)
	}
	for ; counted.bytes < size; rows += int64(many) { // nothing is written before a group is full
		if _, err := out.Write(everybody); err != nil {
			return rows, fmt.Errorf("write a row group: %w", err)
		}
	}
	return rows, out.Close()
}

type counting struct {
	io.Writer
	bytes int64
}

func (c *counting) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.bytes += int64(n)
	return n, err
}
