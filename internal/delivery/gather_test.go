package delivery

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"

	"penstock/internal/fault"
)

func TestRoleOf(t *testing.T) {
	for key, want := range map[string]Role{
		"in/a/b/people.csv": Part, "run/0000_part_00": Part, "run/part-00000-x.snappy.parquet": Part, "run/manifesto.csv": Part,
		"run/_SUCCESS": Marker, "run/_success": Aside,
		"run/unload_manifest": Manifest, "run/manifest": Manifest, "run/xmanifest": Manifest, "run/Manifest": Manifest, "run/20260301-manifest.csv": Manifest, "run/manifest.json": Manifest,
		"run/": Aside, "run/_committed_1": Aside, "run/.part.crc": Aside, "run/_started": Aside,
	} {
		if got := RoleOf(key); got != want {
			t.Errorf("%s: %s, want %s", key, got, want)
		}
	}
}

func folderOf(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestGatherFiles(t *testing.T) {
	dir := folderOf(t, map[string]string{
		"part-1.csv": "n\n2\n", "part-0.csv": "n\n1\n", "_SUCCESS": "", "_metadata": "x", ".hidden": "x",
		"unload_manifest": `{"entries":[{"url":"s3://elsewhere/x/part-1.csv","meta":{"content_length":4,"record_count":1}},{"url":"part-0.csv"}]}`,
		"other_manifest":  `{"entries":[{"url":"s3://elsewhere/x/part-1.csv","meta":{"content_length":5}}]}`,
		"gone_manifest":   `{"entries":[{"url":"part-7.csv"}]}`,
	})
	gather := func(name string) ([]string, error) {
		o, err := (Files{}).Pin(t.Context(), Object{Key: filepath.Join(dir, name)})
		if err != nil {
			t.Fatal(err)
		}
		parts, err := Gather(t.Context(), Files{}, o, Limits{})
		var names []string
		for _, p := range parts {
			names = append(names, fmt.Sprintf("%s %d %d", p.Name(), p.Size, p.Rows))
		}
		return names, err
	}
	for name, want := range map[string][]string{
		"part-0.csv":      {"part-0.csv 4 0"},
		"_SUCCESS":        {"part-0.csv 4 0", "part-1.csv 4 0"},
		"unload_manifest": {"part-1.csv 4 1", "part-0.csv 4 0"},
	} {
		if got, err := gather(name); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for name, code := range map[string]string{"other_manifest": "delivery_changed", "gone_manifest": "delivery_changed", "_metadata": "no_data"} {
		if _, err := gather(name); !isCode(err, code) {
			t.Errorf("%s: %v", name, err)
		}
	}
	bare := folderOf(t, map[string]string{"_SUCCESS": ""})
	if _, err := Gather(t.Context(), Files{}, Object{Key: filepath.Join(bare, "_SUCCESS")}, Limits{}); !isCode(err, "nothing_delivered") {
		t.Errorf("a folder of nothing: %v", err)
	}
	if _, err := Gather(t.Context(), Files{}, Object{Key: filepath.Join(dir, "_SUCCESS")}, Limits{Objects: 1}); !isCode(err, "too_many_objects") {
		t.Errorf("too many: %v", err)
	}
}

func isCode(err error, code string) bool {
	e, ok := fault.As(err)
	return ok && e.Code == code
}

func TestManifests(t *testing.T) {
	at := Object{Bucket: "in", Key: "inbox/a/d/run1/x_manifest"}
	for _, tc := range []struct{ name, text, want, code string }{
		{"UNLOAD", `{"entries":[{"url":"s3://in/inbox/a/d/run1/x0000_part_00"},{"url":"s3://in/inbox/a/d/run1/x0001_part_00","meta":{"content_length":12}}],"meta":{"record_count":3},"author":{"name":"Amazon Redshift"}}`,
			"inbox/a/d/run1/x0000_part_00 -1, inbox/a/d/run1/x0001_part_00 12", ""},
		{"Athena", "s3://in/inbox/a/d/run1/b.gz\r\n\"s3://in/inbox/a/d/run1/deep/a.gz\"\n\n", "inbox/a/d/run1/b.gz -1, inbox/a/d/run1/deep/a.gz -1", ""},
		{"another bucket", `{"entries":[{"url":"s3://secret/inbox/a/d/run1/x"}]}`, "", "bad_manifest"},
		{"another folder", `{"entries":[{"url":"s3://in/inbox/admin/d/run1/x"}]}`, "", "bad_manifest"},
		{"a folder that begins alike", `{"entries":[{"url":"s3://in/inbox/a/d/run12/x"}]}`, "", "bad_manifest"},
		{"no address", "people.csv\n", "", "bad_manifest"},
		{"itself", "s3://in/inbox/a/d/run1/x_manifest", "", "bad_manifest"},
		{"one twice", "s3://in/inbox/a/d/run1/x\ns3://in/inbox/a/d/run1/x", "", "bad_manifest"},
		{"no JSON", `{"entries":`, "", "bad_manifest"},
		{"nothing", `{"entries":[]}`, "", "nothing_delivered"},
		{"empty", "", "", "nothing_delivered"},
	} {
		parts, err := ParseManifest([]byte(tc.text), at)
		var got []string
		for _, p := range parts {
			got = append(got, fmt.Sprintf("%s %d", p.Key, p.Size))
		}
		if strings.Join(got, ", ") != tc.want || (tc.code != "") != (err != nil) || err != nil && !isCode(err, tc.code) {
			t.Errorf("%s: %q, %v", tc.name, got, err)
		}
	}
	if _, err := ParseManifest([]byte(`{"entries":[{"url":"../x"}]}`), Object{Key: "/tmp/run/manifest"}); !isCode(err, "bad_manifest") {
		t.Errorf("a file elsewhere: %v", err)
	}
}

func FuzzParseManifest(f *testing.F) {
	f.Add(`{"entries":[{"url":"s3://in/run/x","meta":{"content_length":1}}]}`)
	f.Add("s3://in/run/x\n")
	f.Fuzz(func(t *testing.T, text string) {
		parts, err := ParseManifest([]byte(text), Object{Bucket: "in", Key: "run/manifest"})
		for _, p := range parts {
			if p.Bucket != "in" || !strings.HasPrefix(p.Key, "run/") {
				t.Fatalf("%+v", p)
			}
		}
		if err == nil && len(parts) == 0 {
			t.Fatal("nothing and no error")
		}
	})
}

// bucketServer answers as S3 does, of the calls that reading needs. It can cut bodies short.
type bucketServer struct {
	objects map[string]string
	etag    string
	cut     int // bytes after which each body ends without warning; 0: never
	mu      sync.Mutex
	gets    []string
}

func (b *bucketServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key := strings.TrimPrefix(r.URL.Path, "/in/")
	if r.URL.Query().Get("list-type") == "2" {
		fmt.Fprint(w, `<ListBucketResult>`)
		for name, data := range b.objects {
			if rest, ok := strings.CutPrefix(name, r.URL.Query().Get("prefix")); ok && !strings.Contains(rest, "/") {
				fmt.Fprintf(w, "<Contents><Key>%s</Key><Size>%d</Size><ETag>&quot;%s&quot;</ETag></Contents>", name, len(data), b.etag)
			}
		}
		fmt.Fprint(w, `</ListBucketResult>`)
		return
	}
	data, there := b.objects[key]
	match := strings.Trim(r.Header.Get("If-Match"), `"`)
	switch {
	case !there:
		w.WriteHeader(http.StatusNotFound)
		return
	case match != "" && match != b.etag:
		w.WriteHeader(http.StatusPreconditionFailed)
		return
	}
	w.Header().Set("ETag", `"`+b.etag+`"`)
	from, to := 0, len(data)
	if span, ok := strings.CutPrefix(r.Header.Get("Range"), "bytes="); ok {
		first, last, _ := strings.Cut(span, "-")
		from, _ = strconv.Atoi(first)
		if n, err := strconv.Atoi(last); err == nil {
			to = min(to, n+1)
		}
		b.mu.Lock()
		b.gets = append(b.gets, span)
		b.mu.Unlock()
	}
	w.Header().Set("Content-Length", strconv.Itoa(to-from))
	if from > 0 || to < len(data) {
		w.WriteHeader(http.StatusPartialContent)
	}
	if r.Method == http.MethodHead {
		return
	}
	if b.cut > 0 && to-from > b.cut {
		_, _ = w.Write([]byte(data[from : from+b.cut]))
		panic(http.ErrAbortHandler)
	}
	_, _ = w.Write([]byte(data[from:to]))
}

func (b *bucketServer) bucket(t *testing.T) Bucket {
	server := httptest.NewServer(b)
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	return Bucket{Client: s3.New(s3.Options{Region: "eu-central-1", BaseEndpoint: aws.String(server.URL), UsePathStyle: true, HTTPClient: client,
		Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""), RetryMaxAttempts: 1, ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired})}
}

func TestBucketDelivery(t *testing.T) {
	big := "n,m\n" + strings.Repeat("Ada,Lovelace\n", 30000)
	server := &bucketServer{etag: "e1", objects: map[string]string{"run/part-0": big, "run/part-1": gzipped(big), "run/part-2": "", "run/_SUCCESS": "", "run/deep/part": "x"}}
	bucket := server.bucket(t)
	parts, err := Gather(t.Context(), bucket, Object{Bucket: "in", Key: "run/_SUCCESS"}, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	want := []Object{{Bucket: "in", Key: "run/part-0", ETag: "e1", Size: int64(len(big))}, {Bucket: "in", Key: "run/part-1", ETag: "e1", Size: int64(len(gzipped(big)))}, {Bucket: "in", Key: "run/part-2", ETag: "e1"}}
	if diff := cmp.Diff(want, parts); diff != "" {
		t.Errorf("parts (-want +got):\n%s", diff)
	}
	src := Source{Objects: parts, From: bucket}
	how := detected(t, src, Hints{})
	server.cut = 100000 // connections break, and are taken up again
	rows, err := OpenAll(t.Context(), src, how, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := all(rows)
	if err != nil || len(got) != 60000 {
		t.Errorf("%d rows, %v", len(got), err)
	}
	cursor := Cursor{Object: 0, Row: 29999, InObject: 29999, Offset: int64(len(big)) - 13, Line: 30001}
	rows.Close()
	server.cut = 0
	rows, err = Resume(t.Context(), Source{Objects: parts[:1], From: bucket}, how, Limits{}, &cursor)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := all(rows); err != nil || len(got) != 1 || got[0].Line != 30001 {
		t.Errorf("resumed: %+v, %v", got, err)
	}
	rows.Close()
	server.etag = "e2" // somebody put other objects there
	rows, err = OpenAll(t.Context(), src, how, Limits{})
	if err == nil {
		rows.Close()
	}
	if !isCode(err, "delivery_changed") {
		t.Errorf("a part that was replaced: %v", err)
	}
}

func TestParquetInABucketIsReadByRanges(t *testing.T) {
	data := peopleParquet(t, 0, 50)
	server := &bucketServer{etag: "e1", objects: map[string]string{"a.parquet": data}}
	bucket := server.bucket(t)
	o, err := bucket.Pin(t.Context(), Object{Bucket: "in", Key: "a.parquet"})
	if err != nil || o.Size != int64(len(data)) || o.ETag != "e1" {
		t.Fatal(o, err)
	}
	src := Source{Objects: []Object{o}, From: bucket}
	if got := cellsOf(t, src, Hints{}); len(got) != 50 {
		t.Errorf("%d rows", len(got))
	}
	server.mu.Lock()
	defer server.mu.Unlock()
	if len(server.gets) != 1 {
		t.Errorf("a file of one block was fetched by %q", server.gets)
	}
}

func TestFilesDelivery(t *testing.T) {
	dir := folderOf(t, map[string]string{"a.csv": "n,m\n1,x\n2,y\n", "b.parquet": peopleParquet(t, 0, 4)})
	for name, want := range map[string]int{"a.csv": 2, "b.parquet": 4} {
		o, err := (Files{}).Pin(t.Context(), Object{Key: filepath.Join(dir, name)})
		if err != nil {
			t.Fatal(err)
		}
		src := Source{Objects: []Object{o}, From: Files{}}
		how := detected(t, src, Hints{})
		checkResume(t, src, how, Limits{})
		rows := mustOpenAll(t, src, Hints{})
		if got, err := all(rows); err != nil || len(got) != want {
			t.Errorf("%s: %d rows, %v", name, len(got), err)
		}
		data, _ := os.ReadFile(o.Key)
		if sum, err := rows.Sum(t.Context()); err != nil || sum != fmt.Sprintf("%x", sha256.Sum256(data)) {
			t.Errorf("%s: %s, %v", name, sum, err)
		}
		if err := os.WriteFile(o.Key, append(data, 'x'), 0o600); err != nil {
			t.Fatal(err)
		}
		if rows, err := OpenAll(t.Context(), src, how, Limits{}); !isCode(err, "delivery_changed") {
			t.Errorf("%s grew: %v, %v", name, rows, err)
		}
	}
}
