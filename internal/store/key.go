package store

import (
	"strings"

	"penstock/internal/fault"
)

// S3 allows 1,024 bytes a key; the rest is left for the store's own prefix.
// A segment is a file name in a directory, and most file systems stop at 255 bytes.
const (
	maxKey     = 900
	maxSegment = 255
)

// CheckKey reports why key cannot name an object; nil when it can. It cannot see
// whether the key is a prefix of another one: a directory refuses that when it is
// written, S3 has no cheap way to know.
func CheckKey(key string) error {
	if reason := badKey(key); reason != "" {
		return fault.New(fault.Broken, "bad_key", "object key %q %s", key, reason)
	}
	return nil
}

func badKey(key string) string {
	if key == "" {
		return "is empty"
	}
	if len(key) > maxKey {
		return "is longer than 900 bytes"
	}
	for segment := range strings.SplitSeq(key, "/") {
		if reason := badSegment(segment); reason != "" {
			return reason
		}
	}
	return ""
}

func badSegment(segment string) string {
	switch {
	case segment == "":
		return "has an empty segment"
	case segment == "." || segment == "..":
		return `has a segment "." or ".."`
	case len(segment) > maxSegment:
		return "has a segment longer than 255 bytes"
	case !inAlphabet(segment):
		return "has a character outside A-Z a-z 0-9 . _ = / -"
	}
	return ""
}

func inAlphabet(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && !('0' <= c && c <= '9') && c != '.' && c != '_' && c != '=' && c != '-' {
			return false
		}
	}
	return true
}

// checkPrefix refuses a prefix that no key can have: it is a mistake of the
// caller, and an empty list would hide it.
func checkPrefix(prefix string) error {
	folder, last := cutFolder(prefix)
	if folder != "" {
		if err := CheckKey(strings.TrimSuffix(folder, "/")); err != nil {
			return err
		}
	}
	if !inAlphabet(last) {
		return fault.New(fault.Broken, "bad_key", "key prefix %q has a character outside A-Z a-z 0-9 . _ = / -", prefix)
	}
	return nil
}

// cutFolder cuts "runs/a/load" into "runs/a/" and "load".
func cutFolder(prefix string) (folder, last string) {
	cut := strings.LastIndexByte(prefix, '/') + 1
	return prefix[:cut], prefix[cut:]
}
