// Package xlsx reads one sheet of an Excel workbook row by row, without holding the sheet in memory.
package xlsx

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"penstock/internal/fault"
)

// Options say what to read.
type Options struct {
	Sheet    string // empty: the first that is not hidden
	NoHeader bool
	Names    []string // of the columns without a header; empty: 1, 2, 3 …
}

// Bounds are what a workbook may make a reader hold.
type Bounds struct {
	Columns     int
	FieldBytes  int
	StringBytes int64 // of the table of texts that all sheets share
	SheetBytes  int64 // of one part, unpacked
}

// Codes of the rejects that Reader gives; they are the caller's.
type Codes struct{ RaggedRow, CellError, NoDate, BadEncoding, Merged string }

// book is what a workbook says about its sheets.
type book struct {
	files     map[string]*zip.File
	name      string
	bounds    Bounds
	sheets    []sheet
	since1904 bool
	styles    []style
	strings   stringTable
}

type sheet struct {
	name   string
	part   string
	hidden bool
}

// asCSV is the way out of every bound of a workbook.
const asCSV = "save the sheet as CSV UTF-8, which has no such bound"

const bookPart = "xl/workbook.xml"

// Sheets lists the sheets that are not hidden.
func Sheets(r io.ReaderAt, size int64, name string, bounds Bounds) ([]string, error) {
	b, err := openBook(r, size, name, bounds)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, s := range b.sheets {
		if !s.hidden {
			names = append(names, s.name)
		}
	}
	return names, nil
}

func openBook(r io.ReaderAt, size int64, name string, bounds Bounds) (*book, error) {
	b := &book{name: name, bounds: bounds, files: map[string]*zip.File{}}
	z, err := zip.NewReader(r, size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return nil, b.broken("zip archive", err)
	}
	for _, f := range z.File {
		b.files[strings.TrimPrefix(f.Name, "/")] = f
	}
	return b, b.readSheets()
}

func (b *book) refuse(code, format string, args ...any) *fault.Error {
	return fault.New(fault.Refused, code, format, args...).At(b.name, 0, "")
}

// broken refuses a workbook that is not as the format has it, unless something else is to blame.
func (b *book) broken(what string, err error) error {
	if _, ours := fault.As(err); ours {
		return err
	}
	return b.refuse("broken_file", "the workbook is damaged (%s)", what).Advise("open it in Excel and save it again, or save the sheet as CSV UTF-8").Because(err)
}

// elements hands every element of a part to see, with its path of local names.
func (b *book) elements(part string, see func(d *xml.Decoder, e xml.StartElement) error) error {
	body, err := b.open(part)
	if err != nil {
		return err
	}
	defer body.Close()
	d := newDecoder(body, b.bounds)
	for {
		token, err := d.RawToken()
		if err == io.EOF {
			return nil
		}
		if err == nil {
			if e, ok := token.(xml.StartElement); ok {
				err = see(d, e)
			}
		}
		if err != nil {
			return b.broken(part, err)
		}
	}
}

func (b *book) open(part string) (io.ReadCloser, error) {
	f := b.files[part]
	if f == nil {
		return nil, b.broken("it has no "+part, nil)
	}
	if f.Flags&1 != 0 {
		return nil, b.refuse("encrypted", "the workbook has a password").Advise("save it without one: permissions of the inbox say who may read it")
	}
	body, err := f.Open()
	if err != nil {
		return nil, b.broken(part, err)
	}
	return &limited{ReadCloser: body, left: b.bounds.SheetBytes,
		err: b.refuse("object_too_large", "a part of the workbook is larger than %d bytes when it is unpacked", b.bounds.SheetBytes).Advise(asCSV)}, nil
}

// limited refuses a part that does not end.
type limited struct {
	io.ReadCloser
	left int64
	err  error
}

func (l *limited) Read(p []byte) (int, error) {
	n, err := l.ReadCloser.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return n, l.err
	}
	return n, err
}

// newDecoder decodes XML in which no tag and no text is longer than a cell may be: the decoder would hold it.
func newDecoder(body io.Reader, bounds Bounds) *xml.Decoder {
	return xml.NewDecoder(&paced{r: body, max: bounds.FieldBytes + 64<<10})
}

type paced struct {
	r   io.Reader
	max int
	run int // bytes since the last angle bracket
}

var errTooLong = errors.New("a text is longer than a cell may be")

func (p *paced) Read(b []byte) (int, error) {
	n, err := p.r.Read(b[:min(len(b), 32<<10)])
	if at := lastBracket(b[:n]); at >= 0 {
		p.run = n - at
	} else {
		p.run += n
	}
	if p.run > p.max {
		return n, errTooLong
	}
	return n, err
}

func lastBracket(b []byte) int {
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] == '<' || b[i] == '>' {
			return i
		}
	}
	return -1
}

func attribute(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

func truthy(text string) bool { return text == "1" || text == "true" }

// readSheets reads which sheets there are and where.
func (b *book) readSheets() error {
	parts := map[string]string{} // by relationship id
	err := b.elements("xl/_rels/workbook.xml.rels", func(_ *xml.Decoder, e xml.StartElement) error {
		if e.Name.Local == "Relationship" && strings.HasSuffix(attribute(e, "Type"), "/worksheet") {
			parts[attribute(e, "Id")] = partName(attribute(e, "Target"))
		}
		return nil
	})
	if err != nil {
		return err
	}
	return b.elements(bookPart, func(_ *xml.Decoder, e xml.StartElement) error {
		switch e.Name.Local {
		case "workbookPr":
			b.since1904 = truthy(attribute(e, "date1904"))
		case "sheet":
			part, isWorksheet := parts[relationship(e)]
			if isWorksheet {
				b.sheets = append(b.sheets, sheet{name: attribute(e, "name"), part: part, hidden: attribute(e, "state") != "" && attribute(e, "state") != "visible"})
			}
		}
		return nil
	})
}

// relationship is the attribute r:id; sheetId is another one.
func relationship(e xml.StartElement) string {
	for _, a := range e.Attr {
		if a.Name.Local == "id" && a.Name.Space != "" {
			return a.Value
		}
	}
	return ""
}

// partName makes a relationship's target a name in the archive.
func partName(target string) string {
	if strings.HasPrefix(target, "/") {
		return strings.TrimPrefix(path.Clean(target), "/")
	}
	return path.Join("xl", target)
}

// pick finds the sheet to read.
func (b *book) pick(name string) (sheet, error) {
	var names []string
	for _, s := range b.sheets {
		if s.name == name || name == "" && !s.hidden {
			return s, nil
		}
		names = append(names, strconv.Quote(s.name))
	}
	if name == "" || len(names) == 0 {
		return sheet{}, b.refuse("no_sheet", "the workbook has no sheet that is not hidden")
	}
	return sheet{}, b.refuse("no_sheet", "the workbook has no sheet %q", name).Advise("it has %s", strings.Join(names[:min(len(names), 20)], ", "))
}

// stringTable is the texts that all sheets share. A full block is cut to its size and never moves again:
// one slice for all would be copied as it grows, and be there twice.
type stringTable struct {
	blocks []stringBlock
	size   int64
}

type stringBlock struct {
	text []byte
	ends []uint32
}

const blockStrings = 4096

func (t *stringTable) add(text []byte) {
	last := len(t.blocks) - 1
	if last < 0 || len(t.blocks[last].ends) == blockStrings {
		if last >= 0 {
			t.blocks[last].text = bytes.Clone(t.blocks[last].text)
		}
		t.blocks = append(t.blocks, stringBlock{ends: make([]uint32, 0, blockStrings)})
		last++
	}
	b := &t.blocks[last]
	b.text = append(b.text, text...)
	b.ends = append(b.ends, uint32(len(b.text)))
	t.size += int64(len(text)) + 4
}

func (t *stringTable) at(i int) ([]byte, bool) {
	if i < 0 || i/blockStrings >= len(t.blocks) {
		return nil, false
	}
	b := &t.blocks[i/blockStrings]
	if i %= blockStrings; i >= len(b.ends) {
		return nil, false
	}
	start := uint32(0)
	if i > 0 {
		start = b.ends[i-1]
	}
	return b.text[start:b.ends[i]:b.ends[i]], true
}

const stringsPart = "xl/sharedStrings.xml"

func (b *book) readStrings() error {
	if b.files[stringsPart] == nil {
		return nil
	}
	var text []byte
	return b.elements(stringsPart, func(d *xml.Decoder, e xml.StartElement) (err error) {
		if e.Name.Local != "si" {
			return nil
		}
		if text, err = richText(text[:0], d, "si"); err != nil {
			return err
		}
		if b.strings.add(text); b.strings.size > b.bounds.StringBytes {
			return b.refuse("strings_too_large", "the workbook's table of texts has more than %d MiB", b.bounds.StringBytes>>20).Advise(asCSV)
		}
		return nil
	})
}

// richText adds the texts t of an element that has begun, without those for pronunciation.
func richText(text []byte, d *xml.Decoder, end string) ([]byte, error) {
	inText, phonetic := false, 0
	for {
		token, err := d.RawToken()
		if err != nil {
			return nil, unexpected(err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			switch t.Name.Local {
			case "t":
				inText = phonetic == 0
			case "rPh":
				phonetic++
			}
		case xml.EndElement:
			switch t.Name.Local {
			case "t":
				inText = false
			case "rPh":
				phonetic--
			case end:
				return unescape(text), nil
			}
		case xml.CharData:
			if inText {
				text = append(text, t...)
			}
		}
	}
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// unescape reads _x000D_, with which the format writes characters that XML cannot hold.
func unescape(text []byte) []byte {
	if !slices.Contains(text, '_') {
		return text
	}
	out := text[:0]
	for i := 0; i < len(text); i++ {
		if i+7 <= len(text) && text[i] == '_' && text[i+1] == 'x' && text[i+6] == '_' {
			if n, err := strconv.ParseUint(string(text[i+2:i+6]), 16, 16); err == nil && n < 0x80 {
				out = append(out, byte(n))
				i += 6
				continue
			}
		}
		out = append(out, text[i])
	}
	return out
}

// place names a cell as Excel does.
func place(column, line int) string {
	name := ""
	for n := column + 1; n > 0; n = (n - 1) / 26 {
		name = string(rune('A'+(n-1)%26)) + name
	}
	return fmt.Sprintf("%s%d", name, line)
}

// parsePlace reads a cell's reference; ok is false when it is none.
func parsePlace(ref string) (column, line int, ok bool) {
	i := 0
	for ; i < len(ref) && 'A' <= ref[i]&^0x20 && ref[i]&^0x20 <= 'Z' && i < 4; i++ {
		column = column*26 + int(ref[i]&^0x20-'A') + 1
	}
	line, err := strconv.Atoi(ref[i:])
	return column - 1, line, i > 0 && err == nil && line > 0
}
