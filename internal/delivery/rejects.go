package delivery

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"penstock/internal/row"
)

// RejectWriter writes rows with the reasons why they were rejected, in the format of the file
// they come from, so that a person can correct them and drop the file again.
type RejectWriter struct {
	w     *bufio.Writer
	style Style
	begun bool
	line  []byte
	split splitter // counts cells
}

// NewRejectWriter writes to w as style says. Nothing is written before the first row.
func NewRejectWriter(w io.Writer, style Style) *RejectWriter {
	if style.LineEnd == "" {
		style.LineEnd = "\n"
	}
	return &RejectWriter{w: bufio.NewWriterSize(w, 64<<10), style: style}
}

// Write adds a row. Its original bytes stay as they are, also when they are malformed (rule S3).
func (rw *RejectWriter) Write(r *row.Row, why *row.Reject) error {
	rw.line = rw.line[:0]
	if !rw.begun {
		rw.begun = true
		rw.begin()
	}
	if rw.style.Format == JSONL {
		rw.line = appendJSONReject(rw.line, r, why)
	} else {
		rw.line = appendCSVReject(rw.line, r, why)
		if rw.looksWhole(r) {
			rw.line = append(rw.line, ',')
		}
	}
	rw.line = append(rw.line, rw.style.LineEnd...)
	if _, err := rw.w.Write(rw.line); err != nil {
		return fmt.Errorf("write reject of row %d: %w", r.Number, err)
	}
	return nil
}

// Flush writes what is still held.
func (rw *RejectWriter) Flush() error {
	if err := rw.w.Flush(); err != nil {
		return fmt.Errorf("write rejects: %w", err)
	}
	return nil
}

func (rw *RejectWriter) begin() {
	if rw.style.BOM {
		rw.line = append(rw.line, byteOrderMark...)
	}
	if rw.style.Format == JSONL {
		return
	}
	rw.line = append(rw.line, rw.style.Header...)
	for _, name := range row.ExtraColumns {
		rw.line = append(append(rw.line, ','), name...)
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

func appendCSVReject(line []byte, r *row.Row, why *row.Reject) []byte {
	line = append(line, r.Raw...)
	line = strconv.AppendInt(append(line, ','), int64(r.Line), 10)
	for _, text := range [...]string{why.Column, why.Code, why.Message} {
		line = appendCSVCell(append(line, ','), harmless(oneLine(text)))
	}
	return line
}

func appendCSVCell(line []byte, text string) []byte {
	if !strings.ContainsAny(text, `",`) {
		return append(line, text...)
	}
	line = append(line, '"')
	line = append(line, strings.ReplaceAll(text, `"`, `""`)...)
	return append(line, '"')
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
