package local

import (
	"slices"
	"testing"
)

func TestFoldersThatWait(t *testing.T) {
	var w waiting
	for _, step := range []struct {
		key, began string
		left       []string
	}{
		{"inbox/admin/people/a.csv", "", nil},
		{"inbox/admin/people/1/part-0.csv", "inbox/admin/people/1/", []string{"inbox/admin/people/1/"}},
		{"inbox/admin/people/1/part-1.csv", "", []string{"inbox/admin/people/1/"}},
		{"inbox/admin/people/2/data/x0", "inbox/admin/people/2/", []string{"inbox/admin/people/1/", "inbox/admin/people/2/"}},
		{"inbox/admin/people/1/_started", "", []string{"inbox/admin/people/1/", "inbox/admin/people/2/"}},
		{"inbox/admin/people/1/_SUCCESS", "", []string{"inbox/admin/people/2/"}},
		{"inbox/admin/people/2/x-manifest.csv", "", nil},
		{"inbox/admin/people/1/part-0.csv", "inbox/admin/people/1/", []string{"inbox/admin/people/1/"}}, // the next delivery
	} {
		if began := w.see(step.key); began != step.began || !slices.Equal(w.left(), step.left) {
			t.Errorf("%s: %q began, %q wait", step.key, began, w.left())
		}
	}
}
