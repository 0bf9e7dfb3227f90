package bucket

import (
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/johannesboyne/gofakes3"
)

// request is what gofakes3 sees as its storage, made anew for each HTTP request:
// gofakes3 hands its storage neither the conditions nor the headers, and this
// knows them.
type request struct {
	disk    *disk
	header  http.Header
	reading bool // GET or HEAD: the conditions are about what is read
	form    bool // POST: an upload by an HTML form
	when    conditions
	etag    string // of the object that is read, for the answer
}

var (
	_ gofakes3.Backend          = (*request)(nil)
	_ gofakes3.MultipartBackend = (*request)(nil)
)

func (r *request) ListBuckets() ([]gofakes3.BucketInfo, error) { return r.disk.buckets() }
func (r *request) CreateBucket(name string) error              { return r.disk.createBucket(name) }
func (r *request) BucketExists(name string) (exists bool, _ error) {
	return bucketExists(r.disk.db, name)
}
func (r *request) DeleteBucket(name string) error { return r.disk.deleteBucket(name) }

// ForceDeleteBucket is an extension of another product; a bucket is deleted when it is empty.
func (r *request) ForceDeleteBucket(name string) error { return r.disk.deleteBucket(name) }

func (r *request) ListBucket(name string, prefix *gofakes3.Prefix, page gofakes3.ListBucketPage) (*gofakes3.ObjectList, error) {
	if prefix == nil {
		prefix = &gofakes3.Prefix{}
	}
	return r.disk.list(name, prefix.Prefix, prefix.Delimiter, page.Marker, int(page.MaxKeys))
}

func (r *request) HeadObject(bucket, key string) (*gofakes3.Object, error) {
	o, err := r.disk.stat(bucket, key)
	if err != nil {
		return nil, err
	}
	if err := r.allowRead(o); err != nil {
		return nil, err
	}
	return o.forAnswer(http.NoBody, nil), nil
}

func (r *request) GetObject(bucket, key string, want *gofakes3.ObjectRangeRequest) (*gofakes3.Object, error) {
	o, f, err := r.disk.open(bucket, key)
	if err != nil {
		return nil, err
	}
	body, rng, err := r.cut(o, f, want)
	if err != nil {
		f.Close()
		return nil, err
	}
	return o.forAnswer(body, rng), nil
}

// cut applies the conditions and the range of a GET.
func (r *request) cut(o object, f *os.File, want *gofakes3.ObjectRangeRequest) (io.ReadCloser, *gofakes3.ObjectRange, error) {
	if err := r.allowRead(o); err != nil {
		return nil, nil, err
	}
	if want != nil && want.FromEnd && want.End > o.size { // the last 100 of 10 bytes are all 10
		want.End = o.size
	}
	rng, err := want.Range(o.size)
	if rng == nil || err != nil {
		return f, nil, err
	}
	section := io.NewSectionReader(f, rng.Start, rng.Length)
	return readCloser{section, f}, rng, nil
}

type readCloser struct {
	io.Reader
	io.Closer
}

func (r *request) allowRead(o object) error {
	if !r.reading {
		return nil
	}
	r.etag = o.etag
	return r.when.allowRead(o)
}

// forAnswer leaves Hash empty: it cannot express a multipart ETag, so the front
// writes that header.
func (o object) forAnswer(body io.ReadCloser, rng *gofakes3.ObjectRange) *gofakes3.Object {
	meta := map[string]string{"Content-Type": "binary/octet-stream"}
	for name, value := range o.meta {
		meta[name] = value
	}
	meta["Last-Modified"] = o.modified.Format(http.TimeFormat)
	return &gofakes3.Object{Name: o.key, Metadata: meta, Size: o.size, Contents: body, Range: rng}
}

// keptMeta is what S3 gives back of the headers of a write.
func keptMeta(headers map[string]string) map[string]string {
	kept := map[string]string{}
	for name, value := range headers {
		switch {
		case strings.HasPrefix(name, "X-Amz-Meta-"), name == "Content-Type", name == "Content-Disposition":
			kept[name] = value
		case name == "Content-Encoding":
			if value = withoutChunked(value); value != "" {
				kept[name] = value
			}
		}
	}
	return kept
}

func (r *request) PutObject(bucket, key string, meta map[string]string, body io.Reader, size int64, _ *gofakes3.PutConditions) (gofakes3.PutObjectResult, error) {
	if err := checkKey(key); err != nil {
		return gofakes3.PutObjectResult{}, err
	}
	written, err := r.disk.blobs.write(body, size)
	if err != nil {
		return gofakes3.PutObjectResult{}, err
	}
	reason := "PutObject"
	if r.form {
		reason = "POST Object"
	}
	_, err = r.disk.commit(object{
		bucket: bucket, key: key, blob: written.name, size: written.size, etag: written.md5, meta: keptMeta(meta),
	}, r.when, reason)
	return gofakes3.PutObjectResult{}, err
}

func (r *request) CopyObject(srcBucket, srcKey, dstBucket, dstKey string, meta map[string]string) (gofakes3.CopyObjectResult, error) {
	if err := checkKey(dstKey); err != nil {
		return gofakes3.CopyObjectResult{}, err
	}
	source, f, err := r.disk.open(srcBucket, srcKey)
	if err != nil {
		return gofakes3.CopyObjectResult{}, err
	}
	defer f.Close()
	if err := takeCopyConditions(r.header).allowCopy(source); err != nil {
		return gofakes3.CopyObjectResult{}, err
	}
	made, err := r.disk.blobs.write(f, source.size)
	if err != nil {
		return gofakes3.CopyObjectResult{}, err
	}
	kept := source.meta
	if strings.EqualFold(r.header.Get("X-Amz-Metadata-Directive"), "REPLACE") {
		kept = keptMeta(firstValues(r.header))
	}
	o, err := r.disk.commit(object{
		bucket: dstBucket, key: dstKey, blob: made.name, size: made.size, etag: made.md5, meta: kept,
	}, r.when, "CopyObject")
	if err != nil {
		return gofakes3.CopyObjectResult{}, err
	}
	return gofakes3.CopyObjectResult{ETag: quote(o.etag), LastModified: gofakes3.NewContentTime(o.modified)}, nil
}

func firstValues(h http.Header) map[string]string {
	first := make(map[string]string, len(h))
	for name := range h {
		first[name] = h.Get(name)
	}
	return first
}

func (r *request) DeleteObject(bucket, key string) (gofakes3.ObjectDeleteResult, error) {
	return gofakes3.ObjectDeleteResult{}, r.disk.delete(bucket, key, r.when)
}

func (r *request) DeleteMulti(bucket string, keys ...string) (out gofakes3.MultiDeleteResult, _ error) {
	for _, key := range keys {
		if err := r.disk.delete(bucket, key, conditions{}); err != nil {
			failed := gofakes3.ErrorResultFromError(err)
			failed.Key = key
			out.Error = append(out.Error, failed)
			continue
		}
		out.Deleted = append(out.Deleted, gofakes3.ObjectID{Key: key})
	}
	return out, nil
}

func (r *request) CreateMultipartUpload(bucket, key string, meta map[string]string) (gofakes3.UploadID, error) {
	return r.disk.startUpload(bucket, key, keptMeta(meta))
}

func (r *request) UploadPart(bucket, key string, id gofakes3.UploadID, number int, size int64, body io.Reader) (string, error) {
	p, err := r.disk.putPart(bucket, key, id, number, body, size)
	if err != nil {
		return "", err
	}
	return quote(p.etag), nil
}

func (r *request) CompleteMultipartUpload(bucket, key string, id gofakes3.UploadID, in *gofakes3.CompleteMultipartUploadRequest) (gofakes3.VersionID, string, error) {
	o, err := r.disk.complete(bucket, key, id, in.Parts, r.when)
	if err != nil {
		return "", "", err
	}
	return "", quote(o.etag), nil
}

func (r *request) AbortMultipartUpload(bucket, key string, id gofakes3.UploadID) error {
	return r.disk.abort(bucket, key, id)
}

func (r *request) ListMultipartUploads(bucket string, marker *gofakes3.UploadListMarker, prefix gofakes3.Prefix, limit int64) (*gofakes3.ListMultipartUploadsResult, error) {
	if marker == nil {
		marker = &gofakes3.UploadListMarker{}
	}
	return r.disk.listUploads(bucket, *marker, prefix, limit)
}

func (r *request) ListParts(bucket, key string, id gofakes3.UploadID, marker int, limit int64) (*gofakes3.ListMultipartUploadPartsResult, error) {
	if _, err := findUpload(r.disk.db, bucket, key, id); err != nil {
		return nil, err
	}
	parts, err := r.disk.partsOf(id, marker)
	if err != nil {
		return nil, err
	}
	out := &gofakes3.ListMultipartUploadPartsResult{
		Bucket: bucket, Key: key, UploadID: id, MaxParts: limit, PartNumberMarker: marker, StorageClass: gofakes3.StorageStandard,
	}
	for _, p := range parts {
		if int64(len(out.Parts)) == limit {
			out.IsTruncated = true
			break
		}
		out.Parts = append(out.Parts, gofakes3.ListMultipartUploadPartItem{
			PartNumber: p.number, ETag: quote(p.etag), Size: p.size, LastModified: gofakes3.NewContentTime(p.modified),
		})
		out.NextPartNumberMarker = p.number
	}
	return out, nil
}
