package asl

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// reader is an ItemReader: a JSON array in an object in S3.
type reader struct {
	parameters expression // Bucket and Key
	pointer    []string   // ItemsPointer
	most       expression // MaxItems; nil: all
}

const readObject = "arn:aws:states:::s3:getObject"

func (r *reader) read(ctx context.Context, b *branch, sc *scope) ([]any, error) {
	parameters, err := r.parameters.eval(sc)
	if err != nil {
		return nil, err
	}
	object := parameters.(map[string]any)
	bucket, ok1 := object["Bucket"].(string)
	key, ok2 := object["Key"].(string)
	if !ok1 || !ok2 {
		return nil, failf(errItemReader, "Bucket and Key must be strings.")
	}
	items, err := r.items(ctx, b, bucket, key)
	if stop := stopped(ctx); stop != nil {
		return nil, stop
	}
	if err != nil {
		return nil, failf(errItemReader, "s3://%s/%s: %s", bucket, key, err)
	}
	return r.first(items, sc)
}

func (r *reader) items(ctx context.Context, b *branch, bucket, key string) ([]any, error) {
	if b.run.env.ReadObject == nil {
		return nil, errors.New("there is nothing to read objects with")
	}
	data, err := b.run.env.ReadObject(ctx, bucket, key)
	if err != nil {
		_, cause := b.run.env.ErrorName(err)
		return nil, errors.New(cause)
	}
	value, err := decode(data)
	if err != nil {
		return nil, errors.New("the object is not JSON")
	}
	for _, name := range r.pointer {
		if value, err = descend(value, name); err != nil {
			return nil, err
		}
	}
	items, ok := value.([]any)
	if !ok {
		return nil, fmt.Errorf("an array is needed, not %s", kindOf(value))
	}
	return items, nil
}

func descend(value any, name string) (any, error) {
	switch value := value.(type) {
	case map[string]any:
		if below, ok := value[name]; ok {
			return below, nil
		}
	case []any:
		if i, err := strconv.Atoi(name); err == nil && i >= 0 && i < len(value) {
			return value[i], nil
		}
	}
	return nil, fmt.Errorf("ItemsPointer finds no %q", name)
}

func (r *reader) first(items []any, sc *scope) ([]any, error) {
	if r.most == nil {
		return items, nil
	}
	most, err := count(r.most, sc, "MaxItemsPath")
	if err != nil {
		return nil, err
	}
	return items[:min(most, len(items))], nil
}

func (f *fields) reader() *reader {
	n := f.of("ItemReader", objectNode)
	if n == nil {
		return nil
	}
	e := f.checker.fields(f.where+": ItemReader", n)
	r := &reader{}
	if resource := e.requiredString("Resource"); resource != "" && resource != readObject {
		e.fail("Resource", "%q is not supported", resource)
	}
	if config := e.required("ReaderConfig", objectNode); config != nil {
		r.config(f.checker.fields(e.where+": ReaderConfig", config))
	}
	e.objectName()
	r.parameters = e.payload("Parameters")
	e.done()
	return r
}

func (r *reader) config(f *fields) {
	if kind := f.requiredString("InputType"); kind != "" && kind != "JSON" {
		f.fail("InputType", "%q is not supported", kind)
	}
	if f.has("MaxItems") || f.has("MaxItemsPath") {
		r.most = f.wholeOrPath("MaxItems", longestSeconds, 1)
	}
	if pointer := f.string("ItemsPointer"); pointer != "" {
		if !strings.HasPrefix(pointer, "/") {
			f.fail("ItemsPointer", "must start with /")
		}
		for name := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
			r.pointer = append(r.pointer, strings.NewReplacer("~1", "/", "~0", "~").Replace(name))
		}
	}
	f.done()
}

// objectName checks that Parameters names an object and nothing else.
func (f *fields) objectName() {
	n := f.required("Parameters", objectNode)
	if n == nil {
		return
	}
	e := f.checker.fields(f.where+": Parameters", n)
	for _, name := range []string{"Bucket", "Key"} {
		if e.take(name) == nil && e.take(name+".$") == nil {
			e.checker.fail(n.line, "%s: field %q is missing", e.where, name)
		}
	}
	e.done()
}
