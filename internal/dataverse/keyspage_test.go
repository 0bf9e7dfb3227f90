package dataverse

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"penstock/internal/fault"
)

// Pages are read one by one, by whoever has the link to the next; a link that leads elsewhere, or back, is not followed.
func TestKeysPage(t *testing.T) {
	next := map[string]string{"": "?$skiptoken=2", "2": "?$skiptoken=3", "3": "", "back": "?$skiptoken=back", "away": "/../accounts?x"}
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		token := r.URL.Query().Get("$skiptoken")
		if r.Header.Get("Prefer") != "odata.maxpagesize=5000" {
			t.Errorf("page %q is asked for with Prefer %q", token, r.Header.Get("Prefer"))
		}
		link := ""
		if more := next[token]; more != "" {
			link = fmt.Sprintf(`,"@odata.nextLink":"%s%s%s"`, server.URL, r.URL.Path, more)
		}
		fmt.Fprintf(out, `{"value":[{"contactid":"%s","emailaddress1":"a%s@x.org"}]%s}`, testID(1), token, link)
	}))
	defer server.Close()
	c, err := Open(Options{URL: server.URL, AllowCustomHost: true, Clock: newTestClock(), Credentials: []Credential{{token: hidden("x")}}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	from, pages := "", 0
	for {
		keys, link, err := c.KeysPage(t.Context(), contactTable(), []string{"emailaddress1"}, nil, from)
		if err != nil || len(keys) != 1 || keys[0].ID != testID(1) {
			t.Fatalf("%+v, %v", keys, err)
		}
		if pages++; link == "" {
			break
		}
		from = link
	}
	if pages != 3 {
		t.Errorf("%d pages", pages)
	}
	path := server.URL + "/api/data/v9.2/contacts?$skiptoken="
	if _, _, err := c.KeysPage(t.Context(), contactTable(), nil, nil, path+"back"); !fault.Is(err, fault.Broken) {
		t.Errorf("a page that leads back to itself: %v", err)
	}
	for _, elsewhere := range []string{server.URL + "/api/data/v9.2/accounts?$skiptoken=2", "https://example.org/api/data/v9.2/contacts"} {
		if _, _, err := c.KeysPage(t.Context(), contactTable(), nil, nil, elsewhere); !fault.Is(err, fault.Refused) {
			t.Errorf("%s: %v", elsewhere, err)
		}
	}
}
