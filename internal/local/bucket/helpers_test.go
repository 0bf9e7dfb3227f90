package bucket_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"go.uber.org/goleak"

	"penstock/internal/local/bucket"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const inbox = "inbox"

// start serves dir with a bucket "inbox" until the test ends.
func start(t *testing.T, dir string, opts bucket.Options) *bucket.Server {
	t.Helper()
	opts.NoSync = true
	s, err := bucket.New(dir, opts)
	check(t, err)
	t.Cleanup(func() { s.Close() })
	check(t, s.EnsureBucket(inbox))
	check(t, s.Start(""))
	return s
}

// client is an SDK client as an application makes it.
func client(t *testing.T, s *bucket.Server) *s3.Client {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return s3.New(s3.Options{
		BaseEndpoint: aws.String(s.URL()), Region: "eu-central-1", UsePathStyle: true, HTTPClient: &http.Client{Transport: transport},
		Credentials: credentials.NewStaticCredentialsProvider("any", "thing", ""),
	})
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantCode checks the code of S3's answer.
func wantCode(t *testing.T, err error, want string) {
	t.Helper()
	answer, ok := errors.AsType[smithy.APIError](err)
	if !ok || answer.ErrorCode() != want {
		t.Errorf("error %v, want code %s", err, want)
	}
}

func put(t *testing.T, c *s3.Client, key string, body []byte) *s3.PutObjectOutput {
	t.Helper()
	out, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(inbox), Key: &key, Body: bytes.NewReader(body)})
	check(t, err)
	return out
}

func get(t *testing.T, c *s3.Client, key string) []byte {
	t.Helper()
	out, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(inbox), Key: &key})
	check(t, err)
	defer out.Body.Close()
	data, err := io.ReadAll(out.Body)
	check(t, err)
	return data
}

func absent(t *testing.T, c *s3.Client, key string) {
	t.Helper()
	_, err := c.GetObject(context.Background(), &s3.GetObjectInput{Bucket: aws.String(inbox), Key: &key})
	wantCode(t, err, "NoSuchKey")
}

// noise is n bytes that look like no text and repeat from run to run.
func noise(n int) []byte {
	source := rand.NewChaCha8([32]byte{7})
	data := make([]byte, n)
	source.Read(data)
	return data
}
