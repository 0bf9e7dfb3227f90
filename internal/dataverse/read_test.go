package dataverse

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/fault"
)

func TestNextLinksLeadOn(t *testing.T) {
	next := func(link string) string { return `{"value":[{"a":1}],"@odata.nextLink":"` + link + `"}` }
	_, c := newPages(t, map[string]string{
		"contacts?$select=other": next("ORIGIN/api/data/v9.2/accounts?$select=a"),
		"contacts?$select=up":    next("ORIGIN/api/data/v9.2/contacts/../accounts?$select=a"),
		"contacts?$select=host":  next("https://evil.example/api/data/v9.2/contacts?page=2"),
		"contacts?$select=user":  next("http://x@" + "evil.example/api/data/v9.2/contacts?page=2"),
		"contacts?$select=round": next("ORIGIN/api/data/v9.2/contacts?page=2"),
		"contacts?page=2":        next("ORIGIN/api/data/v9.2/contacts?page=3"),
		"contacts?page=3":        next("ORIGIN/api/data/v9.2/contacts?page=2"),
		"contacts?$select=none":  `{"values":[]}`,
		"contacts?$select=empty": `{"value":[]}`,
	})
	for query, want := range map[string]struct {
		rows int
		code string
	}{"other": {1, "foreign_link"}, "up": {1, "foreign_link"}, "host": {1, "foreign_link"}, "user": {1, "foreign_link"}, "round": {3, "unexpected_answer"},
		"none": {0, "unexpected_answer"}, "empty": {0, ""}} {
		rows, code := 0, ""
		for _, err := range c.Rows(t.Context(), "contacts?$select="+query, 0) {
			if f, ok := fault.As(err); ok {
				code = f.Code
				break
			}
			rows++
		}
		if rows != want.rows || code != want.code {
			t.Errorf("%s: %d rows, %q; want %+v", query, rows, code, want)
		}
	}
}

// bigTable answers queries of contacts with many pages of two rows.
func bigTable(t *testing.T, pages int, asked *[]string) *Client {
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		*asked = append(*asked, r.URL.RawQuery)
		page := 1
		fmt.Sscanf(r.URL.Query().Get("$skiptoken"), "%d", &page)
		fmt.Fprintf(out, `{"value":[{"contactid":"%s","emailaddress1":"p%d@x.org"},{"contactid":"%s","emailaddress1":null}]`,
			strings.ToUpper(testID(2*page)), page, testID(2*page+1))
		if page < pages {
			fmt.Fprintf(out, `,"@odata.nextLink":"http://%s/api/data/v9.2/contacts?$skiptoken=%d"`, r.Host, page+1)
		}
		fmt.Fprint(out, "}")
	}))
	t.Cleanup(server.Close)
	c, err := Open(Options{URL: server.URL, AllowCustomHost: true, Credentials: []Credential{{token: hidden("x")}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestKeys(t *testing.T) {
	var asked []string
	c := bigTable(t, 3, &asked)
	filter := Filter{{"firstname", json.RawMessage(`"O'Neil & co"`)}, {"parentid", json.RawMessage("null")}, {"cr1_no", json.RawMessage("7")}}
	var got []string
	for row, err := range c.Keys(t.Context(), contactTable(), []string{"emailaddress1", "parentid"}, filter) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, row.ID+" "+string(row.Values[0])+" "+string(row.Values[1]))
	}
	var want []string
	for page := 1; page <= 3; page++ {
		want = append(want, fmt.Sprintf(`%s "p%d@x.org" null`, testID(2*page), page), testID(2*page+1)+" null null")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	query := "$select=contactid,emailaddress1,_parentid_value&$filter=firstname%20eq%20'O''Neil%20%26%20co'%20and%20_parentid_value%20eq%20null%20and%20cr1_no%20eq%207"
	if diff := cmp.Diff([]string{query, "$skiptoken=2", "$skiptoken=3"}, asked); diff != "" {
		t.Error(diff)
	}
	for _, err := range c.Keys(t.Context(), contactTable(), []string{"nosuch"}, nil) {
		wantFault(t, err, fault.Refused, "unknown_column")
	}
	for _, err := range c.Keys(t.Context(), contactTable(), nil, Filter{{"nosuch", json.RawMessage("1")}}) {
		wantFault(t, err, fault.Refused, "bad_filter")
	}
}

// Reading that is cut short must not look like the end of the table.
func TestCancelledReadingIsNoEnd(t *testing.T) {
	var asked []string
	c := bigTable(t, 1000, &asked)
	ctx, cancel := context.WithCancel(t.Context())
	rows := 0
	var last error
	for _, err := range c.Keys(ctx, contactTable(), nil, nil) {
		if last = err; err == nil {
			rows++
		}
		if rows == 5 {
			cancel()
		}
	}
	if !errors.Is(last, context.Canceled) || rows > 20 {
		t.Errorf("%d rows, then %v", rows, last)
	}
	cancel()
	for range c.Keys(t.Context(), contactTable(), nil, nil) {
		break // and leaving early leaves nobody behind
	}
}

func TestFirst(t *testing.T) {
	s := newPagesOf(t, map[string]string{
		"contacts?$select=contactid&$top=1":                                `{"value":[{"contactid":"` + strings.ToUpper(testID(1)) + `"}]}`,
		"contacts?$select=contactid&$top=1&$filter=emailaddress1 eq 'a+b'": `{"value":[]}`,
		"contacts?$select=contactid&$top=1&$filter=cr1_no eq 1":            `{}`,
	})
	if id, found, err := s.First(t.Context(), contactTable(), nil); id != testID(1) || !found || err != nil {
		t.Errorf("%q %v %v", id, found, err)
	}
	if id, found, err := s.First(t.Context(), contactTable(), Filter(mailKey("a+b"))); id != "" || found || err != nil {
		t.Errorf("%q %v %v", id, found, err)
	}
	_, _, err := s.First(t.Context(), contactTable(), Filter{{"cr1_no", json.RawMessage("1")}})
	wantFault(t, err, fault.Broken, "unexpected_answer")
}

func newPagesOf(t *testing.T, bodies map[string]string) *Client {
	_, c := newPages(t, bodies)
	return c
}

func foldForTest(text string) []byte {
	return []byte(strings.ToLower(strings.TrimRight(text, " ")))
}

func TestMatch(t *testing.T) {
	row := func(n int, mail, no, day, parent string) string {
		return fmt.Sprintf(`{"contactid":"%s","emailaddress1":%s,"cr1_no":%s,"cr1_day":%s,"_parentid_value":%s}`, testID(n), mail, no, day, parent)
	}
	c := newPagesOf(t, map[string]string{
		"contacts?$select=contactid,emailaddress1,cr1_no": `{"value":[` + strings.Join([]string{
			row(1, `"A@x.org "`, "1.0", "null", "null"), row(2, `"b@x.org"`, "2", "null", "null"), row(3, `"B@X.org"`, "2.00", "null", "null"),
			row(4, `"b@x.org"`, "2", "null", "null"), row(5, "null", "1", "null", "null"), row(2, `"b@x.org"`, "2", "null", "null")}, ",") + `]}`,
		"contacts?$select=contactid,cr1_day,_parentid_value": `{"value":[` +
			row(6, "null", "null", `"2026-01-02T01:02:03Z"`, `"`+strings.ToUpper(testID(9))+`"`) + `]}`,
	})
	x, err := c.Match(t.Context(), contactTable(), []string{"emailaddress1", "cr1_no"}, nil, foldForTest, 0)
	if err != nil {
		t.Fatal(err)
	}
	if x.Records() != 6 {
		t.Errorf("%d records", x.Records())
	}
	find := func(x *Index, values ...string) []string {
		raw := make([]json.RawMessage, len(values))
		for i, v := range values {
			raw[i] = json.RawMessage(v)
		}
		return x.Find(raw)
	}
	for _, tt := range []struct {
		values []string
		want   []string
	}{
		{[]string{`"a@X.ORG"`, "1"}, []string{testID(1)}},
		{[]string{`"b@x.org  "`, "2"}, []string{testID(2), testID(3), testID(4)}},
		{[]string{`"a@x.org"`, "2"}, nil},
		{[]string{"null", "1"}, nil},
		{[]string{`""`, "1"}, nil},
		{[]string{`"a@x.org1"`, `""`}, nil},
		{[]string{`"a@x.org"`}, nil},
	} {
		if diff := cmp.Diff(tt.want, find(x, tt.values...)); diff != "" {
			t.Error(tt.values, diff)
		}
	}
	y, err := c.Match(t.Context(), contactTable(), []string{"cr1_day", "parentid"}, nil, foldForTest, 0)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{testID(6)}, find(y, `"2026-01-02T02:02:03+01:00"`, `"`+testID(9)+`"`)); diff != "" {
		t.Error(diff)
	}
}

// Rule I3: a job whose start was lost is found again by its name.
func TestBulkDeleteIsStartedOnce(t *testing.T) {
	for name, f := range map[string]string{"lost": "cut", "refused in passing": "503", "well": ""} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			var jobs []string
			calls := 0
			server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
				mu.Lock()
				defer mu.Unlock()
				if r.Method == http.MethodGet {
					filter := r.URL.Query().Get("$filter")
					for i, job := range jobs {
						if filter == "name eq '"+job+"'" {
							fmt.Fprintf(out, `{"value":[{"asyncoperationid":"%s"}]}`, testID(i))
							return
						}
					}
					fmt.Fprint(out, `{"value":[]}`)
					return
				}
				if calls++; calls == 1 && f == "503" {
					out.WriteHeader(503)
					return
				}
				var in struct{ JobName string }
				if err := json.NewDecoder(r.Body).Decode(&in); err != nil || in.JobName == "" {
					t.Errorf("%+v %v", in, err)
				}
				jobs = append(jobs, in.JobName)
				if calls == 1 && f == "cut" {
					panic(http.ErrAbortHandler)
				}
				fmt.Fprintf(out, `{"JobId":"%s"}`, testID(len(jobs)-1))
			}))
			defer server.Close()
			c, err := Open(Options{URL: server.URL, AllowCustomHost: true, Clock: newTestClock(), Credentials: []Credential{{token: hidden("x")}}})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			job, err := c.BulkDelete(t.Context(), contactTable(), Filter(mailKey("a@x.org")), "")
			mu.Lock()
			defer mu.Unlock()
			if err != nil || job != testID(0) || len(jobs) != 1 {
				t.Errorf("%q %v, %d jobs", job, err, len(jobs))
			}
		})
	}
}

func TestBulkDeleteOnTheWire(t *testing.T) {
	conditions, err := contactTable().conditions(Filter{{"cr1_no", json.RawMessage("7")}, {"emailaddress1", json.RawMessage(`"a\"b"`)},
		{"parentid", json.RawMessage("null")}, {"cr1_day", json.RawMessage(`"2026-01-02"`)}, {"contactid", json.RawMessage(`"` + testID(1) + `"`)}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(conditions)
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"@odata.type":"Microsoft.Dynamics.CRM.ConditionExpression","AttributeName":"cr1_no","Operator":"Equal","Values":[{"Value":"7","Type":"System.Int32"}]},` +
		`{"@odata.type":"Microsoft.Dynamics.CRM.ConditionExpression","AttributeName":"emailaddress1","Operator":"Equal","Values":[{"Value":"a\"b","Type":"System.String"}]},` +
		`{"@odata.type":"Microsoft.Dynamics.CRM.ConditionExpression","AttributeName":"parentid","Operator":"Null","Values":[]},` +
		`{"@odata.type":"Microsoft.Dynamics.CRM.ConditionExpression","AttributeName":"cr1_day","Operator":"Equal","Values":[{"Value":"2026-01-02","Type":"System.DateTime"}]},` +
		`{"@odata.type":"Microsoft.Dynamics.CRM.ConditionExpression","AttributeName":"contactid","Operator":"Equal","Values":[{"Value":"` + testID(1) + `","Type":"System.Guid"}]}]`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
	if _, err := contactTable().conditions(Filter{{"nosuch", json.RawMessage("7")}}); !fault.Is(err, fault.Refused) {
		t.Error(err)
	}
}

func TestJob(t *testing.T) {
	counts := `{"value":[{"successcount":7,"failurecount":2}]}`
	for answer, want := range map[string]JobStatus{
		`{"statecode":0,"statuscode":0}`:                   {JobRunning, 7, 2, ""},
		`{"statecode":2,"statuscode":20}`:                  {JobRunning, 7, 2, ""},
		`{"statecode":3,"statuscode":30}`:                  {JobSucceeded, 7, 2, ""},
		`{"statecode":3,"statuscode":31,"message":"boom"}`: {JobFailed, 7, 2, "boom"},
		`{"statecode":3,"statuscode":32}`:                  {JobCancelled, 7, 2, ""},
	} {
		c := newPagesOf(t, map[string]string{
			"asyncoperations(" + testID(1) + ")?$select=statecode,statuscode,message":                                answer,
			"bulkdeleteoperations?$select=successcount,failurecount&$filter=_asyncoperationid_value eq " + testID(1): counts,
		})
		if got, err := c.Job(t.Context(), testID(1)); err != nil || got != want {
			t.Errorf("%s: %+v %v", answer, got, err)
		}
	}
	_, err := newPagesOf(t, nil).Job(t.Context(), "x')")
	wantFault(t, err, fault.Broken, "bad_id")
}
