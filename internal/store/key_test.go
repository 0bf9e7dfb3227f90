package store_test

import (
	"path"
	"path/filepath"
	"strings"
	"testing"

	"penstock/internal/store"
)

func FuzzCheckKey(f *testing.F) {
	for _, key := range []string{"a", "a/b", "", "/a", "a//b", "../a", "a/./b", "a+b", "runs/d=1/x.csv", "~tmp/x", strings.Repeat("a/", 500)} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		if store.CheckKey(key) != nil {
			return
		}
		if path.Clean(key) != key || !filepath.IsLocal(key) {
			t.Errorf("%q passes but is not a clean path below the root", key)
		}
		if strings.ContainsAny(key, "~ \\%?*\x00") {
			t.Errorf("%q passes with a character outside the alphabet", key)
		}
	})
}
