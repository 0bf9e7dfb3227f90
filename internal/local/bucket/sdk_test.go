package bucket_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"

	"penstock/internal/local/bucket"
)

// Keys of real drops, in byte order.
var awkward = []string{
	"inbox/admin/x/%41.csv",
	"inbox/admin/x/a&b;c=d.csv",
	"inbox/admin/x/tab?query#frag.csv",
	"inbox/business/x/my file+1 ä.csv",
	"inbox/business/x/日本 🚰.csv",
	"inbox/restricted//double.csv",
}

func TestObjectsComeBackAsTheyWereWritten(t *testing.T) {
	c := client(t, start(t, t.TempDir(), bucket.Options{}))
	for _, key := range awkward {
		put(t, c, key, []byte(key))
	}
	for _, key := range awkward {
		if got := string(get(t, c, key)); got != key {
			t.Errorf("%s holds %q", key, got)
		}
	}
	for _, body := range [][]byte{{}, {0}, []byte("5\r\nnot framing\r\n0\r\n\r\n"), noise(3 << 20)} {
		put(t, c, "k", body)
		if !bytes.Equal(get(t, c, "k"), body) {
			t.Errorf("%d bytes came back changed", len(body))
		}
	}
}

func TestEveryChecksumIsTaken(t *testing.T) {
	c := client(t, start(t, t.TempDir(), bucket.Options{}))
	for _, algorithm := range []types.ChecksumAlgorithm{"", "CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"} {
		body := noise(100_001)
		_, err := c.PutObject(t.Context(), &s3.PutObjectInput{
			Bucket: aws.String(inbox), Key: aws.String("k"), Body: bytes.NewReader(body), ChecksumAlgorithm: algorithm,
		})
		check(t, err)
		if !bytes.Equal(get(t, c, "k"), body) {
			t.Errorf("%s: the bytes came back changed", algorithm)
		}
	}
	_, err := c.PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: aws.String(inbox), Key: aws.String("wrong"), Body: strings.NewReader("x"), ChecksumCRC32: aws.String("AAAAAA=="),
	})
	wantCode(t, err, "BadDigest")
	absent(t, c, "wrong")
}

func TestHeadersComeBack(t *testing.T) {
	c := client(t, start(t, t.TempDir(), bucket.Options{}))
	written, err := c.PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: aws.String(inbox), Key: aws.String("k"), Body: strings.NewReader("hello"), ContentType: aws.String("text/csv"),
		ContentEncoding: aws.String("gzip"), Metadata: map[string]string{"from": "crm"},
	})
	check(t, err)
	head, err := c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String(inbox), Key: aws.String("k")})
	check(t, err)
	if *head.ContentType != "text/csv" || *head.ContentEncoding != "gzip" || head.Metadata["from"] != "crm" {
		t.Errorf("got %v %v %v", *head.ContentType, *head.ContentEncoding, head.Metadata)
	}
	if *head.ContentLength != 5 || *head.ETag != *written.ETag || *head.ETag != `"5d41402abc4b2a76b9719d911017c592"` {
		t.Errorf("length %d, ETag %s, written as %s", *head.ContentLength, *head.ETag, *written.ETag)
	}
	_, err = c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String(inbox), Key: aws.String("none")})
	wantCode(t, err, "NotFound")
}

func TestRanges(t *testing.T) {
	c := client(t, start(t, t.TempDir(), bucket.Options{}))
	put(t, c, "k", []byte("0123456789"))
	for rng, want := range map[string]string{
		"bytes=0-0": "0", "bytes=3-5": "345", "bytes=7-": "789", "bytes=8-99": "89", "bytes=-3": "789", "bytes=-99": "0123456789",
	} {
		out, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(inbox), Key: aws.String("k"), Range: &rng})
		check(t, err)
		got, err := io.ReadAll(out.Body)
		check(t, err)
		out.Body.Close()
		if string(got) != want || *out.ContentLength != int64(len(want)) || !strings.HasSuffix(*out.ContentRange, "/10") {
			t.Errorf("%s: got %q, Content-Range %s", rng, got, *out.ContentRange)
		}
	}
	_, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(inbox), Key: aws.String("k"), Range: aws.String("bytes=10-")})
	wantCode(t, err, "InvalidRange")
}

func TestListsHaveOrderAndPages(t *testing.T) {
	c := client(t, start(t, t.TempDir(), bucket.Options{}))
	keys := []string{"a", "a-b/c", "a.b", "a/1", "a/2", "a/b/3", "a0", "b/", "b/1", "ä/1", "ö"}
	for i := range keys {
		put(t, c, keys[(i*3)%len(keys)], nil)
	}
	for _, c2 := range []struct {
		prefix, delimiter, after string
		keys, groups             []string
	}{
		{keys: keys},
		{prefix: "a/", keys: []string{"a/1", "a/2", "a/b/3"}},
		{delimiter: "/", keys: []string{"a", "a.b", "a0", "ö"}, groups: []string{"a-b/", "a/", "b/", "ä/"}},
		{prefix: "a/", delimiter: "/", keys: []string{"a/1", "a/2"}, groups: []string{"a/b/"}},
		{prefix: "a", delimiter: "/", keys: []string{"a", "a.b", "a0"}, groups: []string{"a-b/", "a/"}},
		{prefix: "b/", delimiter: "/", keys: []string{"b/", "b/1"}},
		{after: "a/2", keys: []string{"a/b/3", "a0", "b/", "b/1", "ä/1", "ö"}},
		{after: "0", prefix: "b", keys: []string{"b/", "b/1"}},
		{prefix: "zz"},
	} {
		for _, max := range []int32{1, 2, 3, 1000} {
			gotKeys, gotGroups := listAll(t, c, c2.prefix, c2.delimiter, c2.after, max)
			if diff := cmp.Diff([][]string{c2.keys, c2.groups}, [][]string{gotKeys, gotGroups}); diff != "" {
				t.Errorf("%+v, pages of %d (-want +got):\n%s", c2, max, diff)
			}
		}
	}
}

// listAll asks with ListObjectsV2, and with the older call where that can ask the same.
func listAll(t *testing.T, c *s3.Client, prefix, delimiter, after string, max int32) (keys, groups []string) {
	t.Helper()
	in := &s3.ListObjectsV2Input{Bucket: aws.String(inbox), MaxKeys: &max, Prefix: &prefix}
	if delimiter != "" {
		in.Delimiter = &delimiter
	}
	if after != "" {
		in.StartAfter = &after
	}
	pages := s3.NewListObjectsV2Paginator(c, in)
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		check(t, err)
		if n := len(page.Contents) + len(page.CommonPrefixes); n > int(max) {
			t.Errorf("a page of %d, want at most %d", n, max)
		}
		for _, object := range page.Contents {
			keys = append(keys, *object.Key)
		}
		for _, group := range page.CommonPrefixes {
			groups = append(groups, *group.Prefix)
		}
	}
	if old := listV1(t, c, prefix, delimiter, after, max); !slices.Equal(old, append(slices.Clone(keys), groups...)) {
		t.Errorf("the older list call gives %q", old)
	}
	return keys, groups
}

func listV1(t *testing.T, c *s3.Client, prefix, delimiter, after string, max int32) (all []string) {
	t.Helper()
	in := &s3.ListObjectsInput{Bucket: aws.String(inbox), MaxKeys: &max, Prefix: &prefix}
	if delimiter != "" {
		in.Delimiter = &delimiter
	}
	if after != "" {
		in.Marker = &after
	}
	var groups []string
	for {
		page, err := c.ListObjects(t.Context(), in)
		check(t, err)
		for _, object := range page.Contents {
			all = append(all, *object.Key)
			in.Marker = object.Key
		}
		for _, group := range page.CommonPrefixes {
			groups = append(groups, *group.Prefix)
		}
		if !*page.IsTruncated {
			return append(all, groups...)
		}
		if page.NextMarker != nil {
			in.Marker = page.NextMarker
		}
	}
}

func TestAwkwardKeysList(t *testing.T) {
	c := client(t, start(t, t.TempDir(), bucket.Options{}))
	for _, key := range awkward {
		put(t, c, key, nil)
	}
	keys, _ := listAll(t, c, "", "", "", 2)
	if diff := cmp.Diff(awkward, keys); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestBadKeysAndBuckets(t *testing.T) {
	s := start(t, t.TempDir(), bucket.Options{})
	c := client(t, s)
	for _, key := range []string{"a\x01b", "a\nb", "\xff", strings.Repeat("x", 1025)} {
		_, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(inbox), Key: &key, Body: strings.NewReader("x")})
		if err == nil {
			t.Errorf("key %.10q was taken", key)
		}
	}
	_, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("nowhere"), Key: aws.String("k"), Body: strings.NewReader("x")})
	wantCode(t, err, "NoSuchBucket")
	_, err = c.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String("nowhere")})
	wantCode(t, err, "NoSuchBucket")
	if err := s.EnsureBucket("No"); err == nil {
		t.Error("bucket name No was taken")
	}
	check(t, s.EnsureBucket(inbox))
	put(t, c, "k", nil)
	_, err = c.DeleteBucket(t.Context(), &s3.DeleteBucketInput{Bucket: aws.String(inbox)})
	wantCode(t, err, "BucketNotEmpty")
}

func TestCopyAndDelete(t *testing.T) {
	c := client(t, start(t, t.TempDir(), bucket.Options{}))
	from, to := awkward[3], "done/my file+1 ä.csv"
	_, err := c.PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: aws.String(inbox), Key: &from, Body: strings.NewReader("rows"), ContentType: aws.String("text/csv"),
	})
	check(t, err)
	source := inbox + "/" + url.QueryEscape(from)
	_, err = c.CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: aws.String(inbox), Key: &to, CopySource: &source})
	check(t, err)
	_, err = c.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String(inbox), Key: &from})
	check(t, err)
	absent(t, c, from)
	if got := string(get(t, c, to)); got != "rows" {
		t.Errorf("the copy holds %q", got)
	}
	head, err := c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String(inbox), Key: &to})
	check(t, err)
	if *head.ContentType != "text/csv" {
		t.Errorf("the copy is %s", *head.ContentType)
	}
	_, err = c.CopyObject(t.Context(), &s3.CopyObjectInput{
		Bucket: aws.String(inbox), Key: &to, CopySource: aws.String(inbox + "/" + url.QueryEscape(to)),
		ContentType: aws.String("text/plain"), MetadataDirective: types.MetadataDirectiveReplace,
	})
	check(t, err)
	if head, err = c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String(inbox), Key: &to}); err != nil || *head.ContentType != "text/plain" {
		t.Errorf("after the copy onto itself: %v %v", head, err)
	}
	_, err = c.CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: aws.String(inbox), Key: &to, CopySource: &source})
	wantCode(t, err, "NoSuchKey")
	_, err = c.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String(inbox), Key: &from})
	check(t, err)
	out, err := c.DeleteObjects(t.Context(), &s3.DeleteObjectsInput{Bucket: aws.String(inbox), Delete: &types.Delete{
		Objects: []types.ObjectIdentifier{{Key: &to}, {Key: aws.String("none")}},
	}})
	check(t, err)
	if len(out.Deleted) != 2 || len(out.Errors) > 0 {
		t.Errorf("deleted %v, errors %v", out.Deleted, out.Errors)
	}
	absent(t, c, to)
}

func TestConditionalWrites(t *testing.T) {
	c := client(t, start(t, t.TempDir(), bucket.Options{}))
	write := func(body string, match, noneMatch *string) (*s3.PutObjectOutput, error) {
		return c.PutObject(t.Context(), &s3.PutObjectInput{
			Bucket: aws.String(inbox), Key: aws.String("k"), Body: strings.NewReader(body), IfMatch: match, IfNoneMatch: noneMatch,
		})
	}
	star := aws.String("*")
	_, err := write("x", aws.String(`"0cc1"`), nil)
	wantCode(t, err, "NoSuchKey")
	first, err := write("first", nil, star)
	check(t, err)
	_, err = write("second", nil, star)
	wantCode(t, err, "PreconditionFailed")
	second, err := write("second", first.ETag, nil)
	check(t, err)
	_, err = write("third", first.ETag, nil)
	wantCode(t, err, "PreconditionFailed")
	_, err = write("third", nil, first.ETag)
	wantCode(t, err, "NotImplemented")
	if got := string(get(t, c, "k")); got != "second" {
		t.Errorf("holds %q", got)
	}

	source := aws.String(inbox + "/k")
	_, err = c.CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: aws.String(inbox), Key: aws.String("k"), CopySource: source, IfNoneMatch: star})
	wantCode(t, err, "PreconditionFailed")
	_, err = c.CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: aws.String(inbox), Key: aws.String("new"), CopySource: source, CopySourceIfMatch: first.ETag})
	wantCode(t, err, "PreconditionFailed")
	absent(t, c, "new")

	for _, stale := range []*string{first.ETag, aws.String(`"0cc1"`)} {
		_, err = c.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String(inbox), Key: aws.String("k"), IfMatch: stale})
		wantCode(t, err, "PreconditionFailed")
	}
	_, err = c.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String(inbox), Key: aws.String("k"), IfMatch: second.ETag})
	check(t, err)
	_, err = c.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String(inbox), Key: aws.String("k"), IfMatch: star})
	wantCode(t, err, "NoSuchKey")
}

func TestConditionalReads(t *testing.T) {
	c := client(t, start(t, t.TempDir(), bucket.Options{}))
	old := put(t, c, "k", []byte("old")).ETag
	now := put(t, c, "k", []byte("0123456789")).ETag
	part := aws.String("bytes=2-3")
	out, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(inbox), Key: aws.String("k"), IfMatch: now, Range: part})
	check(t, err)
	out.Body.Close()
	_, err = c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(inbox), Key: aws.String("k"), IfMatch: old, Range: part})
	wantCode(t, err, "PreconditionFailed")
	_, err = c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String(inbox), Key: aws.String("k"), IfMatch: old})
	if err == nil || !strings.Contains(err.Error(), "StatusCode: 412") {
		t.Errorf("HEAD with a stale If-Match: %v, want 412", err)
	}
	_, err = c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(inbox), Key: aws.String("k"), IfNoneMatch: now})
	if err == nil || !strings.Contains(err.Error(), "StatusCode: 304") {
		t.Errorf("GET of what is known: %v, want 304", err)
	}
	out, err = c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(inbox), Key: aws.String("k"), IfNoneMatch: old})
	check(t, err)
	out.Body.Close()
}

func TestMultipart(t *testing.T) {
	c := client(t, start(t, t.TempDir(), bucket.Options{}))
	key := awkward[3]
	body := noise(11<<20 + 17)
	upload := begin(t, c, key)
	var parts []types.CompletedPart
	for _, number := range []int32{3, 1, 2} { // parts may come in any order
		from := int(number-1) * 5 << 20
		chunk := body[from:min(from+5<<20, len(body))]
		parts = append(parts, types.CompletedPart{PartNumber: &number, ETag: sendPart(t, c, key, upload, number, chunk)})
	}
	sendPart(t, c, key, upload, 9, []byte("not named at the end"))
	slices.SortFunc(parts, func(a, b types.CompletedPart) int { return int(*a.PartNumber - *b.PartNumber) })

	listed, err := c.ListParts(t.Context(), &s3.ListPartsInput{Bucket: aws.String(inbox), Key: &key, UploadId: upload, MaxParts: aws.Int32(3)})
	check(t, err)
	if len(listed.Parts) != 3 || !*listed.IsTruncated || *listed.NextPartNumberMarker != "3" {
		t.Errorf("listed %d parts, truncated %v, next %v", len(listed.Parts), *listed.IsTruncated, *listed.NextPartNumberMarker)
	}
	absent(t, c, key)

	reversed := slices.Clone(parts)
	slices.Reverse(reversed)
	_, err = finish(t, c, key, upload, reversed, nil)
	wantCode(t, err, "InvalidPartOrder")
	_, err = finish(t, c, key, upload, []types.CompletedPart{{PartNumber: aws.Int32(1), ETag: aws.String(`"0cc1"`)}}, nil)
	wantCode(t, err, "InvalidPart")
	done, err := finish(t, c, key, upload, parts, aws.String("*"))
	check(t, err)

	if !bytes.Equal(get(t, c, key), body) {
		t.Error("the bytes came back changed")
	}
	head, err := c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String(inbox), Key: &key})
	check(t, err)
	if *head.ETag != *done.ETag || !strings.HasSuffix(*head.ETag, `-3"`) {
		t.Errorf("ETag %s, completed as %s", *head.ETag, *done.ETag)
	}
	out, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(inbox), Key: &key, IfMatch: done.ETag, Range: aws.String("bytes=5242878-5242881")})
	check(t, err)
	got, _ := io.ReadAll(out.Body)
	out.Body.Close()
	if !bytes.Equal(got, body[5242878:5242882]) || *out.ETag != *done.ETag {
		t.Errorf("a range over two parts: % x", got)
	}
	_, err = finish(t, c, key, upload, parts, nil)
	wantCode(t, err, "NoSuchUpload")
}

func TestMultipartConditionsAndAbort(t *testing.T) {
	c := client(t, start(t, t.TempDir(), bucket.Options{}))
	put(t, c, "k", []byte("here"))
	upload := begin(t, c, "k")
	parts := []types.CompletedPart{{PartNumber: aws.Int32(1), ETag: sendPart(t, c, "k", upload, 1, []byte("late"))}}
	_, err := finish(t, c, "k", upload, parts, aws.String("*"))
	wantCode(t, err, "PreconditionFailed")
	if got := string(get(t, c, "k")); got != "here" {
		t.Errorf("the object became %q", got)
	}
	uploads, err := c.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: aws.String(inbox)})
	check(t, err)
	if len(uploads.Uploads) != 1 || *uploads.Uploads[0].UploadId != *upload {
		t.Errorf("uploads in progress: %v", uploads.Uploads)
	}
	_, err = c.AbortMultipartUpload(t.Context(), &s3.AbortMultipartUploadInput{Bucket: aws.String(inbox), Key: aws.String("k"), UploadId: upload})
	check(t, err)
	_, err = finish(t, c, "k", upload, parts, nil)
	wantCode(t, err, "NoSuchUpload")
}

func TestUploadPartCopy(t *testing.T) {
	c := client(t, start(t, t.TempDir(), bucket.Options{}))
	put(t, c, awkward[3], []byte("0123456789"))
	source := aws.String(inbox + "/" + url.QueryEscape(awkward[3]))
	upload := begin(t, c, "copy")
	var parts []types.CompletedPart
	for i, rng := range []string{"bytes=0-3", "bytes=4-9"} {
		out, err := c.UploadPartCopy(t.Context(), &s3.UploadPartCopyInput{
			Bucket: aws.String(inbox), Key: aws.String("copy"), UploadId: upload, PartNumber: aws.Int32(int32(i + 1)),
			CopySource: source, CopySourceRange: &rng,
		})
		check(t, err)
		parts = append(parts, types.CompletedPart{PartNumber: aws.Int32(int32(i + 1)), ETag: out.CopyPartResult.ETag})
	}
	_, err := c.UploadPartCopy(t.Context(), &s3.UploadPartCopyInput{
		Bucket: aws.String(inbox), Key: aws.String("copy"), UploadId: upload, PartNumber: aws.Int32(3),
		CopySource: source, CopySourceRange: aws.String("bytes=4-10"),
	})
	wantCode(t, err, "InvalidArgument")
	_, err = finish(t, c, "copy", upload, parts, nil)
	check(t, err)
	if got := string(get(t, c, "copy")); got != "0123456789" {
		t.Errorf("the copy holds %q", got)
	}
}

func begin(t *testing.T, c *s3.Client, key string) *string {
	t.Helper()
	out, err := c.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: aws.String(inbox), Key: &key})
	check(t, err)
	return out.UploadId
}

func sendPart(t *testing.T, c *s3.Client, key string, upload *string, number int32, body []byte) *string {
	t.Helper()
	out, err := c.UploadPart(t.Context(), &s3.UploadPartInput{
		Bucket: aws.String(inbox), Key: &key, UploadId: upload, PartNumber: &number, Body: bytes.NewReader(body),
	})
	check(t, err)
	return out.ETag
}

func finish(t *testing.T, c *s3.Client, key string, upload *string, parts []types.CompletedPart, noneMatch *string) (*s3.CompleteMultipartUploadOutput, error) {
	t.Helper()
	return c.CompleteMultipartUpload(t.Context(), &s3.CompleteMultipartUploadInput{
		Bucket: aws.String(inbox), Key: &key, UploadId: upload, IfNoneMatch: noneMatch,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
	})
}

// What gofakes3 would take for the object itself is refused.
func TestSubResourcesAreNotObjects(t *testing.T) {
	s := start(t, t.TempDir(), bucket.Options{})
	c := client(t, s)
	put(t, c, "k", []byte("rows"))
	_, err := c.PutObjectAcl(t.Context(), &s3.PutObjectAclInput{Bucket: aws.String(inbox), Key: aws.String("k"), ACL: types.ObjectCannedACLPrivate})
	wantCode(t, err, "NotImplemented")
	_, err = c.PutObjectTagging(t.Context(), &s3.PutObjectTaggingInput{Bucket: aws.String(inbox), Key: aws.String("k"), Tagging: &types.Tagging{TagSet: []types.Tag{}}})
	wantCode(t, err, "NotImplemented")
	_, err = c.GetBucketNotificationConfiguration(t.Context(), &s3.GetBucketNotificationConfigurationInput{Bucket: aws.String(inbox)})
	wantCode(t, err, "NotImplemented")
	tags, err := c.GetObjectTagging(t.Context(), &s3.GetObjectTaggingInput{Bucket: aws.String(inbox), Key: aws.String("k")})
	check(t, err)
	if len(tags.TagSet) > 0 {
		t.Errorf("tags %v", tags.TagSet)
	}
	if got := string(get(t, c, "k")); got != "rows" {
		t.Errorf("the object became %q", got)
	}
}

// A web page elsewhere must not be able to drop a file.
func TestRequestsFromElsewhereAreRefused(t *testing.T) {
	s := start(t, t.TempDir(), bucket.Options{})
	for _, c := range []struct {
		host, origin string
		want         int
	}{
		{"", "", 200}, {"localhost:80", "http://localhost:3000", 200}, {"[::1]", "", 200},
		{"evil.example", "", 403}, {"", "https://evil.example", 403}, {"", "null", 403},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL()+"/"+inbox, nil)
		check(t, err)
		if c.host != "" {
			r.Host = c.host
		}
		if c.origin != "" {
			r.Header.Set("Origin", c.origin)
		}
		answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
		check(t, err)
		answer.Body.Close()
		if answer.StatusCode != c.want {
			t.Errorf("host %q, origin %q: %d, want %d", c.host, c.origin, answer.StatusCode, c.want)
		}
	}
}

func TestBucketInTheHostName(t *testing.T) {
	s := start(t, t.TempDir(), bucket.Options{})
	put(t, client(t, s), "a/b", []byte("rows"))
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL()+"/a/b", nil)
	check(t, err)
	r.Host = inbox + ".localhost:9000"
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	check(t, err)
	defer answer.Body.Close()
	if got, _ := io.ReadAll(answer.Body); string(got) != "rows" {
		t.Errorf("got %d %q", answer.StatusCode, got)
	}
}

func TestManyConditionalWriters(t *testing.T) {
	c := client(t, start(t, t.TempDir(), bucket.Options{}))
	const writers = 30
	codes := make(chan error, writers)
	for i := range writers {
		go func() {
			_, err := c.PutObject(t.Context(), &s3.PutObjectInput{
				Bucket: aws.String(inbox), Key: aws.String("once"), Body: strings.NewReader(fmt.Sprint(i)), IfNoneMatch: aws.String("*"),
			})
			codes <- err
		}()
	}
	won := 0
	for range writers {
		if err := <-codes; err == nil {
			won++
		} else {
			wantCode(t, err, "PreconditionFailed")
		}
	}
	if won != 1 {
		t.Errorf("%d writers won, want 1", won)
	}
}
