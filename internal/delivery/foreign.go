package delivery

import (
	"bytes"
	"slices"

	"penstock/internal/fault"
)

// signature is the first bytes of files that people drop by mistake.
type signature struct{ magic, what, advice string }

// packed are files that Detect recognises and that are no text themselves.
var packed = []signature{
	{"PK\x03\x04", "a ZIP archive or an Excel workbook (.xlsx)", "save the sheet as CSV UTF-8, or unpack the archive"},
	{"PAR1", "a Parquet file", "export CSV or JSON Lines"},
	{"\x1f\x8b", "compressed with gzip", "unpack it first"},
	{"\x28\xb5\x2f\xfd", "compressed with Zstandard", "unpack it first"},
	{"BZh", "compressed with bzip2", "unpack it first"},
}

// foreign are files that nothing reads.
var foreign = []signature{
	{"\xfd7zXZ\x00", "compressed with xz", "unpack it first"},
	{"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "unpack it first"},
	{"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook (.xls), or one with a password", "save it as .xlsx without a password, or the sheet as CSV UTF-8"},
	{"Obj\x01", "an Avro file", "export CSV or JSON Lines"},
	{"ORC\x0a", "an ORC file", "export CSV, JSON Lines or Parquet"},
	{"%PDF-", "a PDF document", "export CSV or JSON Lines"},
}

// refuseForeign says what a file is when it is plainly not UTF-8 text.
func refuseForeign(head []byte, name string) error {
	for _, s := range slices.Concat(packed, foreign) {
		if bytes.HasPrefix(head, []byte(s.magic)) {
			return fault.New(fault.Refused, "unsupported_format", "the file is %s, where text was expected", s.what).
				Advise("%s", s.advice).At(name, 0, "")
		}
	}
	if encoding := otherEncoding(head); encoding != "" {
		return fault.New(fault.Refused, "unsupported_encoding", "this looks like %s, where UTF-8 was expected", encoding).
			Advise("deliver all parts in one encoding, or save the file as UTF-8").At(name, 0, "")
	}
	return nil
}

// otherEncoding recognises UTF-16 and UTF-32 by their byte order marks, and UTF-16
// without one by the zero bytes that plain letters have in it.
func otherEncoding(head []byte) string {
	switch {
	case bytes.HasPrefix(head, []byte("\xff\xfe\x00\x00")), bytes.HasPrefix(head, []byte("\x00\x00\xfe\xff")):
		return "UTF-32"
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("\xfe\xff")):
		return "UTF-16"
	}
	sample := head[:min(len(head), 64)&^1]
	var zeros [2]int
	for i, b := range sample {
		if b == 0 {
			zeros[i%2]++
		}
	}
	half, few := len(sample)/4, len(sample)/16
	if len(sample) >= 4 && (zeros[0] > half && zeros[1] <= few || zeros[1] > half && zeros[0] <= few) {
		return "UTF-16"
	}
	return ""
}
