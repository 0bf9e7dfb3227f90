package delivery

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path"
	"strings"

	"penstock/internal/delivery/charset"
	"penstock/internal/delivery/unpack"
	"penstock/internal/delivery/xlsx"
	"penstock/internal/fault"
)

// sampleBytes is how much of a file's beginning is looked at.
const sampleBytes = 256 << 10

// detection collects what is found out about a delivery.
type detection struct {
	src    Source
	hints  Hints
	limits Limits
	object Object // the first that is not empty
	how    Detected
}

// Detect finds out how a delivery is written, from a sample of its first object that is not empty, and says
// why. What the destination says (hints) is not detected. Where two answers are as good, it refuses and names
// them and the setting that decides: nothing is guessed silently.
func Detect(ctx context.Context, src Source, hints Hints, limits Limits) (*Detected, error) {
	limits = limits.orDefault()
	if err := checkSource(src, limits); err != nil {
		return nil, err
	}
	d := &detection{src: src, hints: hints, limits: limits, object: src.Objects[0]}
	for _, o := range src.Objects {
		if o.Size > 0 {
			d.object = o
			break
		}
	}
	if err := d.detect(ctx); err != nil {
		return nil, placed(err, d.object.Name())
	}
	return &d.how, nil
}

func (d *detection) say(format string, args ...any) {
	d.how.Evidence = append(d.how.Evidence, fmt.Sprintf(format, args...))
}

func (d *detection) refuse(code, format string, args ...any) *fault.Error {
	return fault.New(fault.Refused, code, format, args...).At(d.object.Name(), 0, "")
}

// ambiguous refuses with the alternatives and the setting that decides.
func (d *detection) ambiguous(what, setting string, alternatives ...string) error {
	return d.refuse("ambiguous_"+setting, "%s: it could be %s", what, strings.Join(alternatives, " or ")).
		Advise("say which with the destination's setting %s", setting)
}

func (d *detection) detect(ctx context.Context) error {
	switch d.hints.Format {
	case "", CSV, JSONL, JSON, Parquet, XLSX:
	default:
		return d.refuse("unknown_format", "there is no format %q", string(d.hints.Format)).
			Advise("the setting format takes csv, jsonl, json, parquet and xlsx")
	}
	if d.object.Size == 0 {
		return d.empty()
	}
	raw, ended, err := d.sample(ctx, d.object)
	if err != nil {
		return err
	}
	if d.how.Format != "" { // a format that is no text
		return d.checkHint()
	}
	if err := d.refuseUnreadable(raw); err != nil {
		return err
	}
	if err := d.encoding(raw); err != nil {
		return err
	}
	text := d.decode(raw)
	if err := d.textFormat(text); err != nil {
		return err
	}
	if d.how.Format == CSV {
		return d.csv(ctx, text, ended)
	}
	return nil
}

// empty decides by hint or name alone.
func (d *detection) empty() error {
	d.how.Format, d.how.Header = d.hints.Format, HeaderEach
	if d.how.Format == "" {
		d.how.Format = formatByName(d.object.Key)
	}
	if d.how.Format == "" {
		d.how.Format = CSV
	}
	d.say("The delivery is empty.")
	return nil
}

// sample reads the beginning of an object, unpacked, and notes what its first bytes say.
func (d *detection) sample(ctx context.Context, o Object) (raw []byte, ended bool, err error) {
	head, err := readHead(ctx, d.src.From, o)
	if err != nil {
		return nil, false, err
	}
	kind := unpack.Sniff(head)
	if kind == unpack.Zip {
		archive, file, err := openArchive(ctx, d.src.From, o, d.limits)
		if err != nil {
			return nil, false, err
		}
		file.Close()
		if archive.Workbook {
			return nil, false, d.workbook(ctx, o)
		}
	}
	if bytes.HasPrefix(head, []byte("PAR1")) || bytes.HasPrefix(head, []byte("PARE")) {
		d.how.Format = Parquet
		d.say("Format Parquet: the file begins with its mark.")
		return nil, false, nil
	}
	body, err := openBody(ctx, d.src.From, o, d.limits, 0)
	if err != nil {
		return nil, false, err
	}
	defer body.Close()
	if kind != unpack.None {
		d.how.Compression = kind
		d.say("Compression %s: the file begins with its mark.", kind)
	}
	raw = make([]byte, sampleBytes)
	n, err := io.ReadFull(body, raw)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		ended, err = true, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("read the beginning of %s: %w", o.Name(), err)
	}
	return raw[:n], ended, nil
}

// workbook picks the sheet.
func (d *detection) workbook(ctx context.Context, o Object) error {
	d.how.Format, d.how.Sheet = XLSX, d.hints.Sheet
	d.how.Header, d.how.Names = HeaderEach, d.hints.Names
	if d.hints.Header == HeaderNone || d.hints.Header == "" && len(d.hints.Names) > 0 {
		d.how.Header = HeaderNone
	}
	d.say("Format Excel: the file is a zip archive that holds a workbook.")
	file, err := openRemembering(ctx, d.src.From, o)
	if err != nil {
		return err
	}
	defer file.Close()
	sheets, err := xlsx.Sheets(file, o.Size, o.Name(), d.limits.workbook())
	switch {
	case err != nil && file.failed() != nil:
		return file.failed()
	case err != nil:
		return err
	case d.how.Sheet != "":
		d.say("Sheet %q: the destination says so.", d.how.Sheet)
	case len(sheets) > 0:
		d.how.Sheet = sheets[0]
		d.say("Sheet %q: the first of %d that %s not hidden.", sheets[0], len(sheets), fault.Plural(len(sheets), "is", "are"))
	}
	return nil
}

func readHead(ctx context.Context, from Opener, o Object) ([]byte, error) {
	body, err := from.OpenFrom(ctx, o, 0)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	head := make([]byte, unpack.SniffBytes)
	n, err := io.ReadFull(body, head)
	if err != nil && err != io.ErrUnexpectedEOF && err != io.EOF {
		return nil, fmt.Errorf("read the beginning of %s: %w", o.Name(), err)
	}
	return head[:n], nil
}

// checkHint holds what the destination says against what the file is.
func (d *detection) checkHint() error {
	if d.hints.Format != "" && d.hints.Format != d.how.Format {
		return d.refuse("other_format", "the file is %s and the destination takes %s", d.how.Format, d.hints.Format).
			Advise("deliver the right file, or change the setting format")
	}
	return nil
}

// refuseUnreadable recognises files that nothing here reads.
func (d *detection) refuseUnreadable(raw []byte) error {
	if d.hints.Format == Parquet || d.hints.Format == XLSX {
		return d.refuse("other_format", "the destination takes %s and the file is none", d.hints.Format).
			Advise("deliver the right file, or change the setting format")
	}
	if d.how.Compression != unpack.None {
		inner := ""
		switch {
		case unpack.Sniff(raw) == unpack.Zip:
			inner = "a zip archive or a workbook"
		case unpack.Sniff(raw) != unpack.None:
			inner = "compressed once more"
		case bytes.HasPrefix(raw, []byte("PAR1")):
			inner = "a Parquet file, which compresses its own pages"
		}
		if inner != "" {
			return d.refuse("packed_twice", "what the file unpacks to is %s", inner).Advise("deliver it unpacked")
		}
	}
	if bytes.HasPrefix(raw, []byte("\xff\xfe\x00\x00")) || bytes.HasPrefix(raw, []byte("\x00\x00\xfe\xff")) {
		return d.refuse("unsupported_format", "the file is text in UTF-32").Advise("save it as UTF-8")
	}
	for _, s := range foreign {
		if bytes.HasPrefix(raw, []byte(s.magic)) {
			return d.refuse("unsupported_format", "the file is %s", s.what).Advise("%s", s.advice)
		}
	}
	return nil
}

// encoding finds out how characters are bytes.
func (d *detection) encoding(raw []byte) error {
	if d.hints.Encoding != "" {
		e, known := charset.Parse(strings.ToLower(d.hints.Encoding))
		if !known {
			return d.refuse("unknown_encoding", "there is no encoding %q", d.hints.Encoding).
				Advise("the setting encoding takes utf-8, utf-16le, utf-16be and windows-1252")
		}
		if e == charset.UTF16LE && bytes.HasPrefix(raw, []byte(charset.UTF16BE.Mark())) {
			e = charset.UTF16BE // "utf-16" says nothing of the order, and the mark does
		}
		d.how.Encoding = e
		d.say("Encoding %s: the destination says so.", e)
		return nil
	}
	found := charset.Guess(raw)
	if len(found.Alternatives) > 0 {
		return d.ambiguous("the file's encoding is not clear: "+found.Why, "encoding", found.Alternatives...)
	}
	d.how.Encoding = found.Encoding
	d.say("Encoding %s: %s.", found.Encoding, found.Why)
	return nil
}

// decode is the sample as UTF-8 without its mark.
func (d *detection) decode(raw []byte) []byte {
	text, _ := d.how.Encoding.Decode(nil, raw, 4*len(raw)+4)
	return bytes.TrimPrefix(text, []byte(byteOrderMark))
}

// textFormat tells CSV and JSON apart, by content before name: what is exported as .json is often JSON Lines.
func (d *detection) textFormat(text []byte) error {
	name := formatByName(d.object.Key)
	start := bytes.TrimLeft(text, " \t\r\n")
	switch {
	case d.hints.Format != "":
		d.how.Format = d.hints.Format
		d.say("Format %s: the destination says so.", d.how.Format)
	case bytes.HasPrefix(start, []byte("<")) && name != CSV:
		return d.refuse("unsupported_format", "the file looks like XML or HTML").Advise("export CSV, JSON Lines or Parquet")
	case begins(start, '[', "{]"):
		d.how.Format = JSON
		d.say("Format JSON array: the file begins as one.")
	case begins(start, '{', "\"}"):
		d.how.Format = JSONL
		d.say("Format JSON Lines: the file begins with an object.")
	case name == JSON || name == JSONL:
		d.how.Format = name
		d.say("Format %s: the file's name ends so.", name)
	default:
		d.how.Format = CSV
		d.say("Format CSV: it is text and does not begin as JSON.")
	}
	return nil
}

// begins says whether text begins with one character and, behind white space, one of the next.
func begins(text []byte, first byte, next string) bool {
	if len(text) == 0 || text[0] != first {
		return false
	}
	rest := bytes.TrimLeft(text[1:], " \t\r\n")
	return len(rest) > 0 && strings.IndexByte(next, rest[0]) >= 0
}

// formatByName is what a name says, below the ending of a compression; "" when it says nothing.
func formatByName(name string) Format {
	name = strings.ToLower(name)
	for _, packed := range []string{".gz", ".gzip", ".zst", ".zstd", ".bz2", ".snappy", ".sz", ".zip"} {
		name = strings.TrimSuffix(name, packed)
	}
	switch path.Ext(name) {
	case ".csv", ".tsv", ".tab", ".psv", ".txt":
		return CSV
	case ".jsonl", ".ndjson":
		return JSONL
	case ".json":
		return JSON
	case ".parquet", ".pq":
		return Parquet
	case ".xlsx", ".xlsm":
		return XLSX
	}
	return ""
}
