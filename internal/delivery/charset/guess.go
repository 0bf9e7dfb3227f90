package charset

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"penstock/internal/fault"
)

// Found is an encoding and why it is thought to be the one; or the alternatives, when it is not clear.
type Found struct {
	Encoding     Encoding
	Why          string
	Alternatives []string
}

// Guess judges by a file's first bytes.
func Guess(sample []byte) Found {
	for _, e := range []Encoding{UTF8, UTF16LE, UTF16BE} {
		if strings.HasPrefix(string(sample[:min(len(sample), 4)]), e.Mark()) {
			return Found{Encoding: e, Why: "the file begins with its byte order mark"}
		}
	}
	if e := wide(sample); e != UTF8 {
		return Found{Encoding: e, Why: "every other byte is zero, as in plain letters of it"}
	}
	return narrow(sample)
}

// wide recognises UTF-16 without a mark by the zero bytes that plain letters and delimiters have in it.
func wide(sample []byte) Encoding {
	sample = sample[:min(len(sample), 4096)&^1]
	var zeros [2]int
	for i, b := range sample {
		if b == 0 {
			zeros[i%2]++
		}
	}
	half, few := len(sample)/4, len(sample)/64
	switch {
	case len(sample) >= 4 && zeros[1] > half && zeros[0] <= few:
		return UTF16LE
	case len(sample) >= 4 && zeros[0] > half && zeros[1] <= few:
		return UTF16BE
	}
	return UTF8
}

// narrow tells UTF-8 from Windows-1252. Characters beyond ASCII that are valid UTF-8 are hardly ever
// meant as anything else; bytes that are not are hardly ever meant as UTF-8.
func narrow(sample []byte) Found {
	var good, bad, undefined, odd int
	for i := 0; i < len(sample); {
		b := sample[i]
		if b < utf8.RuneSelf {
			i++
			continue
		}
		r, size := utf8.DecodeRune(sample[i:])
		if r != utf8.RuneError || size > 1 {
			good++
			i += size
			continue
		}
		if !utf8.FullRune(sample[i:]) { // the sample ends inside a character
			break
		}
		bad++
		switch b {
		case 0x81, 0x8d, 0x8f, 0x90, 0x9d:
			undefined++
		default:
			if b < 0xa0 && between(sample, i) {
				odd++
			}
		}
		i++
	}
	switch {
	case bad == 0 && good == 0:
		return Found{Encoding: UTF8, Why: fmt.Sprintf("the first %s %s plain ASCII", fault.Count(len(sample), "byte"), fault.Plural(len(sample), "is", "are"))}
	case bad == 0:
		return Found{Encoding: UTF8, Why: fmt.Sprintf("%s beyond ASCII in the first %d bytes %s valid", fault.Count(good, "character"), len(sample), fault.Plural(good, "is", "are"))}
	case good >= 10*bad:
		return Found{Encoding: UTF8, Why: fmt.Sprintf("%d characters beyond ASCII are valid and %s not", good, bytesAre(bad))}
	case good*10 <= bad && 20*undefined <= bad && 2*odd <= bad:
		return Found{Encoding: Windows1252, Why: fmt.Sprintf("%s not UTF-8, and %d of %d are characters of it", bytesAre(bad), bad-undefined, bad)}
	}
	return Found{
		Why:          fmt.Sprintf("of the characters beyond ASCII, %d %s valid UTF-8 and %s not", good, fault.Plural(good, "is", "are"), bytesAre(bad)),
		Alternatives: []string{"UTF-8 with broken characters", "Windows-1252", "an encoding that is not supported"},
	}
}

func bytesAre(n int) string { return fault.Count(n, "byte") + fault.Plural(n, " is", " are") }

// between says that a byte stands between letters, where Windows-1252 has few characters below 0xA0 to
// put, and the old code pages of DOS and the Macintosh have their letters.
func between(sample []byte, i int) bool {
	return i > 0 && i+1 < len(sample) && letter(sample[i-1]) && letter(sample[i+1]) && !strings.ContainsRune("\u008a\u008c\u008e\u009a\u009c\u009e\u009f\u0092", rune(sample[i]))
}

func letter(b byte) bool { return 'a' <= b|0x20 && b|0x20 <= 'z' }
