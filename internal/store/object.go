package store

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"

	"penstock/internal/fault"
)

// maxJSON bounds what ReadJSON takes into memory: far above any list or snapshot of a run.
const maxJSON = 64 << 20

// ReadAll reads an object of at most limit bytes; a larger one is Broken, code "object_too_large".
func ReadAll(ctx context.Context, s Store, key string, limit int64) ([]byte, error) {
	body, err := s.Open(ctx, key)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	data, err := io.ReadAll(io.LimitReader(body, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	if int64(len(data)) > limit {
		return nil, fault.New(fault.Broken, "object_too_large", "object %s is larger than %d bytes", key, limit)
	}
	return data, nil
}

// ReadJSON decodes an object into v. Fields that v does not know are ignored:
// stored objects outlive a deploy.
func ReadJSON(ctx context.Context, s Store, key string, v any) error {
	data, err := ReadAll(ctx, s, key, maxJSON)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fault.New(fault.Broken, "bad_object", "object %s is not the JSON that it should be", key).Because(err)
	}
	return nil
}

// PutJSON writes v, replacing an object that is there.
func PutJSON(ctx context.Context, s Store, key string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %s: %w", key, err)
	}
	return s.Put(ctx, key, bytes.NewReader(data))
}

// CreateJSON writes v create-once. encoding/json writes the same value to the
// same bytes, so a retry of our own is recognised.
func CreateJSON(ctx context.Context, s Store, key string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %s: %w", key, err)
	}
	return s.Create(ctx, key, data)
}

// holds reports whether r yields exactly want, reading no more than it must.
func holds(r io.Reader, want []byte) (bool, error) {
	got, err := io.ReadAll(io.LimitReader(r, int64(len(want))+1))
	if err != nil {
		return false, err
	}
	return bytes.Equal(got, want), nil
}
