package schema

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
)

// maxSchema bounds a file after it was unpacked.
const maxSchema = 512 << 20

// Load reads tables from a file of any kind, told by its content: a $metadata document, an answer of EntityDefinitions
// (several, one after the other), or the YAML notation of LoadYAML; each also packed with gzip.
//
// What a $metadata document does not say of tables that known has, such as lengths and choices, is taken from there.
func Load(r io.Reader, known *Organization) (*Organization, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxSchema+1))
	if err != nil {
		return nil, fmt.Errorf("read schema: %w", err)
	}
	if bytes.HasPrefix(data, []byte{0x1f, 0x8b}) {
		if data, err = unpack(data); err != nil {
			return nil, fmt.Errorf("read schema: %w", err)
		}
	}
	if len(data) > maxSchema {
		return nil, fmt.Errorf("read schema: larger than %d bytes", maxSchema)
	}
	head := bytes.TrimLeft(data, " \t\r\n\ufeff")
	switch {
	case len(head) == 0:
		return nil, errors.New("read schema: the file is empty")
	case head[0] == '<':
		org, err := LoadCSDL(bytes.NewReader(data))
		if err == nil && known != nil {
			org.Enrich(known)
		}
		return org, err
	case head[0] == '{' || head[0] == '[':
		return LoadEntityDefinitions(bytes.NewReader(head))
	}
	return LoadYAML(bytes.NewReader(data))
}

func unpack(data []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(z, maxSchema+1))
}
