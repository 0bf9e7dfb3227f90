package bucket

import (
	"net/http"
	"strings"

	"github.com/johannesboyne/gofakes3"
)

// conditions are the If-Match and If-None-Match of a request, "" for none.
type conditions struct {
	match, noneMatch string
}

// takeConditions moves the conditions out of the headers: gofakes3 looks at some
// of them, not at the moment of the write and not knowing the ETag of a multipart object.
func takeConditions(h http.Header) conditions {
	c := conditions{match: h.Get("If-Match"), noneMatch: h.Get("If-None-Match")}
	h.Del("If-Match")
	h.Del("If-None-Match")
	return c
}

// takeCopyConditions: the same for the source of a copy.
func takeCopyConditions(h http.Header) conditions {
	return conditions{match: h.Get("X-Amz-Copy-Source-If-Match"), noneMatch: h.Get("X-Amz-Copy-Source-If-None-Match")}
}

// allowWrite: S3 knows If-None-Match on writes with "*" only, and answers If-Match
// on a key without an object with 404.
func (c conditions) allowWrite(old object, found bool) error {
	switch {
	case c.noneMatch != "" && c.noneMatch != "*":
		return gofakes3.ErrorMessage(gofakes3.ErrNotImplemented, "If-None-Match takes * on a write")
	case c.noneMatch == "*" && found:
		return gofakes3.ErrPreconditionFailed
	case c.match != "" && !found:
		return gofakes3.KeyNotFound(old.key)
	case c.match != "" && !matches(c.match, old.etag):
		return gofakes3.ErrPreconditionFailed
	}
	return nil
}

// allowRead answers 412 for If-Match and 304 for If-None-Match.
func (c conditions) allowRead(o object) error {
	switch {
	case c.match != "" && !matches(c.match, o.etag):
		return gofakes3.ErrPreconditionFailed
	case c.noneMatch != "" && matches(c.noneMatch, o.etag):
		return gofakes3.ErrNotModified
	}
	return nil
}

// allowCopy answers 412 for either.
func (c conditions) allowCopy(source object) error {
	if c.allowRead(source) != nil {
		return gofakes3.ErrPreconditionFailed
	}
	return nil
}

// matches looks for etag in a header: * or a list, quoted or not.
func matches(header, etag string) bool {
	for one := range strings.SplitSeq(header, ",") {
		one = strings.TrimPrefix(strings.TrimSpace(one), "W/")
		if one == "*" || strings.Trim(one, `"`) == etag {
			return true
		}
	}
	return false
}
