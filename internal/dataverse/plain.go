package dataverse

import "encoding/binary"

// Plain tells whether every byte of a text stands for itself in a JSON string,
// and whether all of them are ASCII. Most texts are plain, so it looks at eight bytes at a time.
func Plain(text []byte) (yes, ascii bool) {
	const each, top = 0x0101010101010101, 0x8080808080808080
	var high, special uint64
	look := func(w uint64) {
		quote, backslash := w^each*'"', w^each*'\\'
		// A byte below n borrows from its top bit when n is taken off it, unless that bit was set.
		special |= ((w - each*' ') &^ w) | ((quote - each) &^ quote) | ((backslash - each) &^ backslash)
		high |= w
	}
	if len(text) < 8 {
		look(short(text) | each*' '<<(8*len(text)))
		return special&top == 0, high&top == 0
	}
	last := binary.LittleEndian.Uint64(text[len(text)-8:]) // may overlap the one before
	for ; len(text) >= 8; text = text[8:] {
		look(binary.LittleEndian.Uint64(text))
	}
	look(last)
	return special&top == 0, high&top == 0
}

// short is a text of less than eight bytes as a word, the rest of which is zero. What is read twice is the same.
func short(text []byte) uint64 {
	switch n := len(text); {
	case n >= 4:
		return uint64(binary.LittleEndian.Uint32(text)) | uint64(binary.LittleEndian.Uint32(text[n-4:]))<<(8*(n-4))
	case n > 0:
		return uint64(text[0]) | uint64(text[n/2])<<(8*(n/2)) | uint64(text[n-1])<<(8*(n-1))
	}
	return 0
}
