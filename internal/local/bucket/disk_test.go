package bucket_test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"penstock/internal/local/bucket"
)

// copyOf is dir as a crash at this moment would leave it.
func copyOf(t *testing.T, dir string) string {
	t.Helper()
	left := filepath.Join(t.TempDir(), "left")
	check(t, os.CopyFS(left, os.DirFS(dir)))
	return left
}

func blobs(t *testing.T, dir string) int {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, "blobs"))
	check(t, err)
	return len(entries)
}

func TestObjectsAndUploadsOutliveTheServer(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir, bucket.Options{})
	c := client(t, s)
	put(t, c, awkward[3], []byte("rows"))
	upload := begin(t, c, "big")
	etag := sendPart(t, c, "big", upload, 1, []byte("part one"))
	check(t, s.Close())

	c = client(t, start(t, dir, bucket.Options{}))
	if got := string(get(t, c, awkward[3])); got != "rows" {
		t.Errorf("holds %q", got)
	}
	_, err := finish(t, c, "big", upload, []types.CompletedPart{{PartNumber: aws.Int32(1), ETag: etag}}, nil)
	check(t, err)
	if got := string(get(t, c, "big")); got != "part one" {
		t.Errorf("the upload became %q", got)
	}
}

func TestNothingIsLeftBehind(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir, bucket.Options{})
	c := client(t, s)
	put(t, c, "k", []byte("one"))
	put(t, c, "k", []byte("two"))
	put(t, c, "gone", []byte("x"))
	_, err := c.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String(inbox), Key: aws.String("gone")})
	check(t, err)
	_, err = c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(inbox), Key: aws.String("k"), Body: strings.NewReader("x"), IfNoneMatch: aws.String("*")})
	wantCode(t, err, "PreconditionFailed")
	upload := begin(t, c, "m")
	sendPart(t, c, "m", upload, 1, []byte("first try"))
	etag := sendPart(t, c, "m", upload, 1, []byte("second try"))
	_, err = finish(t, c, "m", upload, []types.CompletedPart{{PartNumber: aws.Int32(1), ETag: etag}}, nil)
	check(t, err)
	if n := blobs(t, dir); n != 2 {
		t.Errorf("%d files for 2 objects", n)
	}
}

func TestACrashLeavesNothingVisible(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir, bucket.Options{})
	put(t, client(t, s), "k", []byte("whole"))
	check(t, s.Close())
	check(t, os.WriteFile(filepath.Join(dir, "blobs", "HALFWRITTEN"), []byte("ha"), 0o600))

	c := client(t, start(t, dir, bucket.Options{}))
	if keys, _ := listAll(t, c, "", "", "", 10); len(keys) != 1 {
		t.Errorf("keys %q", keys)
	}
	if n := blobs(t, dir); n != 1 {
		t.Errorf("%d files for 1 object", n)
	}
}

func TestAbandonedUploadsAreGivenUp(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir, bucket.Options{})
	c := client(t, s)
	sendPart(t, c, "k", begin(t, c, "k"), 1, []byte("x"))
	check(t, s.Close())
	start(t, dir, bucket.Options{Now: func() time.Time { return time.Now().Add(8 * 24 * time.Hour) }})
	if n := blobs(t, dir); n != 0 {
		t.Errorf("%d files are left", n)
	}
}

func TestAClientThatBreaksOffWritesNothing(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir, bucket.Options{})
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL(), "http://"))
	check(t, err)
	_, err = io.WriteString(conn, "PUT /inbox/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nonly this")
	check(t, err)
	check(t, conn.(*net.TCPConn).CloseWrite())
	answer, err := io.ReadAll(conn)
	check(t, err)
	conn.Close()
	if !bytes.Contains(answer, []byte("IncompleteBody")) {
		t.Errorf("answered %q", answer)
	}
	absent(t, client(t, s), "k")
	if n := blobs(t, dir); n != 0 {
		t.Errorf("%d files are left", n)
	}
}

func TestAReaderKeepsWhatItOpened(t *testing.T) {
	c := client(t, start(t, t.TempDir(), bucket.Options{}))
	old := bytes.Repeat([]byte("old "), 1<<20)
	put(t, c, "k", old)
	out, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(inbox), Key: aws.String("k")})
	check(t, err)
	defer out.Body.Close()
	put(t, c, "k", []byte("new"))
	if got, err := io.ReadAll(out.Body); err != nil || !bytes.Equal(got, old) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestOneServerADirectory(t *testing.T) {
	dir := t.TempDir()
	start(t, dir, bucket.Options{})
	if s, err := bucket.New(dir, bucket.Options{}); err == nil {
		s.Close()
		t.Error("a second server opened the directory")
	}
}

func TestOnlyLoopbackIsListenedOn(t *testing.T) {
	s := start(t, t.TempDir(), bucket.Options{})
	for _, addr := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:0"} {
		if err := s.Start(addr); err == nil || !strings.Contains(err.Error(), "loopback") {
			t.Errorf("start on %s: %v", addr, err)
		}
	}
	l, err := net.Listen("tcp", ":0")
	check(t, err)
	defer l.Close()
	if err := s.Serve(l); err == nil {
		t.Error("served on every address")
	}
}

func TestCloseLetsUploadsFinish(t *testing.T) {
	var told []string
	s := start(t, t.TempDir(), bucket.Options{OnCreated: func(e bucket.Event) error { told = append(told, e.Key); return nil }})
	body, w := io.Pipe()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, s.URL()+"/"+inbox+"/slow", body)
	check(t, err)
	r.ContentLength = 8
	r.Header.Set("Expect", "100-continue") // nothing is sent before the server reads the body
	answered := make(chan int, 1)
	go func() {
		transport := &http.Transport{DisableKeepAlives: true, ExpectContinueTimeout: time.Minute}
		answer, err := (&http.Client{Transport: transport}).Do(r)
		if err != nil {
			t.Error(err)
			answered <- 0
			return
		}
		answer.Body.Close()
		answered <- answer.StatusCode
	}()
	_, err = io.WriteString(w, "half") // the server is reading now
	check(t, err)
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	_, err = io.WriteString(w, "half")
	check(t, err)
	w.Close()
	if status := <-answered; status != http.StatusOK {
		t.Errorf("the upload was answered %d", status)
	}
	check(t, <-closed)
	if len(told) != 1 {
		t.Errorf("told of %q", told)
	}
}

func TestCloseDoesNotWaitForIdleConnections(t *testing.T) {
	s := start(t, t.TempDir(), bucket.Options{})
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL(), "http://"))
	check(t, err)
	defer conn.Close()
	put(t, client(t, s), "k", nil) // accepted after conn, so that conn is known to the server
	began := time.Now()
	check(t, s.Close())
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("close took %v", took)
	}
}
