package bucket

import (
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/johannesboyne/gofakes3"
)

// copyPart answers UploadPartCopy, which gofakes3 takes for an upload: how clients
// copy and move objects above some megabytes.
func copyPart(w http.ResponseWriter, r *http.Request, d *disk) {
	p, err := copyPartOf(r, d)
	if err != nil {
		answerError(w, r, err)
		return
	}
	answerXML(w, r, http.StatusOK, struct {
		XMLName      xml.Name `xml:"CopyPartResult"`
		ETag         string
		LastModified gofakes3.ContentTime
	}{ETag: quote(p.etag), LastModified: gofakes3.NewContentTime(p.modified)})
}

func copyPartOf(r *http.Request, d *disk) (part, error) {
	bucket, key := splitPath(r)
	query := r.URL.Query()
	number, err := strconv.Atoi(query.Get("partNumber"))
	if err != nil || number < 1 || number > gofakes3.MaxUploadPartNumber {
		return part{}, gofakes3.ErrInvalidPart
	}
	srcBucket, srcKey, err := copySource(r.Header.Get("X-Amz-Copy-Source"))
	if err != nil {
		return part{}, err
	}
	source, f, err := d.open(srcBucket, srcKey)
	if err != nil {
		return part{}, err
	}
	defer f.Close()
	if err := takeCopyConditions(r.Header).allowCopy(source); err != nil {
		return part{}, err
	}
	start, length, err := copyRange(r.Header.Get("X-Amz-Copy-Source-Range"), source.size)
	if err != nil {
		return part{}, err
	}
	id := gofakes3.UploadID(query.Get("uploadId"))
	return d.putPart(bucket, key, id, number, io.NewSectionReader(f, start, length), length)
}

// copySource takes [/]BUCKET/KEY apart, URL-encoded as a whole or in its key.
func copySource(header string) (bucket, key string, err error) {
	path, version, _ := strings.Cut(header, "?versionId=")
	if version != "" && version != "null" {
		return "", "", gofakes3.ErrNoSuchVersion
	}
	path, err = url.QueryUnescape(path)
	bucket, key, found := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if err != nil || !found || bucket == "" || key == "" {
		return "", "", gofakes3.ErrorInvalidArgument("x-amz-copy-source", header, "the copy source is BUCKET/KEY, URL-encoded")
	}
	return bucket, key, nil
}

// copyRange reads "bytes=first-last", both given and inside the object.
func copyRange(header string, size int64) (start, length int64, err error) {
	if header == "" {
		return 0, size, nil
	}
	var first, last int64
	if n, _ := fmt.Sscanf(header, "bytes=%d-%d", &first, &last); n != 2 || first < 0 || last < first || last >= size {
		return 0, 0, gofakes3.ErrorInvalidArgument("x-amz-copy-source-range", header, "the range is not inside the source object")
	}
	return first, last - first + 1, nil
}

// answerTags: an object here has no tags. Clients ask before they copy by parts.
func answerTags(w http.ResponseWriter, r *http.Request, d *disk) {
	if _, err := d.stat(splitPath(r)); err != nil {
		answerError(w, r, err)
		return
	}
	answerXML(w, r, http.StatusOK, struct {
		XMLName xml.Name `xml:"Tagging"`
		TagSet  struct{}
	}{})
}
