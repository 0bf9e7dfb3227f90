package secret

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"penstock/internal/fault"
)

func TestRead(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "sales.json"), []byte(`{"client_id":"a"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "huge"), make([]byte, maxBytes+1), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"TOKEN": "eyJ"}
	r := Reader{Dir: dir, Getenv: func(name string) string { return env[name] }}
	for _, c := range []struct {
		reference, want, code string
		bare                  bool
	}{
		{"env:TOKEN", "eyJ", "", true},
		{"env:NOTHING", "", "credential_missing", true},
		{"file:sales.json", `{"client_id":"a"}`, "", true},
		{"file:" + filepath.Join(dir, "sales.json"), `{"client_id":"a"}`, "", true},
		{"file:absent.json", "", "credential_missing", true},
		{"file:huge", "", "credential_unreadable", true},
		{"secretsmanager:penstock/sales", "", "credential_unreadable", false},
		{"vault:x", "", "credential_unreadable", false},
		{"env:", "", "credential_unreadable", false},
	} {
		data, bare, err := r.Read(context.Background(), c.reference)
		if string(data) != c.want && c.code == "" {
			t.Errorf("%s: got %q, want %q", c.reference, data, c.want)
		}
		e, _ := fault.As(err)
		if (err != nil) != (c.code != "") || err != nil && e.Code != c.code {
			t.Errorf("%s: error %v, want code %q", c.reference, err, c.code)
		}
		if err != nil && strings.Contains(err.Error(), "eyJ") {
			t.Errorf("%s: the error holds a secret: %v", c.reference, err)
		}
		if bare != c.bare {
			t.Errorf("%s: bare %v, want %v", c.reference, bare, c.bare)
		}
	}
}
