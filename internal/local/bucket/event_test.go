package bucket_test

import (
	"bytes"
	"crypto/md5"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"

	"penstock/internal/local/bucket"
)

func TestEveryWriteIsTold(t *testing.T) {
	events := make(chan bucket.Event, 10)
	s := start(t, t.TempDir(), bucket.Options{OnCreated: func(e bucket.Event) error { events <- e; return nil }})
	c := client(t, s)
	key := awkward[3]

	put(t, c, key, []byte("rows"))
	first := wantEvent(t, events, bucket.Event{Bucket: inbox, Key: key, Size: 4, ETag: md5Of("rows"), Reason: "PutObject"})

	_, err := c.CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: aws.String(inbox), Key: aws.String("copy"), CopySource: aws.String(inbox + "/inbox/business/x/my%20file%2B1%20%C3%A4.csv")})
	check(t, err)
	second := wantEvent(t, events, bucket.Event{Bucket: inbox, Key: "copy", Size: 4, ETag: first.ETag, Reason: "CopyObject"})

	upload := begin(t, c, key)
	etag := sendPart(t, c, key, upload, 1, []byte("more rows"))
	done, err := finish(t, c, key, upload, []types.CompletedPart{{PartNumber: aws.Int32(1), ETag: etag}}, nil)
	check(t, err)
	third := wantEvent(t, events, bucket.Event{Bucket: inbox, Key: key, Size: 9, ETag: (*done.ETag)[1 : len(*done.ETag)-1], Reason: "CompleteMultipartUpload"})

	postForm(t, s, "by form.csv", "from a form")
	fourth := wantEvent(t, events, bucket.Event{Bucket: inbox, Key: "by form.csv", Size: 11, ETag: md5Of("from a form"), Reason: "POST Object"})
	if got := string(get(t, c, "by form.csv")); got != "from a form" {
		t.Errorf("the form's object holds %q", got)
	}
	for i, pair := range [][2]bucket.Event{{first, second}, {second, third}, {third, fourth}} {
		if pair[0].Sequencer >= pair[1].Sequencer || len(pair[0].Sequencer) != len(pair[1].Sequencer) {
			t.Errorf("sequencers %d: %s is not before %s", i, pair[0].Sequencer, pair[1].Sequencer)
		}
	}

	_, err = c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(inbox), Key: &key, Body: bytes.NewReader(nil), IfNoneMatch: aws.String("*")})
	wantCode(t, err, "PreconditionFailed")
	_, err = c.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String(inbox), Key: &key})
	check(t, err)
	check(t, s.Close())
	select {
	case e := <-events:
		t.Errorf("told of what wrote nothing: %+v", e)
	default:
	}
}

func md5Of(text string) string { return fmt.Sprintf("%x", md5.Sum([]byte(text))) }

// wantEvent waits for the next event and compares all that is not time.
func wantEvent(t *testing.T, events <-chan bucket.Event, want bucket.Event) bucket.Event {
	t.Helper()
	select {
	case got := <-events:
		if got.Sequencer == "" || got.Time.IsZero() {
			t.Errorf("no sequencer or time: %+v", got)
		}
		want.Sequencer, want.Time = got.Sequencer, got.Time
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("event (-want +got):\n%s", diff)
		}
		return got
	case <-time.After(10 * time.Second):
		t.Fatalf("no event for %s", want.Key)
		return bucket.Event{}
	}
}

func postForm(t *testing.T, s *bucket.Server, key, body string) {
	t.Helper()
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	check(t, w.WriteField("key", key))
	file, err := w.CreateFormFile("file", "x.csv")
	check(t, err)
	_, err = io.WriteString(file, body)
	check(t, err)
	check(t, w.Close())
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL()+"/"+inbox, &form)
	check(t, err)
	r.Header.Set("Content-Type", w.FormDataContentType())
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	check(t, err)
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("the form was answered %s", answer.Status)
	}
}

// An event that was being told when the process died is told again, once, and in order.
func TestEventsSurviveACrash(t *testing.T) {
	dir := t.TempDir()
	reached, block := make(chan string, 1), make(chan struct{})
	s, err := bucket.New(dir, bucket.Options{OnCreated: func(e bucket.Event) error { reached <- e.Key; <-block; return nil }})
	check(t, err)
	check(t, s.EnsureBucket(inbox))
	check(t, s.Start(""))
	c := client(t, s)
	put(t, c, "1", nil)
	put(t, c, "2", nil)
	<-reached // the telling of "1" has begun and never ends: as after kill -9
	t.Cleanup(func() { close(block); <-reached; s.Close() })

	left := copyOf(t, dir)
	var told []string
	again := start(t, left, bucket.Options{OnCreated: func(e bucket.Event) error { told = append(told, e.Key); return nil }})
	check(t, again.Close())
	if diff := cmp.Diff([]string{"1", "2"}, told); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	third := start(t, left, bucket.Options{OnCreated: func(e bucket.Event) error { t.Errorf("told once more: %s", e.Key); return nil }})
	check(t, third.Close())
}

func TestTheEventOfEventBridge(t *testing.T) {
	e := bucket.Event{
		Bucket: "inbox", Key: "in/my file+1 ä.csv", Size: 1048576, ETag: "0cc1", Sequencer: "18989B35E7A8C000",
		Time: time.Date(2026, 3, 1, 3, 0, 5, 999, time.FixedZone("", 3600)), Reason: "PutObject",
	}
	got, err := e.EventBridge("eu-central-1", "123456789012")
	check(t, err)
	const want = `{"version":"0","id":"%s","detail-type":"Object Created","source":"aws.s3","account":"123456789012",` +
		`"time":"2026-03-01T02:00:05Z","region":"eu-central-1","resources":["arn:aws:s3:::inbox"],` +
		`"detail":{"version":"0","bucket":{"name":"inbox"},` +
		`"object":{"key":"in/my file+1 ä.csv","size":1048576,"etag":"0cc1","sequencer":"18989B35E7A8C000"},` +
		`"request-id":"%s","requester":"123456789012","source-ip-address":"127.0.0.1","reason":"PutObject"}}`
	var ids struct {
		ID     string
		Detail struct {
			RequestID string `json:"request-id"`
		}
	}
	check(t, json.Unmarshal(got, &ids))
	if len(ids.ID) != 36 || len(ids.Detail.RequestID) != 16 {
		t.Errorf("ids %+v", ids)
	}
	if diff := cmp.Diff(fmt.Sprintf(want, ids.ID, ids.Detail.RequestID), string(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if again, _ := e.EventBridge("eu-central-1", "123456789012"); !bytes.Equal(again, got) {
		t.Error("the same write got another id")
	}
	e.Sequencer = "18989B35E7A8C001"
	if other, _ := e.EventBridge("eu-central-1", "123456789012"); bytes.Contains(other, []byte(ids.ID)) {
		t.Error("another write got the same id")
	}
}
