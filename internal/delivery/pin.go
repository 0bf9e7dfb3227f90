package delivery

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"penstock/internal/fault"
)

// Pin looks at a file as it is now.
func (Files) Pin(_ context.Context, o Object) (Object, error) {
	info, err := os.Stat(o.Key)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return o, changed(o, "is gone")
	case err != nil:
		return o, fault.New(fault.Refused, "delivery_unreadable", "the file cannot be opened").At(o.Key, 0, "").Because(err)
	case !info.Mode().IsRegular():
		return o, fault.New(fault.Refused, "delivery_unreadable", "it is not a regular file").At(o.Key, 0, "")
	}
	return Object{Key: o.Key, Size: info.Size()}, nil
}

// List lists the regular files in a file's folder.
func (f Files) List(ctx context.Context, in Object, limits Limits) ([]Object, error) {
	folder := filepath.Dir(in.Key)
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, fault.New(fault.Refused, "delivery_unreadable", "the folder cannot be read").At(folder, 0, "").Because(err)
	}
	var objects []Object
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		o, err := f.Pin(ctx, Object{Key: filepath.Join(folder, e.Name())})
		if err != nil {
			return nil, err
		}
		objects = append(objects, o)
	}
	return objects, nil
}

// Pin asks for an object's size, ETag and version.
func (b Bucket) Pin(ctx context.Context, o Object) (Object, error) {
	in := &s3.HeadObjectInput{Bucket: &o.Bucket, Key: &o.Key}
	if o.Version != "" {
		in.VersionId = aws.String(o.Version)
	}
	out, err := b.Client.HeadObject(ctx, in)
	if err != nil {
		return o, objectFault(o, err)
	}
	pinned := Object{Bucket: o.Bucket, Key: o.Key, Size: aws.ToInt64(out.ContentLength), ETag: strings.Trim(aws.ToString(out.ETag), `"`)}
	if version := aws.ToString(out.VersionId); version != "null" { // of an object from before versioning
		pinned.Version = version
	}
	return pinned, nil
}

// List lists the objects in an object's folder. They are pinned by their ETags.
func (b Bucket) List(ctx context.Context, in Object, limits Limits) ([]Object, error) {
	prefix := path.Dir(in.Key) + "/"
	pages := s3.NewListObjectsV2Paginator(b.Client, &s3.ListObjectsV2Input{Bucket: &in.Bucket, Prefix: &prefix, Delimiter: aws.String("/")})
	var objects []Object
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, objectFault(in, err)
		}
		for _, found := range page.Contents {
			objects = append(objects, Object{Bucket: in.Bucket, Key: aws.ToString(found.Key), Size: aws.ToInt64(found.Size), ETag: strings.Trim(aws.ToString(found.ETag), `"`)})
		}
		if len(objects) > limits.orDefault().Objects+1000 {
			break // Gather refuses
		}
	}
	slices.SortFunc(objects, func(a, b Object) int { return strings.Compare(a.Key, b.Key) })
	return objects, nil
}
