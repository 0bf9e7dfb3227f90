package traffic

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Over real connections a dropped or cut answer must be an error for the client,
// and the handler has done its work only where the fault says so.
func TestBrokenConnections(t *testing.T) {
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2.0"} {
		for text, commits := range map[string]int{
			"drop-before": 0, "drop-before:table=contact": 0, "drop-after": 1, "drop-after:verb=UpsertMultiple": 1,
			"cut": 1, "cut:bytes=3": 1,
		} {
			t.Run(protocol+" "+text, func(t *testing.T) {
				a := &api{}
				g := New(Options{})
				fault(t, g, text+map[bool]string{true: ",", false: ":"}[strings.Contains(text, ":")]+"first=1")
				client, url := serve(t, g.Wrap(a), protocol == "HTTP/2.0")
				for _, query := range []string{"?body=0123456789", ""} {
					response, err := client.Post(url+upsert+query, "application/json", strings.NewReader("{}"))
					if query == "" && err != nil {
						t.Fatalf("the next request: %v", err)
					}
					if query != "" {
						wantBroken(t, response, err, protocol, strings.HasPrefix(text, "cut"))
						if a.count() != commits {
							t.Errorf("%d commits, want %d", a.count(), commits)
						}
						continue
					}
					response.Body.Close()
				}
				if e := g.Requests()[0]; !strings.HasPrefix(e.Fault, strings.SplitN(text, ":", 2)[0]) || commits == 1 && e.Rows != 0 {
					t.Errorf("logged %+v", e)
				}
			})
		}
	}
}

func wantBroken(t *testing.T, response *http.Response, err error, protocol string, midway bool) {
	t.Helper()
	if !midway {
		if err == nil {
			t.Errorf("answered with %s", response.Status)
		}
		return
	}
	if err != nil {
		t.Fatalf("cut before the headers: %v", err)
	}
	defer response.Body.Close()
	if response.Proto != protocol {
		t.Fatalf("spoken %s", response.Proto)
	}
	got, err := io.ReadAll(response.Body)
	if err == nil || len(got) == 0 || len(got) >= 10 {
		t.Errorf("body %q, error %v", got, err)
	}
}

// A cut answer without a body ends within its status line.
func TestCutWithoutBody(t *testing.T) {
	a := &api{}
	g := New(Options{})
	fault(t, g, "cut")
	server := httptest.NewServer(g.Wrap(a))
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "POST "+upsert+" HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
	got, _ := io.ReadAll(bufio.NewReader(conn))
	if string(got) != "HTTP/1.1 204 No Conte" || a.count() != 1 {
		t.Errorf("received %q, %d commits", got, a.count())
	}
}

// A client that is still sending gets to read its early answer.
func TestEarlyAnswerReachesASendingClient(t *testing.T) {
	g := New(Options{})
	fault(t, g, "throttle:first=1", "status-before:status=502,first=1", "unauthorized:first=1")
	client, url := serve(t, g.Wrap(&api{}), false)
	for _, want := range []int{429, 502, 401} {
		response, err := client.Post(url+upsert, "application/json", strings.NewReader(strings.Repeat("x", 4<<20)))
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("status %d, want %d", response.StatusCode, want)
		}
	}
}

func TestMessageSize(t *testing.T) {
	a := &api{}
	g := New(Options{Limits: &Limits{MessageBytes: 1000}})
	client, url := serve(t, g.Wrap(a), false)
	for _, test := range []struct {
		size, status int
		chunked      bool
	}{{1000, 204, false}, {1001, 413, false}, {1000, 204, true}, {1001, 413, true}, {100_000, 413, true}} {
		var body io.Reader = strings.NewReader(strings.Repeat("x", test.size))
		if test.chunked {
			body = struct{ io.Reader }{body}
		}
		before := a.count()
		response, err := client.Post(url+upsert, "application/json", body)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(response.Body)
		response.Body.Close()
		committed := a.count() > before
		if response.StatusCode != test.status || committed != (test.status == 204) || committed == strings.Contains(string(text), "<html>") {
			t.Errorf("%d bytes, chunked %t: status %d, committed %t, %q", test.size, test.chunked, response.StatusCode, committed, text)
		}
	}
}

// The handler's work outlives its client, as a transaction does.
func TestHandlerOutlivesClient(t *testing.T) {
	g := New(Options{})
	defer g.Close()
	ctx, leave := context.WithCancel(t.Context())
	h := g.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		leave()
		if err := r.Context().Err(); err != nil {
			t.Error(err)
		}
		if err := From(r.Context()).Begin("contact", "Create", 1); err != nil {
			t.Error(err)
		}
		From(r.Context()).Wrote("contact", 1, 0, 0)
	}))
	send(h, "POST", upsert, func(r *http.Request) { *r = *r.WithContext(ctx) })
	if got := g.Stats(t.Context()).Tables["contact"].Created; got != 1 {
		t.Errorf("%d rows created", got)
	}
}

func serve(t *testing.T, h http.Handler, http2 bool) (*http.Client, string) {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	if server.EnableHTTP2 = http2; http2 {
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	return server.Client(), server.URL
}
