package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"sync"
)

// Each target of a bulk call must say its type, so the types are the rows.
var targetType = []byte(`"@odata.type":"Microsoft.Dynamics.CRM.contact"`)

var buffers = sync.Pool{New: func() any { b := make([]byte, 128<<10); return &b }}

// countTargets counts the rows of a bulk call while it comes in, without keeping it.
func countTargets(body io.Reader) (rows int64, err error) {
	p := buffers.Get().(*[]byte)
	defer buffers.Put(p)
	buffer, kept := *p, 0
	for err == nil {
		var n int
		n, err = body.Read(buffer[kept:])
		seen := buffer[:kept+n]
		rows += int64(bytes.Count(seen, targetType))
		// What may be the beginning of a type stays for the next look; a whole one never does.
		kept = copy(buffer, seen[max(0, len(seen)-len(targetType)+1):])
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return rows, err
}

var idProperty = []byte(`"contactid":"`)

const idLength = 36

// takeCreates answers with the ids of the records, in their order, as a table does that takes a client's ids.
func takeCreates(w http.ResponseWriter, body io.Reader) (int64, func(), error) {
	data, err := io.ReadAll(body)
	if err != nil {
		return 0, nil, err
	}
	rows := int64(bytes.Count(data, targetType))
	var ids []string
	for rest := data; ; {
		_, after, found := bytes.Cut(rest, idProperty)
		if !found || len(after) < idLength {
			break
		}
		ids = append(ids, string(after[:idLength]))
		rest = after[idLength:]
	}
	if int64(len(ids)) != rows {
		return 0, nil, fmt.Errorf("%d rows but %d ids: the sink makes none up", rows, len(ids))
	}
	return rows, func() { reply(w, map[string]any{"Ids": ids}) }, nil
}

// takeBatch answers every part of a $batch; parts that write are rows. Change sets are not taken.
func takeBatch(w http.ResponseWriter, r *http.Request, body io.Reader) (rows int64, answer func(), err error) {
	_, parameters, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return 0, nil, fmt.Errorf("the batch's content type: %w", err)
	}
	const boundary = "batchresponse_sink"
	var out bytes.Buffer
	parts := multipart.NewReader(body, parameters["boundary"])
	for {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return 0, nil, fmt.Errorf("read a part: %w", err)
		}
		line, _ := bufio.NewReader(part).ReadString('\n')
		verb, rest, _ := strings.Cut(line, " ")
		url, _, _ := strings.Cut(rest, " ")
		out.WriteString("--" + boundary + "\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n")
		switch verb {
		case http.MethodGet:
			out.WriteString("HTTP/1.1 200 OK\r\nContent-Type: application/json; odata.metadata=minimal\r\nOData-Version: 4.0\r\n\r\n{\"value\":[]}\r\n")
		case http.MethodPost, http.MethodPatch, http.MethodPut, http.MethodDelete:
			rows++
			out.WriteString("HTTP/1.1 204 No Content\r\nOData-Version: 4.0\r\nOData-EntityId: " + url + "\r\n\r\n\r\n")
		default:
			return 0, nil, fmt.Errorf("a part is no request: %q", line)
		}
	}
	out.WriteString("--" + boundary + "--\r\n")
	return rows, func() {
		w.Header().Set("Content-Type", "multipart/mixed; boundary="+boundary)
		w.Write(out.Bytes())
	}, nil
}
