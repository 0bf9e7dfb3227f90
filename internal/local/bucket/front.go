package bucket

import (
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/johannesboyne/gofakes3"
)

// ServeHTTP answers one S3 request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer s.wake()
	if err := admit(r); err != nil {
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	pathStyle(r)
	if err := supported(r); err != nil {
		answerError(w, r, err)
		return
	}
	if r.Method == http.MethodPut {
		if err := decodeBody(r); err != nil {
			answerError(w, r, err)
			return
		}
	}
	backend := &request{
		disk: s.disk, header: r.Header, when: takeConditions(r.Header),
		reading: r.Method == http.MethodGet || r.Method == http.MethodHead,
		form:    r.Method == http.MethodPost,
	}
	query := r.URL.Query()
	switch {
	case query.Has("tagging"):
		answerTags(w, r, s.disk)
	case query.Has("uploadId") && r.Method == http.MethodPut && r.Header.Get("X-Amz-Copy-Source") != "":
		copyPart(w, r, s.disk)
	default:
		answer := &etagWriter{ResponseWriter: w, request: backend}
		s.gofakes3(backend).ServeHTTP(answer, r)
		answer.begin() // nothing is written for HEAD
	}
}

// gofakes3 is the protocol over one request's view of the disk. Clocks are not
// compared and headers not counted: this is a laptop talking to itself.
func (s *Server) gofakes3(backend *request) http.Handler {
	return gofakes3.New(backend,
		gofakes3.WithRequestID(s.requests.Add(1)),
		gofakes3.WithTimeSkewLimit(0),
		gofakes3.WithMetadataSizeLimit(0),
		gofakes3.WithLogger(serverLog{s}),
	).Server()
}

// serverLog takes gofakes3's errors; it also prints every call, which nobody needs.
type serverLog struct{ s *Server }

func (l serverLog) Print(level gofakes3.LogLevel, v ...any) {
	if level == gofakes3.LogErr {
		l.s.log.Error("s3 request", "err", fmt.Sprint(v...))
	}
}

// admit refuses what a web page elsewhere could make a browser send: whoever can
// put an object here can start a run. A name that leads to loopback by DNS is
// caught by its Host, a form or script by its Origin.
func admit(r *http.Request) error {
	if !isLocal(r.Host) {
		return fmt.Errorf("host %q is not this machine", r.Host)
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		from, err := url.Parse(origin)
		if err != nil || !isLocal(from.Host) {
			return fmt.Errorf("requests from web pages of %q are not accepted", origin)
		}
	}
	return nil
}

func isLocal(hostport string) bool {
	host := hostOnly(hostport)
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}

func hostOnly(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return host
	}
	return hostport
}

// pathStyle turns BUCKET.localhost/KEY, which clients make of an endpoint named
// localhost, into localhost/BUCKET/KEY.
func pathStyle(r *http.Request) {
	if bucket, ok := strings.CutSuffix(hostOnly(r.Host), ".localhost"); ok {
		r.URL.Path = "/" + bucket + r.URL.Path
	}
}

// Sub-resources that this endpoint does not keep. gofakes3 would take them for the
// object itself: PUT ?acl would overwrite it.
var unsupported = []string{
	"accelerate", "acl", "analytics", "attributes", "cors", "encryption", "intelligent-tiering", "inventory",
	"legal-hold", "lifecycle", "logging", "metadataTable", "metrics", "notification", "object-lock", "ownershipControls",
	"policy", "policyStatus", "publicAccessBlock", "renameObject", "replication", "requestPayment", "restore",
	"retention", "select", "session", "torrent", "website",
}

func supported(r *http.Request) error {
	query := r.URL.Query()
	for _, name := range unsupported {
		if query.Has(name) {
			return gofakes3.ErrorMessagef(gofakes3.ErrNotImplemented, "?%s is not supported here", name)
		}
	}
	reading := r.Method == http.MethodGet || r.Method == http.MethodHead
	switch {
	case reading && query.Has("partNumber"):
		return gofakes3.ErrorMessage(gofakes3.ErrNotImplemented, "an object is not read by parts here; use Range")
	case query.Has("tagging") && !reading, r.Header.Get("X-Amz-Tagging") != "":
		return gofakes3.ErrorMessage(gofakes3.ErrNotImplemented, "tags are not supported here")
	}
	return nil
}

// decodeBody takes the framing off the body of a PUT and checks what the client
// says of its bytes.
func decodeBody(r *http.Request) error {
	trailer := http.Header{}
	var body io.Reader = r.Body
	if isChunked(r.Header) {
		size, err := strconv.ParseInt(r.Header.Get("X-Amz-Decoded-Content-Length"), 10, 64)
		if err != nil || size < 0 {
			return gofakes3.ErrMissingContentLength
		}
		chunks := newChunkedReader(r.Body)
		body, trailer = chunks, chunks.trailer
		r.ContentLength = size
		r.Header.Set("Content-Length", strconv.FormatInt(size, 10))
		r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD") // gofakes3 would decode once more
	}
	r.Body = readCloser{checked(body, r.Header, trailer), r.Body}
	return nil
}

func isChunked(h http.Header) bool {
	encoding := h.Get("Content-Encoding")
	return strings.HasPrefix(h.Get("X-Amz-Content-Sha256"), "STREAMING-") || withoutChunked(encoding) != encoding
}

// withoutChunked takes aws-chunked, which is about the transfer, out of a Content-Encoding.
func withoutChunked(encoding string) string {
	if !strings.Contains(encoding, "aws-chunked") {
		return encoding
	}
	var kept []string
	for one := range strings.SplitSeq(encoding, ",") {
		if one = strings.TrimSpace(one); one != "aws-chunked" && one != "" {
			kept = append(kept, one)
		}
	}
	return strings.Join(kept, ",")
}

// etagWriter puts the ETag of the object that was read into the answer: gofakes3
// derives it from an MD5, which an object of several parts does not have.
type etagWriter struct {
	http.ResponseWriter
	request *request
	begun   bool
}

func (w *etagWriter) begin() {
	if !w.begun && w.request.etag != "" {
		w.Header().Set("ETag", quote(w.request.etag))
	}
	w.begun = true
}

func (w *etagWriter) WriteHeader(status int) {
	w.begin()
	w.ResponseWriter.WriteHeader(status)
}

func (w *etagWriter) Write(p []byte) (int, error) {
	w.begin()
	return w.ResponseWriter.Write(p)
}

// ReadFrom keeps the kernel's way from file to socket.
func (w *etagWriter) ReadFrom(r io.Reader) (int64, error) {
	w.begin()
	return io.Copy(w.ResponseWriter, r)
}

func answerError(w http.ResponseWriter, r *http.Request, err error) {
	answer, ok := err.(gofakes3.Error)
	if !ok {
		answer = gofakes3.ErrInternal
	}
	body := gofakes3.ErrorResponse{Code: answer.ErrorCode(), Message: answer.Error()}
	answerXML(w, r, answer.ErrorCode().Status(), body)
}

func answerXML(w http.ResponseWriter, r *http.Request, status int, body any) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return
	}
	if text, err := xml.Marshal(body); err == nil {
		fmt.Fprintf(w, "%s%s", xml.Header, text)
	}
}

// splitPath cuts /BUCKET/KEY.
func splitPath(r *http.Request) (bucket, key string) {
	bucket, key, _ = strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	return bucket, key
}
