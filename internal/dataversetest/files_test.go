package dataversetest_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"penstock/internal/dataversetest"
)

func TestFilesInOneRequest(t *testing.T) {
	e := start(t, dataversetest.Options{})
	e.want(204, "POST", "cr1_parcels", `{"cr1_parcelid":"`+id(1)+`","cr1_name":"a","cr1_deed":"`+id(7)+`"}`)
	row := "cr1_parcels(" + id(1) + ")"
	has(t, e.want(200, "GET", row, "").values(t), map[string]any{"cr1_deed": nil, "cr1_deed_name": nil}) // files are not set with the row
	e.want(204, "GET", row+"/cr1_deed/$value", "")
	content := "%PDF\x00\xff\r\n bytes"
	e.want(204, "PATCH", row+"/cr1_deed", content, "Content-Type: application/octet-stream", "x-ms-file-name: deed.pdf", "If-None-Match: null")
	a := e.want(200, "GET", row+"/cr1_deed/$value?size=full", "")
	if a.body != content || a.header.Get("x-ms-file-name") != "deed.pdf" || a.header.Get("x-ms-file-size") != fmt.Sprint(len(content)) || a.header.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("got %q, headers %v", a.body, a.header)
	}
	part := e.want(206, "GET", row+"/cr1_deed", "", "Range: bytes=0-3").values(t)
	has(t, part, map[string]any{"value": base64.StdEncoding.EncodeToString([]byte(content[:4]))})
	got := e.want(200, "GET", row+"?$select=cr1_deed,cr1_deed_name", "").values(t)
	if len(fmt.Sprint(got["cr1_deed"])) != 36 || got["cr1_deed_name"] != "deed.pdf" {
		t.Errorf("row %v", got)
	}
	e.want(204, "DELETE", row+"/cr1_deed", "")
	has(t, e.want(200, "GET", row, "").values(t), map[string]any{"cr1_deed": nil, "cr1_deed_name": nil})
	e.refused(400, "0x80040203", "x-ms-file-name", "PATCH", row+"/cr1_deed", "x", "Content-Type: application/octet-stream")
	e.refused(404, "0x80040217", "", "PATCH", "cr1_parcels("+id(2)+")/cr1_deed", "x", "x-ms-file-name: a")
}

func TestFilesInChunks(t *testing.T) {
	e := start(t, dataversetest.Options{})
	e.want(204, "POST", "cr1_parcels", `{"cr1_parcelid":"`+id(1)+`","cr1_name":"a"}`)
	content := bytes.Repeat([]byte("0123456789abcdef"), 300_000) // 4.8 MB
	first := e.want(200, "PATCH", "cr1_parcels("+id(1)+")/cr1_deed?x-ms-file-name="+url.QueryEscape("a b.bin"), "", "x-ms-transfer-mode: chunked")
	where := first.header.Get("Location")
	if first.header.Get("x-ms-chunk-size") != "4194304" || !strings.Contains(where, "sessiontoken=") {
		t.Fatalf("headers %v", first.header)
	}
	chunk := func(from, to int) string {
		return fmt.Sprintf("Content-Range: bytes %d-%d/%d", from, to-1, len(content))
	}
	e.want(206, "PATCH", where, string(content[:4194304]), chunk(0, 4194304), "Content-Type: application/octet-stream")
	e.refused(400, "0x80040203", "does not follow", "PATCH", where, "x", "Content-Range: bytes 7-7/9")
	e.want(204, "PATCH", where, string(content[4194304:]), chunk(4194304, len(content)), "Content-Type: application/octet-stream")
	if a := e.want(200, "GET", "cr1_parcels("+id(1)+")/cr1_deed/$value", ""); a.body != string(content) || a.header.Get("x-ms-file-name") != "a b.bin" {
		t.Errorf("%d bytes as %s", len(a.body), a.header.Get("x-ms-file-name"))
	}
	e.want(400, "PATCH", where, "x", "Content-Range: bytes 0-0/1") // the session is over
}

func TestFilesInBlocks(t *testing.T) {
	e := start(t, dataversetest.Options{})
	e.want(204, "POST", "cr1_parcels", `{"cr1_parcelid":"`+id(1)+`","cr1_name":"a"}`)
	target := `"Target":{"@odata.type":"Microsoft.Dynamics.CRM.cr1_parcel","cr1_parcelid":"` + id(1) + `"},"FileAttributeName":"cr1_deed"`
	token := e.want(200, "POST", "InitializeFileBlocksUpload", `{`+target+`,"FileName":"b.txt"}`).values(t)["FileContinuationToken"].(string)
	for block, text := range map[string]string{"2": "world", "1": "hello "} {
		e.want(204, "POST", "UploadBlock", `{"BlockId":"`+block+`","BlockData":"`+base64.StdEncoding.EncodeToString([]byte(text))+`","FileContinuationToken":"`+token+`"}`)
	}
	done := e.want(200, "POST", "CommitFileBlocksUpload", `{"BlockList":["1","2"],"FileContinuationToken":"`+token+`","FileName":"b.txt","MimeType":"text/plain"}`).values(t)
	has(t, done, map[string]any{"FileSizeInBytes": 11})
	down := e.want(200, "POST", "InitializeFileBlocksDownload", `{`+target+`}`).values(t)
	has(t, down, map[string]any{"FileSizeInBytes": 11, "FileName": "b.txt", "IsChunkingSupported": true})
	block := e.want(200, "POST", "DownloadBlock", fmt.Sprintf(`{"Offset":6,"BlockLength":100,"FileContinuationToken":"%s"}`, down["FileContinuationToken"])).values(t)
	has(t, block, map[string]any{"Data": base64.StdEncoding.EncodeToString([]byte("world"))})
	e.want(204, "POST", "DeleteFile", `{"FileId":"`+done["FileId"].(string)+`"}`)
	e.want(204, "GET", "cr1_parcels("+id(1)+")/cr1_deed/$value", "")
}

func TestImages(t *testing.T) {
	e := start(t, dataversetest.Options{})
	gif := "GIF89a\x01\x00\x01\x00\x00\x00\x00;"
	e.want(204, "POST", "cr1_parcels", `{"cr1_parcelid":"`+id(1)+`","cr1_name":"a","cr1_photo":"`+base64.StdEncoding.EncodeToString([]byte(gif))+`"}`)
	row := "cr1_parcels(" + id(1) + ")"
	if got := e.want(200, "GET", row+"/cr1_photo/$value?size=full", "").body; got != gif {
		t.Errorf("image %q", got)
	}
	e.want(204, "PATCH", row+"/cr1_photo", gif+"2", "Content-Type: application/octet-stream", "x-ms-file-name: p.gif")
	has(t, e.want(200, "GET", row+"?$select=cr1_photo", "").values(t), map[string]any{"cr1_photo": base64.StdEncoding.EncodeToString([]byte(gif + "2"))})
	e.want(204, "PUT", row+"/cr1_photo", `{"value":null}`)
	has(t, e.want(200, "GET", row+"?$select=cr1_photo", "").values(t), map[string]any{"cr1_photo": nil})
}
