package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"penstock/internal/fault"
)

// S3Store keeps objects in an S3 bucket. One object is one PUT: at most 5 GB, and
// visible whole or not at all. S3 lists in byte order of keys by itself (general
// purpose buckets, not directory buckets). It cannot tell that a key is a prefix
// of another one: who writes such keys notices in a directory.
type S3Store struct {
	client *s3.Client
	bucket string
	prefix string
	pause  func(ctx context.Context, try int) error
}

var _ Store = (*S3Store)(nil)

// S3Option changes how an S3Store works.
type S3Option func(*S3Store)

// WithPrefix keeps all objects under prefix (such as "work/"), which callers do not see.
func WithPrefix(prefix string) S3Option {
	return func(s *S3Store) { s.prefix = prefix }
}

// S3 is the store in bucket.
func S3(client *s3.Client, bucket string, options ...S3Option) *S3Store {
	s := &S3Store{client: client, bucket: bucket, pause: pause}
	for _, option := range options {
		option(s)
	}
	return s
}

// Open reads an object. Read errors of the body are Interrupted faults.
func (s *S3Store) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	if err := CheckKey(key); err != nil {
		return nil, err
	}
	out, err := s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: aws.String(s.prefix + key)})
	if err != nil {
		return nil, s.fail("open", key, err)
	}
	return &s3Body{ReadCloser: out.Body, store: s, key: key}, nil
}

type s3Body struct {
	io.ReadCloser
	store *S3Store
	key   string
}

func (b *s3Body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		err = b.store.fail("read", b.key, err)
	}
	return n, err
}

// Put replaces the object in one request; the SDK seeks body back for a retry.
func (s *S3Store) Put(ctx context.Context, key string, body io.ReadSeeker) error {
	if err := CheckKey(key); err != nil {
		return err
	}
	_, err := s.client.PutObject(ctx, &s3.PutObjectInput{Bucket: &s.bucket, Key: aws.String(s.prefix + key), Body: body})
	if err != nil {
		return s.fail("write", key, err)
	}
	return nil
}

// createTries bounds how often a create meets another request in flight for its key.
const createTries = 8

// Create asks S3 to write only where nothing is (If-None-Match: *). 412 means that
// an object is there: ours, when a retry of the SDK follows an answer that was
// lost. 409 means that another request for the key is in flight: ask again.
func (s *S3Store) Create(ctx context.Context, key string, body []byte) error {
	if err := CheckKey(key); err != nil {
		return err
	}
	var err error
	for try := range createTries {
		_, err = s.client.PutObject(ctx, &s3.PutObjectInput{
			Bucket: &s.bucket, Key: aws.String(s.prefix + key),
			Body: bytes.NewReader(body), IfNoneMatch: aws.String("*"),
		})
		switch code := errorCode(err); {
		case err == nil:
			return nil
		case code == "PreconditionFailed":
			err = s.compare(ctx, key, body)
			if !errors.Is(err, ErrNotExist) {
				return err
			}
			// Deleted between the two requests: the name is free again.
		case code != "ConditionalRequestConflict":
			return s.fail("create", key, err)
		}
		if waitErr := s.pause(ctx, try); waitErr != nil {
			return s.fail("create", key, waitErr)
		}
	}
	return fault.New(fault.Interrupted, "store_unreachable",
		"create %s: other requests for the key were in the way %d times", key, createTries).Because(err)
}

// Note is Create: S3 has nothing less durable.
func (s *S3Store) Note(ctx context.Context, key string, body []byte) error {
	return s.Create(ctx, key, body)
}

// compare is nil when the object holds exactly body, ErrExists when it holds something else.
func (s *S3Store) compare(ctx context.Context, key string, body []byte) error {
	r, err := s.Open(ctx, key)
	if err != nil {
		return err
	}
	defer r.Close()
	same, err := holds(r, body)
	if err == nil && !same {
		err = fmt.Errorf("create %s: %w", key, ErrExists)
	}
	return err
}

// pause waits longer from try to try, by chance, so that rivals part: up to 50 ms, 100 ms … 1.6 s.
func pause(ctx context.Context, try int) error {
	limit := 50 * time.Millisecond << min(try, 5)
	timer := time.NewTimer(rand.N(limit))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// List asks for a page at a time.
func (s *S3Store) List(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		if err := checkPrefix(prefix); err != nil {
			yield(Info{}, err)
			return
		}
		pages := s3.NewListObjectsV2Paginator(s.client, &s3.ListObjectsV2Input{
			Bucket: &s.bucket, Prefix: aws.String(s.prefix + prefix),
		})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(Info{}, s.fail("list", prefix, err))
				return
			}
			if !s.yieldPage(page, yield) {
				return
			}
		}
	}
}

func (s *S3Store) yieldPage(page *s3.ListObjectsV2Output, yield func(Info, error) bool) bool {
	for _, object := range page.Contents {
		key := strings.TrimPrefix(aws.ToString(object.Key), s.prefix)
		if badKey(key) != "" {
			continue // a console's folder marker, or a stranger: no key of ours
		}
		info := Info{Key: key, Size: aws.ToInt64(object.Size), Modified: aws.ToTime(object.LastModified)}
		if !yield(info, nil) {
			return false
		}
	}
	return true
}

// Delete removes the object.
func (s *S3Store) Delete(ctx context.Context, key string) error {
	if err := CheckKey(key); err != nil {
		return err
	}
	_, err := s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: aws.String(s.prefix + key)})
	if err != nil {
		return s.fail("delete", key, err)
	}
	return nil
}
