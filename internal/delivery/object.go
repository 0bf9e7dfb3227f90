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
}

// Files opens objects that are files of this machine, where they lie.
type Files struct{}

// Open opens a file that must still have the size it was delivered with; its
// content is held against SHA256 by whoever reads it whole.
func (Files) Open(_ context.Context, o Object) (io.ReadCloser, error) {
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

// Open reads an object by its version, or where the bucket keeps none, by its
// ETag: one that was replaced in the meantime is refused, never mixed.
func (b Bucket) Open(ctx context.Context, o Object) (io.ReadCloser, error) {
	in := &s3.GetObjectInput{Bucket: &o.Bucket, Key: &o.Key}
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
	var response *awshttp.ResponseError
	if errors.As(err, &response) {
		switch response.HTTPStatusCode() {
		case http.StatusNotFound:
			return nil, changed(o, "is gone").Because(err)
		case http.StatusPreconditionFailed:
			return nil, changed(o, "was replaced by another one").Because(err)
		case http.StatusForbidden:
			return nil, fault.New(fault.Denied, "inbox_denied", "the object may not be read").At(o.Key, 0, "").
				Advise("allow s3:GetObject and s3:GetObjectVersion on the inbox").Because(err)
		}
	}
	return nil, fault.New(fault.Interrupted, "inbox_unreachable", "the object could not be read").At(o.Key, 0, "").Because(fmt.Errorf("get object: %w", err))
}

func changed(o Object, what string) *fault.Error {
	return fault.New(fault.Refused, "delivery_changed", "the delivered file %s", what).At(o.Key, 0, "").
		Advise("deliver it again")
}
