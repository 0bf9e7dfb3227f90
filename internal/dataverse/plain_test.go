package dataverse

import (
	"bytes"
	"testing"
)

// Each byte at each place of a word, and behind it.
func TestPlain(t *testing.T) {
	for b := range 256 {
		want := b >= ' ' && b != '"' && b != '\\'
		for size := range 20 {
			for at := range size {
				text := bytes.Repeat([]byte("~ "), 10)[:size]
				text[at] = byte(b)
				if got, ascii := Plain(text); got != want || got && ascii != (b < 0x80) {
					t.Errorf("byte %#x at %d of %d: plain %t, want %t; ASCII %t", b, at, size, got, want, ascii)
				}
			}
		}
	}
	if yes, ascii := Plain(nil); !yes || !ascii {
		t.Error("nothing is not plain")
	}
}
