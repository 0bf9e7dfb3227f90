package store_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"penstock/internal/fault"
	"penstock/internal/local/bucket"
	"penstock/internal/store"
	"penstock/internal/store/storetest"
)

func client(endpoint string) *s3.Client {
	return s3.New(s3.Options{
		BaseEndpoint: &endpoint, Region: "eu-central-1", UsePathStyle: true, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("any", "thing", ""),
	})
}

// serve is the embedded S3 with a bucket "work".
func serve(t *testing.T) *bucket.Server {
	t.Helper()
	s, err := bucket.New(t.TempDir(), bucket.Options{NoSync: true})
	check(t, err)
	t.Cleanup(func() { s.Close() })
	check(t, s.EnsureBucket("work"))
	check(t, s.Start(""))
	return s
}

func TestS3(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store {
		return store.S3(client(serve(t).URL()), "work")
	})
}

func TestS3WithPrefix(t *testing.T) {
	c := client(serve(t).URL())
	check(t, store.S3(c, "work").Put(t.Context(), "beside", strings.NewReader("x")))
	inside := store.S3(c, "work", store.WithPrefix("team/a/"))
	check(t, inside.Create(t.Context(), "runs/1", []byte("x")))
	for info, err := range inside.List(t.Context(), "") {
		if err != nil || info.Key != "runs/1" {
			t.Errorf("listed %q, %v", info.Key, err)
		}
	}
	if _, err := store.S3(c, "work").Open(t.Context(), "team/a/runs/1"); err != nil {
		t.Errorf("the object is not under the prefix: %v", err)
	}
}

func TestS3ListsNoStrangers(t *testing.T) {
	c := client(serve(t).URL())
	for _, key := range []string{"runs/", "runs/my file", "runs/1"} {
		_, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("work"), Key: &key, Body: strings.NewReader("")})
		check(t, err)
	}
	for info, err := range store.S3(c, "work").List(t.Context(), "runs/") {
		if err != nil || info.Key != "runs/1" {
			t.Errorf("listed %q, %v", info.Key, err)
		}
	}
}

// answering is an S3 that gives the answers in turn, the last one for ever.
func answering(t *testing.T, answers ...func(w http.ResponseWriter)) (store.Store, *atomic.Int32) {
	t.Helper()
	var calls atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := int(calls.Add(1))
		answers[min(n, len(answers))-1](w)
	}))
	t.Cleanup(srv.Close)
	return store.S3(client(srv.URL), "work"), &calls
}

func refuse(status int, code string) func(w http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.WriteHeader(status)
		fmt.Fprintf(w, `<Error><Code>%s</Code><Message>row 7 of the customer list</Message></Error>`, code)
	}
}

func accept(body string) func(w http.ResponseWriter) {
	return func(w http.ResponseWriter) { fmt.Fprint(w, body) }
}

func TestS3ErrorsHaveAKind(t *testing.T) {
	for _, c := range []struct {
		status int
		code   string
		kind   fault.Kind
		name   string
	}{
		{403, "AccessDenied", fault.Denied, "store_denied"},
		{400, "ExpiredToken", fault.Denied, "store_denied"},
		{404, "NoSuchBucket", fault.Broken, "store_missing"},
		{400, "InvalidRequest", fault.Broken, "store_failed"},
		{500, "InternalError", fault.Interrupted, "store_unreachable"},
		{503, "SlowDown", fault.Interrupted, "store_unreachable"},
		{400, "RequestTimeout", fault.Interrupted, "store_unreachable"},
		{403, "RequestTimeTooSkewed", fault.Broken, "store_failed"},
	} {
		s, _ := answering(t, refuse(c.status, c.code))
		_, openErr := s.Open(t.Context(), "k")
		for call, err := range map[string]error{
			"open": openErr, "put": s.Put(t.Context(), "k", strings.NewReader("x")),
			"create": s.Create(t.Context(), "k", nil), "delete": s.Delete(t.Context(), "k"),
		} {
			f, ok := fault.As(err)
			if !ok || f.Kind != c.kind || f.Code != c.name {
				t.Errorf("%s answered %s: %v, want %s %s", call, c.code, err, c.kind, c.name)
				continue
			}
			if strings.Contains(f.Safe(), "row 7") { // Rule S2
				t.Errorf("the text of the server crosses an edge: %s", f.Safe())
			}
		}
	}
}

func TestS3Unreachable(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	srv.Close()
	err := store.S3(client(srv.URL), "work").Put(t.Context(), "k", strings.NewReader("x"))
	if _, ok := errors.AsType[*url.Error](err); !ok || !fault.Is(err, fault.Interrupted) {
		t.Errorf("got %v, want Interrupted because of a transport error", err)
	}
}

func TestS3WithoutCredential(t *testing.T) {
	c := s3.New(s3.Options{
		BaseEndpoint: aws.String("http://127.0.0.1:1"), Region: "eu-central-1", UsePathStyle: true,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{}, errors.New("no credential anywhere")
		}),
	})
	if _, err := store.S3(c, "work").Open(t.Context(), "k"); !fault.Is(err, fault.Denied) {
		t.Errorf("got %v, want Denied", err)
	}
}

func TestS3BodyThatBreaksOff(t *testing.T) {
	s, _ := answering(t, func(w http.ResponseWriter) {
		w.Header().Set("Content-Length", "100")
		fmt.Fprint(w, "only this")
	})
	if _, err := store.ReadAll(t.Context(), s, "k", 1000); !fault.Is(err, fault.Interrupted) {
		t.Errorf("got %v, want Interrupted", err)
	}
}

func TestS3CreateMeetsAnother(t *testing.T) {
	conflict, taken := refuse(409, "ConditionalRequestConflict"), refuse(412, "PreconditionFailed")
	gone := refuse(404, "NoSuchKey")
	for _, c := range []struct {
		name    string
		answers []func(http.ResponseWriter)
		check   func(err error) bool
		calls   int32
	}{
		{"a conflict, then free", []func(http.ResponseWriter){conflict, conflict, accept("")}, noError, 3},
		{"a conflict, then taken by another", []func(http.ResponseWriter){conflict, taken, accept("theirs")}, isExists, 3},
		{"our own, its answer was lost", []func(http.ResponseWriter){taken, accept("ours")}, noError, 2},
		{"taken, deleted, free", []func(http.ResponseWriter){taken, gone, accept("")}, noError, 3},
		{"conflicts without end", []func(http.ResponseWriter){conflict}, isInterrupted, 8},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, calls := answering(t, c.answers...)
			store.NoPause(s.(*store.S3Store))
			if err := s.Create(t.Context(), "k", []byte("ours")); !c.check(err) {
				t.Errorf("got %v", err)
			}
			if calls.Load() != c.calls {
				t.Errorf("%d requests, want %d", calls.Load(), c.calls)
			}
		})
	}
}

func noError(err error) bool       { return err == nil }
func isExists(err error) bool      { return errors.Is(err, store.ErrExists) }
func isInterrupted(err error) bool { return fault.Is(err, fault.Interrupted) }
