package conformance_test

import (
	"context"
	"net/http/httptest"
	"os"
	"testing"

	"penstock/internal/dataversetest"
	"penstock/internal/dataversetest/conformance"
)

// The facts hold in the emulator; or in the organisation that CONFORMANCE_URL names, with the bearer token
// CONFORMANCE_TOKEN. CONFORMANCE_MARKS chooses confidences ("DS"), CONFORMANCE_KEEP=1 leaves the tables there.
func TestFacts(t *testing.T) {
	s := conformance.Service{URL: os.Getenv("CONFORMANCE_URL"), Marks: os.Getenv("CONFORMANCE_MARKS"), Keep: os.Getenv("CONFORMANCE_KEEP") != ""}
	token := os.Getenv("CONFORMANCE_TOKEN")
	if s.URL == "" {
		s.URL, token = emulator(t)
	} else if token == "" {
		t.Fatal("CONFORMANCE_URL needs a bearer token in CONFORMANCE_TOKEN")
	}
	s.Token = func(context.Context) (string, error) { return token, nil }
	conformance.Run(t, s)
}

func emulator(t *testing.T) (url, token string) {
	t.Helper()
	server, err := dataversetest.New(dataversetest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(server)
	t.Cleanup(func() {
		web.Close()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	issued, err := server.Entra().Issue(dataversetest.DefaultUser.ClientID, "7e9a0700-0000-4000-8000-00000000c0de", web.URL)
	if err != nil {
		t.Fatal(err)
	}
	return web.URL, issued.Value
}
