package main

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
)

// bare are the columns whose values stand in JSON as they stand in the file.
var bare = map[string]bool{"gendercode": true, "creditlimit": true, "donotemail": true}

// render makes the bodies of the calls that carry a file, typed as Penstock types them.
func render(path string, perCall int) ([][]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	reader := csv.NewReader(file)
	header, err := reader.Read()
	if err != nil {
		return nil, fmt.Errorf("read the header: %w", err)
	}
	var bodies [][]byte
	var body []byte
	for rows := 0; ; rows++ {
		cells, err := reader.Read()
		last := errors.Is(err, io.EOF)
		if err != nil && !last {
			return nil, fmt.Errorf("read the file: %w", err)
		}
		if len(body) > 0 && (last || rows%perCall == 0) {
			bodies = append(bodies, append(body, "]}"...))
			body = nil
		}
		if last {
			return bodies, nil
		}
		separator := ","
		if len(body) == 0 {
			separator = `{"Targets":[`
		}
		body = append(body, separator...)
		body = appendTarget(body, header, cells)
	}
}

func appendTarget(dst []byte, header, cells []string) []byte {
	dst = fmt.Appendf(dst, `{"@odata.type":"Microsoft.Dynamics.CRM.contact","@odata.id":"contacts(%s='%s')"`, header[0], url.PathEscape(cells[0]))
	for i, name := range header[1:] {
		value := cells[i+1]
		if value == "" {
			continue
		}
		if !bare[name] {
			quoted, _ := json.Marshal(value) // a string always marshals
			value = string(quoted)
		}
		dst = fmt.Appendf(dst, `,"%s":%s`, name, value)
	}
	return append(dst, '}')
}
