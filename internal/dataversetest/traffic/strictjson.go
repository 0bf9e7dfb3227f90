package traffic

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
)

// decodeStrict reads exactly one JSON value into v and refuses members that v does not have.
func decodeStrict(text []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		if name, ok := unknownMember(err); ok {
			return fmt.Errorf("unknown member %q%s", name, didYouMean(name, memberNames(reflect.TypeOf(v))))
		}
		if errors.Is(err, io.EOF) {
			return errors.New("the body is empty")
		}
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more than one JSON value")
	}
	return nil
}

// unknownMember finds the member's name in what encoding/json says of it.
func unknownMember(err error) (string, bool) {
	name, ok := strings.CutPrefix(err.Error(), `json: unknown field "`)
	return strings.TrimSuffix(name, `"`), ok
}

// memberNames are the JSON names in t and in everything below it.
func memberNames(t reflect.Type) []string {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return memberNames(t.Elem())
	case reflect.Struct:
		names := jsonNames(t)
		for i := range t.NumField() {
			names = append(names, memberNames(t.Field(i).Type)...)
		}
		return names
	}
	return nil
}

// jsonNames are the JSON names of a struct's own fields.
func jsonNames(t reflect.Type) []string {
	var names []string
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if name != "" {
			names = append(names, name)
		}
	}
	return names
}
