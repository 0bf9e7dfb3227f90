package mapping

import (
	"bytes"
	"testing"
)

// Each byte at each place of a word, and behind it.
func TestPlain(t *testing.T) {
	for b := range 256 {
		want := b >= ' ' && b < 0x80 && b != '"' && b != '\\'
		for at := range 19 {
			text := bytes.Repeat([]byte("~ "), 10)[:19]
			text[at] = byte(b)
			if got := plain(text); got != want {
				t.Errorf("byte %#x at %d: plain %t, want %t", b, at, got, want)
			}
		}
	}
	if !plain(nil) {
		t.Error("nothing is not plain")
	}
}
