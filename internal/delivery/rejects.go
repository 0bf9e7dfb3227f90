package delivery

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"penstock/internal/delivery/charset"
	"penstock/internal/row"
)

// RejectWriter writes rows with the reasons why they were rejected, in the format, dialect and encoding of
// the file they come from, so that a person can correct them and drop the file again. Rejects of Parquet
// and Excel files are CSV (Style.RejectFormat), and nothing is compressed.
type RejectWriter struct {
	w     *bufio.Writer
	style Style
	begun bool
	line  []byte
	other []byte   // line in the file's encoding
	split splitter // counts cells and knows the dialect
}

// NewRejectWriter writes to w as style says. Nothing is written before the first row.
func NewRejectWriter(w io.Writer, style Style) *RejectWriter {
	if style.LineEnd == "" {
		style.LineEnd = "\n"
	}
	return &RejectWriter{w: bufio.NewWriterSize(w, 64<<10), style: style, split: newSplitter(style.Dialect)}
}

// Write adds a row. Its original bytes stay as they are, also when they are malformed (rule S3).
func (rw *RejectWriter) Write(r *row.Row, why *row.Reject) error {
	rw.line = rw.line[:0]
	rw.begin()
	switch {
	case rw.style.Format == JSONL:
		rw.line = append(appendJSONReject(rw.line, r, why), rw.style.LineEnd...)
	case rw.style.Format == JSON: // the line end comes before the next element or the end
		rw.line = appendJSONReject(rw.line, r, why)
	default:
		rw.appendCSV(r, why)
	}
	if err := rw.put(); err != nil {
		return fmt.Errorf("write reject of row %d: %w", r.Number, err)
	}
	return nil
}

// put writes the line in the file's encoding.
func (rw *RejectWriter) put() error {
	line := rw.line
	if rw.style.Encoding != charset.UTF8 {
		rw.other = rw.style.Encoding.Append(rw.other[:0], line)
		line = rw.other
	}
	_, err := rw.w.Write(line)
	return err
}

// Flush writes what is still held. No row can follow: it also ends a JSON array.
func (rw *RejectWriter) Flush() error {
	if rw.begun && rw.style.Format == JSON {
		rw.line = append(rw.line[:0], rw.style.LineEnd+"]"+rw.style.LineEnd...)
		if err := rw.put(); err != nil {
			return fmt.Errorf("write rejects: %w", err)
		}
	}
	if err := rw.w.Flush(); err != nil {
		return fmt.Errorf("write rejects: %w", err)
	}
	return nil
}

// begin writes what stands before the row: a mark and a header before the first, a comma in an array.
func (rw *RejectWriter) begin() {
	first := !rw.begun
	rw.begun = true
	if first && rw.style.BOM {
		rw.line = append(rw.line, byteOrderMark...)
	}
	switch {
	case rw.style.Format == JSONL:
	case rw.style.Format == JSON && first:
		rw.line = append(append(rw.line, '['), rw.style.LineEnd...)
	case rw.style.Format == JSON:
		rw.line = append(append(rw.line, ','), rw.style.LineEnd...)
	case first:
		rw.line = append(rw.line, rw.style.Header...)
		for _, name := range row.ExtraColumns {
			rw.line = append(append(rw.line, rw.split.delim), name...)
		}
		rw.line = append(rw.line, rw.style.LineEnd...)
	}
}

// appendCSV adds a row: its bytes where it has any, otherwise its cells.
func (rw *RejectWriter) appendCSV(r *row.Row, why *row.Reject) {
	if r.Raw == nil {
		rw.line = rw.split.appendCells(rw.line, r.Cells)
	} else {
		rw.line = append(rw.line, r.Raw...)
	}
	rw.line = strconv.AppendInt(append(rw.line, rw.split.delim), int64(r.Line), 10)
	for _, text := range [...]string{why.Column, why.Code, why.Message} {
		rw.line = rw.split.appendCell(append(rw.line, rw.split.delim), harmless(oneLine(text)))
	}
	if rw.looksWhole(r) {
		rw.line = append(rw.line, rw.split.delim)
	}
	rw.line = append(rw.line, rw.style.LineEnd...)
}

// looksWhole says that a ragged row has as many cells as the header: its file had some of Penstock's own
// columns, and nobody knows whether the row lacks those or its last ones. It must not pass for a good
// row when it is dropped again, so it gets a cell too many.
func (rw *RejectWriter) looksWhole(r *row.Row) bool {
	if r.Reject == nil || r.Reject.Code != CodeRaggedRow {
		return false
	}
	return rw.split.row(r.Raw, true).cells == rw.split.row(rw.style.Header, true).cells
}

// appendCells writes cells as the dialect has them.
func (s *splitter) appendCells(line []byte, cells []row.Cell) []byte {
	for i, cell := range cells {
		if i > 0 {
			line = append(line, s.delim)
		}
		if cell.Kind == row.Null && s.null != nil {
			line = append(line, s.null...)
			continue
		}
		line = s.appendCell(line, string(cell.Text))
	}
	return line
}

func (s *splitter) appendCell(line []byte, text string) []byte {
	special := string([]byte{s.delim, '\n', '\r'})
	if s.quoting {
		special += string([]byte{s.quote})
	}
	if s.escape != Doubled {
		special += `\`
	}
	if !strings.ContainsAny(text, special) {
		return append(line, text...)
	}
	if s.quoting {
		line = append(line, s.quote)
	}
	for i := range len(text) {
		switch b := text[i]; {
		case s.escape != Doubled && (b == '\\' || !s.quoting && strings.IndexByte(special, b) >= 0):
			line = append(line, '\\', b)
		case s.quoting && b == s.quote:
			line = append(line, b, b)
		case !s.quoting && strings.IndexByte(special, b) >= 0: // the dialect cannot hold it
			line = append(line, ' ')
		default:
			line = append(line, b)
		}
	}
	if s.quoting {
		line = append(line, s.quote)
	}
	return line
}

// oneLine keeps Penstock's own cells on the row's last line: a reader that gave a malformed row
// up finds the next one behind it.
func oneLine(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	text = strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, text)
	return strings.TrimSpace(text)
}

// harmless keeps a spreadsheet from taking a cell for a formula. (Rule S3; tabs and
// line ends, which can hide one, oneLine has taken out.)
func harmless(text string) string {
	if text != "" && strings.ContainsRune("=+-@", rune(text[0])) {
		return "'" + text
	}
	return text
}

// appendJSONReject adds Penstock's members before the closing brace. What is no object
// becomes the text of one, from which the reader takes it again (bytes that are not UTF-8 as U+FFFD).
func appendJSONReject(line []byte, r *row.Row, why *row.Reject) []byte {
	behind := []byte{'}'}
	if r.Reject != nil && (r.Reject.Code == CodeBadJSON || r.Reject.Code == CodeNotAnObject) {
		line = append(line, `{"`+rawMember+`":`...)
		line = append(appendJSONText(line, string(r.Raw)), ',')
	} else {
		end := bytes.LastIndexByte(r.Raw, '}')
		line, behind = append(line, r.Raw[:end]...), r.Raw[end:]
		if !bytes.HasSuffix(bytes.TrimRight(line, " \t\r"), []byte{'{'}) {
			line = append(line, ',')
		}
	}
	line = append(line, `"`+row.LineColumn+`":`...)
	line = strconv.AppendInt(line, int64(r.Line), 10)
	line = appendJSONText(append(line, `,"`+row.ColumnColumn+`":`...), why.Column)
	line = appendJSONText(append(line, `,"`+row.CodeColumn+`":`...), why.Code)
	line = appendJSONText(append(line, `,"`+row.MessageColumn+`":`...), why.Message)
	return append(line, behind...)
}

func appendJSONText(line []byte, text string) []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(text) // a string always encodes, and a buffer always takes it
	return append(line, bytes.TrimSuffix(b.Bytes(), []byte{'\n'})...)
}
