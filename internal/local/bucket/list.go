package bucket

import (
	"database/sql"
	"strings"
	"time"

	"github.com/johannesboyne/gofakes3"
)

// lister collects one page of a list.
type lister struct {
	bucket, prefix, delimiter string
	max                       int
	page                      *gofakes3.ObjectList
	last                      string // key or common prefix that was taken last
}

// list is a page after the marker: keys and common prefixes in byte order, each
// counted against max.
func (d *disk) list(bucket string, prefix, delimiter, marker string, max int) (*gofakes3.ObjectList, error) {
	if err := requireBucket(d.db, bucket); err != nil {
		return nil, err
	}
	l := &lister{bucket: bucket, prefix: prefix, delimiter: delimiter, max: max, page: gofakes3.NewObjectList()}
	if max == 0 {
		return l.page, nil
	}
	from, inclusive := l.start(marker)
	for {
		next, err := l.scan(d.db, from, inclusive)
		if err != nil {
			return nil, err
		}
		if next == "" {
			return l.page, nil
		}
		from, inclusive = next, true
	}
}

// start is where the keys after the marker begin. A marker that is a common
// prefix stands for all keys under it: they were listed by it.
func (l *lister) start(marker string) (from string, inclusive bool) {
	if marker == "" || marker < l.prefix {
		return l.prefix, true
	}
	if l.commonPrefix(marker) == marker {
		return successor(marker), true
	}
	return marker, false
}

// commonPrefix is the key up to the delimiter after the prefix, "" when there is none.
func (l *lister) commonPrefix(key string) string {
	if l.delimiter == "" || !strings.HasPrefix(key, l.prefix) {
		return ""
	}
	head, _, found := strings.Cut(key[len(l.prefix):], l.delimiter)
	if !found {
		return ""
	}
	return l.prefix + head + l.delimiter
}

// successor is the first text after everything that starts with prefix: UTF-8 has
// no byte 0xFF, so the last byte can always grow.
func successor(prefix string) string {
	end := len(prefix) - 1
	return prefix[:end] + string([]byte{prefix[end] + 1})
}

// scan takes keys from the index until the page is full or the keys end (""), or
// returns the key from which to go on after a common prefix.
func (l *lister) scan(db *sql.DB, from string, inclusive bool) (next string, err error) {
	compare := ">"
	if inclusive {
		compare = ">="
	}
	rows, err := db.Query(`SELECT key, size, etag, modified FROM objects WHERE bucket = ? AND key `+compare+` ? ORDER BY key LIMIT ?`,
		l.bucket, from, l.max+1)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	for rows.Next() {
		var item gofakes3.Content
		var modified int64
		if err := rows.Scan(&item.Key, &item.Size, &item.ETag, &modified); err != nil {
			return "", err
		}
		if !strings.HasPrefix(item.Key, l.prefix) {
			return "", nil
		}
		if len(l.page.Contents)+len(l.page.CommonPrefixes) == l.max {
			l.page.IsTruncated, l.page.NextMarker = true, l.last
			return "", nil
		}
		if group := l.commonPrefix(item.Key); group != "" {
			l.page.AddPrefix(group)
			l.last = group
			return successor(group), nil
		}
		item.ETag = quote(item.ETag)
		item.LastModified = gofakes3.NewContentTime(time.Unix(0, modified))
		l.page.Add(&item)
		l.last = item.Key
	}
	return "", rows.Err()
}

func quote(etag string) string { return `"` + etag + `"` }
