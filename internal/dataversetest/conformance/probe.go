package conformance

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
)

// probe tests one fact: it speaks HTTP, and knows the case's own records by their number and by its label.
type probe struct {
	t *testing.T
	*world
	label string // in cnf_batch of the case's parcels
	seed  string
	base  int // the first of the numbers that only this case uses
}

func newProbe(t *testing.T, w *world) *probe {
	random := make([]byte, 12)
	if _, err := rand.Read(random); err != nil {
		t.Fatal(err)
	}
	text := hex.EncodeToString(random)
	w.cases++
	return &probe{t: t, world: w, label: text, seed: text[:19], base: w.first + 1000*w.cases}
}

// id is the case's nth record's.
func (p *probe) id(n int) string {
	s := p.seed
	return fmt.Sprintf("%s-%s-4%s-8%s-%s%05x", s[:8], s[8:12], s[12:15], s[15:18], s[:7], n)
}

// parcel creates the case's nth parcel, numbered so in cnf_row, and says where it is.
func (p *probe) parcel(n int, members string) string {
	p.t.Helper()
	p.want(204, "POST", "cnf_parcels", p.body(n, members))
	return p.at(n)
}

// body is a parcel as it is written.
func (p *probe) body(n int, members string) string {
	text := fmt.Sprintf(`{"cnf_parcelid":"%s","cnf_batch":"%s","cnf_row":%d`, p.id(n), p.label, n)
	if members != "" {
		text += "," + members
	}
	return text + "}"
}

func (p *probe) at(n int) string { return "cnf_parcels(" + p.id(n) + ")" }

// mine is a query of the case's parcels.
func (p *probe) mine(filter, options string) string {
	text := "cnf_batch eq '" + p.label + "'"
	if filter != "" {
		text += " and (" + filter + ")"
	}
	query := "cnf_parcels?$filter=" + escape(text)
	if options != "" {
		query += "&" + options
	}
	return query
}

// farm creates a farm that the case removes.
func (p *probe) farm(n int, name, code string) string {
	p.t.Helper()
	body := `{"cnf_farmid":"` + p.id(n) + `","cnf_name":"` + name + `"`
	if code != "" {
		body += `,"cnf_code":"` + code + `"`
	}
	p.want(204, "POST", "cnf_farms", body+"}")
	return "cnf_farms(" + p.id(n) + ")"
}

// later deletes a record of a table that is not the suite's own.
func (p *probe) later(path string) {
	p.t.Cleanup(func() {
		if a, err := p.exchange(afterwards{p.t}, "DELETE", p.root+path, "", nil); err != nil || a.status >= 400 && a.status != 404 {
			p.t.Errorf("DELETE %s: %v %d %.500s", path, err, a.status, a.body)
		}
	})
}

type answer struct {
	status int
	header http.Header
	body   string
}

// send sends a request; headers are "Name: value", and an empty value takes the header away.
func (p *probe) send(method, path, body string, headers ...string) answer {
	p.t.Helper()
	return p.world.send(p.t, method, path, body, headers...)
}

// want sends a request that is to be answered with a status.
func (p *probe) want(status int, method, path, body string, headers ...string) answer {
	p.t.Helper()
	a := p.send(method, path, body, headers...)
	if a.status != status {
		p.t.Fatalf("%s %s\n%.2000s\nstatus %d, want %d: %.2000s", method, path, body, a.status, status, a.body)
	}
	return a
}

// refused sends a request that is to fail with a status, a code and a text; an empty code is any.
func (p *probe) refused(status int, code, text, method, path, body string, headers ...string) answer {
	p.t.Helper()
	a := p.want(status, method, path, body, headers...)
	got := a.problem(p.t)
	if (code != "" && got.Code != code) || !strings.Contains(got.Message, text) {
		p.t.Fatalf("%s %s\n%.2000s\n%s %q, want %s %q", method, path, body, got.Code, got.Message, code, text)
	}
	return a
}

type problem struct{ Code, Message string }

func (a answer) problem(t testing.TB) problem {
	t.Helper()
	var got struct{ Error problem }
	if err := json.Unmarshal([]byte(a.body), &got); err != nil {
		t.Fatalf("%v: %.2000s", err, a.body)
	}
	return got.Error
}

// values is the JSON object of an answer.
func (a answer) values(t testing.TB) map[string]any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(a.body))
	d.UseNumber()
	var v map[string]any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v: %.2000s", err, a.body)
	}
	return v
}

// list is the value of a collection.
func (a answer) list(t testing.TB) []map[string]any {
	t.Helper()
	items, there := a.values(t)["value"].([]any)
	if !there {
		t.Fatalf("no collection: %.2000s", a.body)
	}
	out := []map[string]any{}
	for _, item := range items {
		out = append(out, item.(map[string]any))
	}
	return out
}

// read is a record's columns.
func (p *probe) read(path string, headers ...string) map[string]any {
	p.t.Helper()
	return p.want(200, "GET", path, "", headers...).values(p.t)
}

// rows are those of a collection.
func (p *probe) rows(path string, headers ...string) []map[string]any {
	p.t.Helper()
	return p.want(200, "GET", path, "", headers...).list(p.t)
}

// names lists cnf_name of a collection's records.
func (p *probe) names(path string, headers ...string) string {
	p.t.Helper()
	var out []string
	for _, row := range p.rows(path, headers...) {
		out = append(out, fmt.Sprint(row["cnf_name"]))
	}
	return strings.Join(out, " ")
}

// has compares some members.
func (p *probe) has(got map[string]any, want map[string]any) {
	p.t.Helper()
	for name, v := range want {
		if !same(got[name], v) {
			p.t.Errorf("%s = %v, want %v", name, got[name], v)
		}
	}
}

// equal compares what was got with what is to be.
func (p *probe) equal(what string, got, want any) {
	p.t.Helper()
	if !same(got, want) {
		p.t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// same holds numbers as equal that differ in the zeros at their end only.
func same(got, want any) bool {
	if n, is := got.(json.Number); is {
		a, ok := new(big.Rat).SetString(n.String())
		b, ok2 := new(big.Rat).SetString(fmt.Sprint(want))
		return ok && ok2 && a.Cmp(b) == 0
	}
	return fmt.Sprint(got) == fmt.Sprint(want)
}

func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// send sends a request of the suite. A call that service protection refused has not run: it is sent again.
func (w *world) send(t testing.TB, method, path, body string, headers ...string) answer {
	t.Helper()
	if !strings.HasPrefix(path, "http") {
		path = w.root + strings.TrimPrefix(path, "/")
	}
	for {
		a, err := w.exchange(t, method, path, body, headers)
		if err != nil {
			t.Fatalf("%s %s: %v", method, path, err)
		}
		if a.status != http.StatusTooManyRequests {
			return a
		}
		seconds, _ := strconv.Atoi(a.header.Get("Retry-After"))
		pause(t, time.Duration(max(seconds, 1))*time.Second)
	}
}

func (w *world) exchange(t testing.TB, method, path, body string, headers []string) (answer, error) {
	req, err := http.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	token, err := w.service.Token(t.Context())
	if err != nil {
		return answer{}, fmt.Errorf("token: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("OData-Version", "4.0")
	req.Header.Set("OData-MaxVersion", "4.0")
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if value == "" {
			req.Header.Del(name)
			continue
		}
		req.Header.Set(name, value)
	}
	resp, err := w.service.HTTP.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(text)}, err
}

func pause(t testing.TB, d time.Duration) {
	select {
	case <-t.Context().Done():
	case <-time.After(d):
	}
}
