package dataverse

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// service is a small table server for tests of writing: it really stores rows,
// a call is all or nothing, and a test decides call by call how it goes wrong.
type service struct {
	t      *testing.T
	server *httptest.Server
	clock  *testClock

	mu       sync.Mutex
	rows     map[string]map[string]any // by lower-case id
	calls    []received
	flying   int
	mostSeen int

	// fate decides how the call ends; nil is well. It runs without the lock.
	fate func(in received) fate
	// wrong says why the service will not take a row; nil takes all.
	wrong func(row map[string]any) *refusal
	// partFate decides how the n-th writing part of all $batches ends; nil is well. It runs with the lock.
	partFate  func(n int, method, path string) partFate
	tokens    []string // of sessions, that reading parts carried
	links     bool     // parts are references: they do nothing
	partSeen  func(*http.Request)
	parts     []string        // method and path of each writing part that was looked at
	lacks     map[string]bool // messages that the table does not take
	ignoreIDs bool
	elastic   bool
	minted    int
	headers   http.Header
}

type received struct {
	number  int // of this service's life, from 1
	message string
	rows    int
	path    string
	header  http.Header
	query   string
	cookie  string
}

type fate struct {
	cutBefore, cutAfter bool
	hang                bool // does the work, then answers nothing until the client gives up
	status              int  // answered instead of doing anything
	statusAfter         int  // answered after the work was committed
	code, text          string
	retryAfter          string
	body                string // instead of the JSON error
}

type refusal struct {
	status     int
	code, text string
}

type partFate struct {
	refuse     refusal // status 0 is none
	after      bool    // refuse after the work was done
	retryAfter string
	cut        bool // the answer ends before this part
}

const testTable = "contact"

func contactTable() *Table {
	return &Table{
		Name: testTable, Set: "contacts", PrimaryID: "contactid", PrimaryName: "fullname", Type: "Standard",
		Columns: []Column{
			{Name: "contactid", Type: Uniqueidentifier}, {Name: "emailaddress1", Type: String}, {Name: "firstname", Type: String},
			{Name: "cr1_no", Type: Integer}, {Name: "cr1_day", Type: DateTime, DateOnly: true},
			{Name: "parentid", Type: Lookup, Targets: []Target{{Table: "account", Set: "accounts", Navigation: "cr1_Parent"}}},
		},
		Keys: []Key{{Name: "email", Columns: []string{"emailaddress1"}, Status: "Active"}},
	}
}

func newService(t *testing.T) *service {
	s := &service{t: t, rows: make(map[string]map[string]any), clock: newTestClock()}
	s.server = httptest.NewServer(s)
	t.Cleanup(s.server.Close)
	return s
}

func (s *service) client(change ...func(*Options)) *Client {
	s.t.Helper()
	opts := Options{URL: s.server.URL, AllowCustomHost: true, Clock: s.clock, Credentials: []Credential{{token: hidden("good")}}}
	for _, f := range change {
		f(&opts)
	}
	c, err := Open(opts)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(c.Close)
	return c
}

func (s *service) writer(c *Client, opts WriteOptions) *Writer {
	s.t.Helper()
	w, err := c.NewWriter(s.t.Context(), contactTable(), opts)
	if err != nil {
		s.t.Fatal(err)
	}
	return w
}

func (s *service) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	path := strings.TrimPrefix(r.URL.Path, "/api/data/v9.2/")
	for name, values := range s.headers {
		out.Header()[name] = values
	}
	switch {
	case path == "WhoAmI":
		fmt.Fprint(out, `{"UserId":"00000000-0000-0000-0000-000000000001","OrganizationId":"00000000-0000-0000-0000-000000000002","BusinessUnitId":"00000000-0000-0000-0000-000000000003"}`)
		return
	case path == "sdkmessagefilters":
		if s.lacks[strings.Trim(r.URL.Query().Get("@m"), "'")] {
			fmt.Fprint(out, `{"value":[]}`)
			return
		}
		fmt.Fprint(out, `{"value":[{"sdkmessagefilterid":"x"}]}`)
		return
	}
	in := received{message: path[strings.LastIndexAny(path, "./")+1:], path: path, header: r.Header, query: r.URL.RawQuery, cookie: r.Header.Get("Cookie")}
	var targets struct{ Targets []map[string]any }
	if in.message == "$batch" {
		in.rows = bytes.Count(body, []byte(" HTTP/1.1\r\n")) - bytes.Count(body, []byte("\r\nGET "))
	} else {
		if err := json.Unmarshal(body, &targets); err != nil {
			s.t.Errorf("body of %s: %v\n%s", path, err, body)
		}
		in.rows = len(targets.Targets)
	}
	s.mu.Lock()
	in.number = len(s.calls) + 1
	s.calls = append(s.calls, in)
	s.flying++
	s.mostSeen = max(s.mostSeen, s.flying)
	s.mu.Unlock()
	defer func() { s.mu.Lock(); s.flying--; s.mu.Unlock() }()

	var f fate
	if s.fate != nil {
		f = s.fate(in)
	}
	switch {
	case f.cutBefore:
		panic(http.ErrAbortHandler)
	case f.status != 0:
		fail(out, f.status, f)
		return
	}
	answer := httptest.NewRecorder()
	s.mu.Lock()
	if in.message == "$batch" {
		s.batch(answer, r.Header.Get("Content-Type"), body)
	} else {
		s.bulk(answer, in.message, targets.Targets)
	}
	s.mu.Unlock()
	switch {
	case f.hang:
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case f.cutAfter:
		panic(http.ErrAbortHandler)
	case f.statusAfter != 0:
		fail(out, f.statusAfter, f)
		return
	}
	for name, values := range answer.Header() {
		out.Header()[name] = values
	}
	out.WriteHeader(answer.Code)
	out.Write(answer.Body.Bytes())
}

func fail(out http.ResponseWriter, status int, f fate) {
	if f.retryAfter != "" {
		out.Header().Set("Retry-After", f.retryAfter)
	}
	out.WriteHeader(status)
	if f.body != "" {
		fmt.Fprint(out, f.body)
		return
	}
	json.NewEncoder(out).Encode(map[string]any{"error": map[string]string{"code": f.code, "message": f.text}})
}

// bulk does a CreateMultiple or UpsertMultiple on a copy, and keeps the copy when all went well.
func (s *service) bulk(out http.ResponseWriter, message string, targets []map[string]any) {
	next := make(map[string]map[string]any, len(s.rows)+len(targets))
	for id, row := range s.rows {
		next[id] = row
	}
	var ids []string
	var failed []map[string]any
	for i, target := range targets {
		if target["@odata.type"] != "Microsoft.Dynamics.CRM."+testTable {
			s.t.Errorf("target without its type: %v", target)
		}
		var id string
		var no *refusal
		if message == "DeleteMultiple" {
			id, no = s.drop(next, target["contactid"].(string))
		} else {
			id, no = s.put(next, message, target)
		}
		if no != nil {
			if s.elastic {
				failed = append(failed, map[string]any{"RequestIndex": i, "Id": id, "StatusCode": no.status})
				continue
			}
			fail(out, no.status, fate{code: no.code, text: no.text})
			return
		}
		ids = append(ids, id)
	}
	s.rows = next
	if len(failed) > 0 {
		details, _ := json.Marshal(failed)
		out.WriteHeader(400)
		json.NewEncoder(out).Encode(map[string]any{"error": map[string]string{
			"code": "0x80040203", "message": "some failed", "@Microsoft.PowerApps.CDS.ErrorDetails.Plugin.BulkApiErrorDetails": string(details)}})
		return
	}
	if message != "CreateMultiple" {
		out.WriteHeader(204)
		return
	}
	json.NewEncoder(out).Encode(map[string]any{"Ids": ids})
}

func (s *service) put(rows map[string]map[string]any, message string, target map[string]any) (string, *refusal) {
	id, _ := target["contactid"].(string)
	row := make(map[string]any)
	for name, value := range target {
		if !strings.HasPrefix(name, "@") {
			row[name] = value
		}
	}
	if link, ok := target["@odata.id"].(string); ok {
		name, value := parseKeyURL(s.t, link)
		if _, repeated := row[name]; repeated {
			return "", &refusal{400, "0x80040216", "An unexpected error occurred."}
		}
		row[name] = value
		id = s.byKey(rows, name, value)
	}
	if s.wrong != nil {
		if no := s.wrong(row); no != nil {
			return id, no
		}
	}
	if old := rows[id]; id != "" && old != nil {
		if message == "CreateMultiple" {
			return id, &refusal{412, "0x80040237", "A record with matching key values already exists."}
		}
		merged := make(map[string]any)
		for name, value := range old {
			merged[name] = value
		}
		for name, value := range row {
			merged[name] = value
		}
		rows[id] = merged
		return id, nil
	}
	if message == "UpdateMultiple" {
		if target["@odata.id"] != nil {
			return id, &refusal{404, "0x80060891", "A record with the specified key values does not exist in contact entity"}
		}
		return id, &refusal{404, "0x80040217", "contact With Id = " + id + " Does Not Exist"}
	}
	if mail, ok := row["emailaddress1"].(string); ok && s.byKey(rows, "emailaddress1", mail) != "" {
		return id, &refusal{412, "0x80060892", "Entity Key Email violated."}
	}
	if id == "" || s.ignoreIDs {
		s.minted++
		id = fmt.Sprintf("ffffffff-0000-0000-0000-%012d", s.minted)
	}
	row["contactid"] = id
	rows[id] = row
	return id, nil
}

func (s *service) drop(rows map[string]map[string]any, id string) (string, *refusal) {
	row := rows[id]
	if row == nil {
		return id, &refusal{404, "0x80040217", "contact With Id = " + id + " Does Not Exist"}
	}
	if s.wrong != nil {
		if no := s.wrong(row); no != nil {
			return id, no
		}
	}
	delete(rows, id)
	return id, nil
}

// part does one writing part of a $batch.
func (s *service) part(r *http.Request) (entity string, no *refusal) {
	if s.links {
		return "", nil
	}
	path := strings.TrimPrefix(r.URL.Path, "/api/data/v9.2/")
	set, rest, _ := strings.Cut(path, "(")
	if set != "contacts" {
		s.t.Errorf("part for %q", path)
	}
	target := make(map[string]any)
	body, _ := io.ReadAll(r.Body)
	if len(bytes.TrimSpace(body)) > 0 {
		if err := json.Unmarshal(body, &target); err != nil {
			s.t.Errorf("body of a part: %v\n%s", err, body)
		}
	}
	message := map[string]string{"POST": "CreateMultiple", "PATCH": "UpsertMultiple"}[r.Method]
	if r.Header.Get("If-Match") == "*" {
		message = "UpdateMultiple"
	}
	id := strings.TrimSuffix(rest, ")")
	if strings.Contains(rest, "=") {
		target["@odata.id"] = strings.TrimPrefix(r.URL.EscapedPath(), "/api/data/v9.2/")
		name, value := parseKeyURL(s.t, target["@odata.id"].(string))
		id = s.byKey(s.rows, name, value)
	} else if id != "" {
		target["contactid"] = id
	}
	if r.Method == "DELETE" {
		if len(target) > 0 && target["@odata.id"] != nil && id == "" {
			return "", &refusal{404, "0x80060891", "A record with the specified key values does not exist in contact entity"}
		}
		_, no = s.drop(s.rows, id)
		return "", no
	}
	id, no = s.put(s.rows, message, target)
	return s.server.URL + "/api/data/v9.2/contacts(" + id + ")", no
}

func (s *service) byKey(rows map[string]map[string]any, name string, value any) string {
	for id, row := range rows {
		if sameInDatabase(row[name], value) {
			return id
		}
	}
	return ""
}

// sameInDatabase compares as the service does: without case and trailing blanks.
func sameInDatabase(a, b any) bool {
	x, y := strings.TrimRight(fmt.Sprint(a), " "), strings.TrimRight(fmt.Sprint(b), " ")
	return strings.EqualFold(x, y)
}

var keyURL = regexp.MustCompile(`^contacts\(([a-z0-9_]+)='(.*)'\)$`)

func parseKeyURL(t *testing.T, link string) (name, value string) {
	text, err := url.PathUnescape(link)
	m := keyURL.FindStringSubmatch(text)
	if err != nil || m == nil {
		t.Errorf("not a key URL: %q", link)
		return "", ""
	}
	if strings.ContainsAny(m[2], unaddressable) {
		t.Errorf("a value that cannot stand in a key URL: %q", link)
	}
	return m[1], strings.ReplaceAll(m[2], "''", "'")
}

// batch answers the two kinds of filter that the client sends.
func (s *service) batch(out http.ResponseWriter, contentType string, body []byte) {
	if !bytes.HasSuffix(body, []byte("--\r\n\r\n")) || bytes.Contains(bytes.ReplaceAll(body, []byte("\r\n"), nil), []byte("\n")) {
		s.t.Error("the batch's lines do not all end in CR LF")
	}
	_, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		s.t.Error(err)
	}
	out.Header().Set("Content-Type", "multipart/mixed; boundary=batchresponse_1")
	reader := multipart.NewReader(bytes.NewReader(body), params["boundary"])
	for {
		piece, err := reader.NextPart()
		if err != nil {
			break
		}
		lines := bufio.NewReader(piece)
		r, err := http.ReadRequest(lines)
		if err != nil {
			s.t.Errorf("part: %v", err)
			return
		}
		if r.Method != http.MethodGet {
			r.Body = io.NopCloser(lines) // a part's body has no length of its own
			s.parts = append(s.parts, r.Method+" "+strings.TrimPrefix(r.URL.EscapedPath(), "/api/data/v9.2/"))
			if s.partSeen != nil {
				s.partSeen(r)
			}
			var f partFate
			if s.partFate != nil {
				f = s.partFate(len(s.parts), r.Method, r.URL.Path)
			}
			if f.cut {
				return
			}
			s.answerPart(out, r, f)
			continue
		}
		rows := []map[string]string{}
		if token := r.Header.Get("MSCRM.SessionToken"); token != "" {
			s.tokens = append(s.tokens, token)
		}
		for _, id := range s.matching(r.URL.Query().Get("$filter")) {
			row := map[string]string{"contactid": strings.ToUpper(id)}
			if partition, ok := s.rows[id]["partitionid"].(string); ok {
				row["partitionid"] = partition
			}
			rows = append(rows, row)
		}
		answer, _ := json.Marshal(map[string]any{"value": rows})
		fmt.Fprintf(out, "--batchresponse_1\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"+
			"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nOData-Version: 4.0\r\n\r\n%s\r\n", answer)
	}
	fmt.Fprint(out, "--batchresponse_1--\r\n")
}

func (s *service) answerPart(out io.Writer, r *http.Request, f partFate) {
	entity, no := "", &f.refuse
	if f.refuse.status == 0 || f.after {
		entity, no = s.part(r)
	}
	if f.after {
		no = &f.refuse
	}
	fmt.Fprint(out, "--batchresponse_1\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n")
	if no == nil {
		fmt.Fprintf(out, "HTTP/1.1 204 No Content\r\nOData-Version: 4.0\r\nOData-EntityId: %s\r\n\r\n\r\n", entity)
		return
	}
	if f.retryAfter != "" {
		f.retryAfter = "Retry-After: " + f.retryAfter + "\r\n"
	}
	text, _ := json.Marshal(map[string]any{"error": map[string]string{"code": no.code, "message": no.text}})
	fmt.Fprintf(out, "HTTP/1.1 %d %s\r\n%sContent-Type: application/json\r\n\r\n%s\r\n", no.status, http.StatusText(no.status), f.retryAfter, text)
}

var elasticTerm = regexp.MustCompile(`\(contactid eq (\S+) and partitionid eq '((?:[^']|'')*)'\)`)

func (s *service) matching(filter string) (ids []string) {
	if terms := elasticTerm.FindAllStringSubmatch(filter, -1); terms != nil {
		for _, m := range terms {
			if row := s.rows[m[1]]; row != nil && row["partitionid"] == strings.ReplaceAll(m[2], "''", "'") {
				ids = append(ids, m[1])
			}
		}
		return ids
	}
	if strings.HasPrefix(filter, "contactid eq ") {
		for _, term := range strings.Split(filter, " or ") {
			if id := strings.TrimPrefix(term, "contactid eq "); s.rows[id] != nil {
				ids = append(ids, id)
			}
		}
		return ids
	}
	name, literal, ok := strings.Cut(filter, " eq ")
	if !ok || len(literal) < 2 || literal[0] != '\'' {
		s.t.Errorf("not a filter that is known here: %q", filter)
		return nil
	}
	value := strings.ReplaceAll(literal[1:len(literal)-1], "''", "'")
	for id, row := range s.rows {
		if sameInDatabase(row[name], value) && len(ids) < 2 {
			ids = append(ids, id)
		}
	}
	return ids
}

// sent lists the rows of each call of a message so far.
func (s *service) sent(message string) (rows []int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.calls {
		if c.message == message {
			rows = append(rows, c.rows)
		}
	}
	return rows
}

// testClock never makes anyone wait: a wait moves the time.
type testClock struct {
	mu    sync.Mutex
	now   time.Time
	slept []time.Duration
}

func newTestClock() *testClock {
	return &testClock{now: time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)}
}

func (c *testClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *testClock) After(d time.Duration) <-chan time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	c.slept = append(c.slept, d)
	ch := make(chan time.Time, 1)
	ch <- c.now
	return ch
}

func testID(n int) string { return fmt.Sprintf("6f1f0d9e-6d0f-4c67-9a55-%012d", n) }

func mailKey(mail string) []KeyPart {
	value, _ := json.Marshal(mail)
	return []KeyPart{{Column: "emailaddress1", Value: value}}
}

func setOf(name string) json.RawMessage {
	value, _ := json.Marshal(map[string]string{"firstname": name})
	return value
}

func createOps(n int) []Operation {
	ops := make([]Operation, n)
	for i := range ops {
		ops[i] = Operation{Row: int64(i + 1), Do: Create, ID: testID(i + 1), Set: setOf(fmt.Sprintf("n%d", i+1))}
	}
	return ops
}

func keyOps(n int) []Operation {
	ops := make([]Operation, n)
	for i := range ops {
		ops[i] = Operation{Row: int64(i + 1), Do: Upsert, Key: mailKey(fmt.Sprintf("p%d@x.org", i+1)), New: testID(i + 1), Set: setOf(fmt.Sprintf("n%d", i+1))}
	}
	return ops
}

func results(out []Outcome) []Result {
	rs := make([]Result, len(out))
	for i, o := range out {
		rs[i] = o.Result
	}
	return rs
}

func all(n int, r Result) []Result {
	rs := make([]Result, n)
	for i := range rs {
		rs[i] = r
	}
	return rs
}

// refuseNames makes the service refuse rows with these first names.
func refuseNames(no refusal, names ...string) func(map[string]any) *refusal {
	return func(row map[string]any) *refusal {
		for _, name := range names {
			if row["firstname"] == name {
				return &no
			}
		}
		return nil
	}
}
