package snapshot

import (
	"context"
	"strconv"
	"strings"
)

// tidy removes generations before number, their parts, and what folds that failed
// have left of that time. number, which has just been replaced, stays: a worker
// may be reading it. What cannot be deleted now is deleted next time.
func (p Place) tidy(ctx context.Context, number int) {
	for _, folder := range []string{"generations/", "parts/"} {
		for info, err := range p.work.List(ctx, p.prefix+folder) {
			if err != nil {
				return
			}
			name := strings.TrimPrefix(info.Key, p.prefix+folder)
			n, err := strconv.Atoi(name[:min(8, len(name))])
			if err != nil || n >= number {
				break // in order of their numbers
			}
			_ = p.work.Delete(ctx, info.Key)
		}
	}
}

// removeParts removes the parts of a generation that was not published.
func (p Place) removeParts(ctx context.Context, folder string) {
	if folder == "" {
		return
	}
	for info, err := range p.work.List(ctx, p.prefix+"parts/"+folder+"/") {
		if err != nil {
			return
		}
		_ = p.work.Delete(ctx, info.Key)
	}
}
