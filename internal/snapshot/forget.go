package snapshot

import (
	"context"
	"fmt"
	"strings"

	"penstock/internal/store"
)

// Forget deletes what is remembered of a destination's rows, at all of its targets,
// and says how many objects those were: the destination is gone, or its rows must be
// forgotten (rule H4). Nobody may load into it meanwhile. Generations go first, so that what
// is left when it stops half-way is none.
func Forget(ctx context.Context, work store.Store, destination string) (objects int, err error) {
	var keys []string
	for info, err := range work.List(ctx, "snapshots/"+destination+"/") {
		if err != nil {
			return 0, fmt.Errorf("find what is remembered of %s: %w", destination, err)
		}
		keys = append(keys, info.Key)
	}
	isGeneration := func(key string) bool { return strings.Contains(key, "/generations/") }
	for _, generations := range []bool{true, false} {
		for _, key := range keys {
			if isGeneration(key) != generations {
				continue
			}
			if err := work.Delete(ctx, key); err != nil {
				return objects, fmt.Errorf("forget %s: %w", destination, err)
			}
			objects++
		}
	}
	return objects, nil
}
