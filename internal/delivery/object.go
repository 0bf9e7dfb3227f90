package delivery

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"penstock/internal/fault"
)

// Object is one object of a delivery. Its JSON travels between the steps of a run.
type Object struct {
	Bucket    string `json:"bucket,omitempty"` // empty: Key is a path on this machine
	Key       string `json:"key"`              // raw, as people named their files
	Version   string `json:"version,omitempty"`
	ETag      string `json:"etag,omitempty"`
	Sequencer string `json:"sequencer,omitempty"`
	SHA256    string `json:"sha256,omitempty"` // of the content, where it is known before reading
	Size      int64  `json:"size"`             // bytes
	Rows      int64  `json:"rows,omitempty"`   // how many its manifest promises; 0: it does not say
}

// Files opens objects that are files of this machine, where they lie.
type Files struct{}

// OpenFrom opens a file, which must still have the size it was delivered with, at
// an offset; its content is held against SHA256 by whoever reads it whole.
func (Files) OpenFrom(_ context.Context, o Object, offset int64) (io.ReadCloser, error) {
	f, err := openFile(o)
	if err != nil {
		return nil, err
	}
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		f.Close()
		return nil, fmt.Errorf("read %s from byte %d: %w", o.Key, offset, err)
	}
	return f, nil
}

// OpenAt opens a file for reading anywhere.
func (Files) OpenAt(_ context.Context, o Object) (RandomAccess, error) { return openFile(o) }

func openFile(o Object) (*os.File, error) {
	f, err := os.Open(o.Key)
	if errors.Is(err, os.ErrNotExist) {
		return nil, changed(o, "is gone")
	}
	if err != nil {
		return nil, fault.New(fault.Refused, "delivery_unreadable", "the file cannot be opened").At(o.Key, 0, "").Because(err)
	}
	info, err := f.Stat()
	if err == nil && info.Size() != o.Size {
		err = changed(o, "has another size than when the run began")
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Bucket opens objects in S3, in the very version that was delivered.
type Bucket struct{ Client *s3.Client }

// OpenFrom reads an object from an offset, by its version, or where the bucket keeps none, by its ETag:
// one that was replaced in the meantime is refused, never mixed. A connection that is lost is taken up again where it was.
func (b Bucket) OpenFrom(ctx context.Context, o Object, offset int64) (io.ReadCloser, error) {
	return openSteady(ctx, b, o, offset)
}

// OpenAt reads an object anywhere, by ranges.
func (b Bucket) OpenAt(ctx context.Context, o Object) (RandomAccess, error) {
	return newBlocks(o.Size, func(from, to int64) ([]byte, error) { return b.span(ctx, o, from, to) }), nil
}

func (b Bucket) get(ctx context.Context, o Object, span string) (io.ReadCloser, error) {
	in := &s3.GetObjectInput{Bucket: &o.Bucket, Key: &o.Key}
	if span != "" {
		in.Range = aws.String("bytes=" + span)
	}
	if o.Version != "" {
		in.VersionId = aws.String(o.Version)
	}
	if o.ETag != "" {
		in.IfMatch = aws.String(`"` + o.ETag + `"`)
	}
	out, err := b.Client.GetObject(ctx, in)
	if err == nil {
		return out.Body, nil
	}
	return nil, objectFault(o, err)
}

// span reads the bytes from one offset up to another.
func (b Bucket) span(ctx context.Context, o Object, from, to int64) ([]byte, error) {
	body, err := b.get(ctx, o, fmt.Sprintf("%d-%d", from, to-1))
	if err != nil {
		return nil, err
	}
	defer body.Close()
	data := make([]byte, to-from)
	if _, err := io.ReadFull(body, data); err != nil {
		return nil, unreachable(o, err)
	}
	return data, nil
}

// objectFault is why an object was not given.
func objectFault(o Object, err error) error {
	var response *awshttp.ResponseError
	if errors.As(err, &response) {
		switch response.HTTPStatusCode() {
		case http.StatusNotFound:
			return changed(o, "is gone").Because(err)
		case http.StatusPreconditionFailed:
			return changed(o, "was replaced by another one").Because(err)
		case http.StatusForbidden:
			return fault.New(fault.Denied, "inbox_denied", "the object may not be read").At(o.Key, 0, "").
				Advise("allow s3:GetObject and s3:GetObjectVersion on the inbox").Because(err)
		}
	}
	return unreachable(o, fmt.Errorf("get object: %w", err))
}

func unreachable(o Object, err error) error {
	return fault.New(fault.Interrupted, "inbox_unreachable", "the object could not be read").At(o.Key, 0, "").Because(err)
}

func changed(o Object, what string) *fault.Error {
	return fault.New(fault.Refused, "delivery_changed", "the delivered file %s", what).At(o.Key, 0, "").
		Advise("deliver it again")
}
