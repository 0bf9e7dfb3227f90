package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"penstock/examples"
	"penstock/internal/dataversetest"
	"penstock/internal/local"
)

// readBack holds the emulator's rows against the example files. It shares no
// code with what wrote them: plain HTTP, encoding/csv, encoding/json.
func readBack(ctx context.Context, out io.Writer, e *local.Emulator) error {
	r, err := signIn(ctx, e)
	if err != nil {
		return err
	}
	defer r.client.CloseIdleConnections()
	accounts, err := r.all(ctx, "accounts?$select=accountnumber,name,address1_city", "accountnumber")
	if err != nil {
		return err
	}
	airports, err := csvRows("airports.csv", "iata")
	if err != nil {
		return err
	}
	if len(accounts) != len(airports) {
		return fmt.Errorf("%d accounts, but the file has %d airports", len(accounts), len(airports))
	}
	for code, airport := range airports {
		if a := accounts[code]; a["name"] != airport["name"] || a["address1_city"] != airport["city"] {
			return fmt.Errorf("airport %s is %v in Dataverse but %v in the file", code, a, airport)
		}
	}
	fmt.Fprintf(out, "  %s accounts: every airport once, names and cities as in the file, also after the second load\n", number(int64(len(accounts))))

	contacts, err := r.all(ctx, "contacts?$select=emailaddress1,lastname", "emailaddress1")
	if err != nil {
		return err
	}
	for _, key := range []string{"ada+news@example.org", "o'neil@example.org", "jörg.müller@exämple.example", "sales/emea@example.org", "50%off&more@example.org"} {
		if contacts[key] == nil {
			return fmt.Errorf("contact %s is missing", key)
		}
	}
	if len(contacts) != 58 {
		return fmt.Errorf("%d contacts instead of 58", len(contacts))
	}
	fmt.Fprintf(out, "  %d contacts: all members but the six rejects; ada+news@, O'Neil@, jörg.müller@, sales/emea@ and 50%%off&more@ are there\n", len(contacts))

	leads, err := r.all(ctx, "leads?$select=subject,emailaddress1", "leadid")
	if err != nil {
		return err
	}
	if len(leads) != 40 {
		return fmt.Errorf("%d leads instead of 40", len(leads))
	}
	fmt.Fprintf(out, "  %d leads: each enquiry once\n", len(leads))
	return nil
}

// csvRows reads an example by a key column, in lower case as Dataverse compares.
func csvRows(file, key string) (map[string]map[string]string, error) {
	data, err := examples.Files.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the example: %w", err)
	}
	lines, err := csv.NewReader(bytes.NewReader(data)).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	rows := map[string]map[string]string{}
	for _, line := range lines[1:] {
		r := map[string]string{}
		for i, name := range lines[0] {
			r[name] = line[i]
		}
		rows[strings.ToLower(r[key])] = r
	}
	return rows, nil
}

// reader is a client that has signed in.
type reader struct {
	client *http.Client
	root   string
	token  string
}

func signIn(ctx context.Context, e *local.Emulator) (*reader, error) {
	pem, err := os.ReadFile(e.CAFile)
	if err != nil {
		return nil, fmt.Errorf("read the authority: %w", err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	r := &reader{root: e.URL + "/api/data/v9.2/", client: &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}}
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {dataversetest.DefaultUser.ClientID},
		"client_secret": {dataversetest.DefaultUser.Secrets[0]}, "scope": {e.URL + "/.default"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.URL+"/emulated.example/oauth2/v2.0/token", strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	var token struct {
		AccessToken string `json:"access_token"`
	}
	if err := r.do(req, &token); err != nil {
		return nil, fmt.Errorf("sign in: %w", err)
	}
	r.token = token.AccessToken
	return r, nil
}

// all reads a collection, page by page, by a column in lower case.
func (r *reader) all(ctx context.Context, query, by string) (map[string]map[string]any, error) {
	rows := map[string]map[string]any{}
	for next := r.root + query; next != ""; {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, next, nil)
		if err != nil {
			return nil, err
		}
		req.Header.Set("Authorization", "Bearer "+r.token)
		req.Header.Set("Prefer", "odata.maxpagesize=1000")
		var page struct {
			Value []map[string]any `json:"value"`
			Next  string           `json:"@odata.nextLink"`
		}
		if err := r.do(req, &page); err != nil {
			return nil, fmt.Errorf("read %s: %w", query, err)
		}
		for _, row := range page.Value {
			key := strings.ToLower(fmt.Sprint(row[by]))
			if rows[key] != nil {
				return nil, fmt.Errorf("%s %s is there twice", by, key)
			}
			rows[key] = row
		}
		next = page.Next
	}
	return rows, nil
}

func (r *reader) do(req *http.Request, into any) error {
	answer, err := r.client.Do(req)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("status %s", answer.Status)
	}
	return json.NewDecoder(answer.Body).Decode(into)
}
