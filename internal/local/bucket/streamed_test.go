package bucket_test

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"penstock/internal/local/bucket"
)

func crcOf(text string) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(text))))
}

// sendStreamed uploads text in two chunks with its checksum in a trailer, as SDKs
// of other languages do.
func sendStreamed(t *testing.T, s *bucket.Server, path, text, checksum string) *http.Response {
	t.Helper()
	half := len(text) / 2
	body := fmt.Sprintf("%x\r\n%s\r\n%x\r\n%s\r\n0\r\nx-amz-checksum-crc32:%s\r\n\r\n", half, text[:half], len(text)-half, text[half:], checksum)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, s.URL()+path, strings.NewReader(body))
	check(t, err)
	r.Header.Set("Content-Encoding", "aws-chunked,gzip")
	r.Header.Set("X-Amz-Content-Sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
	r.Header.Set("X-Amz-Decoded-Content-Length", fmt.Sprint(len(text)))
	r.Header.Set("X-Amz-Trailer", "x-amz-checksum-crc32")
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	check(t, err)
	answer.Body.Close()
	return answer
}

func TestStreamedUploads(t *testing.T) {
	s := start(t, t.TempDir(), bucket.Options{})
	c := client(t, s)
	const text = "id,name\r\n1,Jo\r\n"
	if answer := sendStreamed(t, s, "/inbox/k", text, crcOf(text)); answer.StatusCode != http.StatusOK {
		t.Fatalf("answered %s", answer.Status)
	}
	out, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(inbox), Key: aws.String("k")})
	check(t, err)
	defer out.Body.Close()
	if got, err := io.ReadAll(out.Body); err != nil || string(got) != text || aws.ToString(out.ContentEncoding) != "gzip" {
		t.Errorf("holds %q with encoding %v, %v", got, aws.ToString(out.ContentEncoding), err)
	}
	if answer := sendStreamed(t, s, "/inbox/wrong", text, crcOf("other")); answer.StatusCode != http.StatusBadRequest {
		t.Errorf("a wrong checksum was answered %s", answer.Status)
	}
	absent(t, c, "wrong")

	upload := begin(t, c, "parts")
	answer := sendStreamed(t, s, "/inbox/parts?partNumber=1&uploadId="+*upload, text, crcOf(text))
	_, err = finish(t, c, "parts", upload, []types.CompletedPart{{PartNumber: aws.Int32(1), ETag: aws.String(answer.Header.Get("ETag"))}}, nil)
	check(t, err)
	if got := string(get(t, c, "parts")); got != text {
		t.Errorf("the streamed part became %q", got)
	}
}
