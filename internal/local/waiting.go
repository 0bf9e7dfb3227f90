package local

import (
	"slices"
	"strings"
	"sync"

	"penstock/internal/delivery"
)

// waiting are the folders of the inbox that have parts of a delivery and no manifest
// or marker yet: nothing else tells of a delivery that nobody completes.
type waiting struct {
	mu      sync.Mutex
	folders map[string]bool
}

// see takes notice of an object in its order of arrival, and gives its folder when
// the first part of a delivery has come there.
func (w *waiting) see(key string) (began string) {
	segments := strings.SplitN(key, "/", 5) // inbox, audience, destination, folder, the rest
	if len(segments) < 5 {
		return ""
	}
	folder := strings.Join(segments[:4], "/") + "/"
	w.mu.Lock()
	defer w.mu.Unlock()
	switch delivery.RoleOf(key) {
	case delivery.Manifest, delivery.Marker:
		delete(w.folders, folder)
	case delivery.Part:
		if !w.folders[folder] {
			if w.folders == nil {
				w.folders = map[string]bool{}
			}
			w.folders[folder] = true
			return folder
		}
	}
	return ""
}

func (w *waiting) left() (folders []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for folder := range w.folders {
		folders = append(folders, folder)
	}
	slices.Sort(folders)
	return folders
}
