package main

import (
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"penstock/bench/people"
	"penstock/internal/config"
	"penstock/internal/delivery"
	"penstock/internal/local"
	"penstock/internal/run"
	"penstock/internal/secret"
	"penstock/internal/store"
)

const testConfiguration = `connections:
  sink: {url: "%[1]s", authority: "%[1]s", ca_file: sink.pem, allow_custom_host: true, tenant: bench.example, credential: env:X}
destinations:
  upserted: {connection: sink, table: contact, mode: upsert, key: emailaddress1}
  appended: {connection: sink, table: contact, mode: append}
`

// A whole run: what penstock asks and sends is answered, and every row counted once.
func TestPenstockRuns(t *testing.T) {
	for _, destination := range []string{"upserted", "appended"} {
		t.Run(destination, func(t *testing.T) {
			s := &sink{hint: 8}
			server := httptest.NewTLSServer(s)
			defer server.Close()
			dir := t.TempDir()
			certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
			write(t, filepath.Join(dir, "sink.pem"), certificate)
			write(t, filepath.Join(dir, "penstock.yaml"), fmt.Appendf(nil, testConfiguration, server.URL))
			var file strings.Builder
			if _, err := people.Write(&file, people.Options{Rows: 50}); err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(dir, "people.csv"), []byte(file.String()))

			finished, err := workshop(t, dir).DeliverFile(t.Context(), filepath.Join(dir, "people.csv"), destination, false)
			if err != nil {
				t.Fatal(err)
			}
			if finished.State != run.Succeeded || finished.Written != 50 {
				t.Errorf("the run %s with %d of 50 rows written: %+v", finished.State, finished.Written, finished.Reason)
			}
			if n := s.rows.Load(); n != 50 {
				t.Errorf("the sink counted %d rows of 50", n)
			}
		})
	}
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func workshop(t *testing.T, dir string) *local.Workshop {
	t.Helper()
	cfg, err := config.Load(filepath.Join(dir, "penstock.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	work, err := store.Dir(filepath.Join(dir, "work"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { work.Close() })
	connections := &run.Connections{Secrets: secret.Reader{Getenv: func(string) string { return `{"client_id":"00000000-0000-0000-0000-000000000001","client_secret":"x"}` }}}
	t.Cleanup(connections.Close)
	shop, err := local.NewWorkshop(filepath.Join(dir, "work"), &run.Steps{
		Work: work, Inbox: delivery.Files{}, Connect: connections.Connect, Now: time.Now, Limits: delivery.DefaultLimits,
		Config: func(context.Context) (*config.Config, error) { return cfg, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	return shop
}

// However a body is cut on its way, its rows are counted once.
func TestCountTargets(t *testing.T) {
	body := `{"Targets":[` + strings.Repeat(`{`+string(targetType)+`,"firstname":"Ada"},`, 1999) + `{` + string(targetType) + `}]}`
	for name, r := range map[string]io.Reader{
		"whole":       strings.NewReader(body),
		"byte wise":   iotest.OneByteReader(strings.NewReader(body)),
		"half wise":   iotest.HalfReader(strings.NewReader(body)),
		"with an end": iotest.DataErrReader(strings.NewReader(body)),
	} {
		if n, err := countTargets(r); n != 2000 || err != nil {
			t.Errorf("%s: %d rows of 2000 (%v)", name, n, err)
		}
	}
	if _, err := countTargets(iotest.ErrReader(io.ErrUnexpectedEOF)); err == nil {
		t.Error("a body that is cut off counts as whole")
	}
}

func TestBatch(t *testing.T) {
	s := &sink{}
	server := httptest.NewServer(s)
	defer server.Close()
	part := "--b\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
	body := part + "GET /api/data/v9.2/contacts?$top=1 HTTP/1.1\r\n\r\n\r\n" +
		part + "PATCH /api/data/v9.2/contacts(emailaddress1='a@example.org') HTTP/1.1\r\nContent-Type: application/json\r\n\r\n{}\r\n--b--\r\n\r\n"
	request, err := http.NewRequest(http.MethodPost, server.URL+root+"$batch", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", `multipart/mixed; boundary="b"`)
	request.Header.Set("Authorization", "Bearer x")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	ok, written := strings.Count(string(text), "HTTP/1.1 200 OK"), strings.Count(string(text), "HTTP/1.1 204 No Content")
	if answer.StatusCode != http.StatusOK || ok != 1 || written != 1 || s.rows.Load() != 1 {
		t.Errorf("%s, %d rows counted:\n%s", answer.Status, s.rows.Load(), text)
	}
}
