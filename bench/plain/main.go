// Command plain is the plainest loader that Go's library makes: encoding/csv,
// a map for every row, encoding/json, net/http. It has no types, no checks, no
// retries and no report; it stops at the first answer that is not a success.
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/csv"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"

	"golang.org/x/sync/errgroup"
)

func main() {
	origin := flag.String("url", "", "the service")
	authority := flag.String("ca", "", "a certificate to trust")
	perCall := flag.Int("rows", 1000, "rows in a call")
	inFlight := flag.Int("in-flight", 8, "calls in flight")
	flag.Parse()
	l := &loader{url: *origin + "/api/data/v9.2/contacts/Microsoft.Dynamics.CRM.UpsertMultiple", perCall: *perCall, inFlight: *inFlight}
	err := l.trust(*authority)
	if err == nil {
		err = l.load(flag.Arg(0))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "plain:", err)
		os.Exit(1)
	}
}

type loader struct {
	url               string
	perCall, inFlight int
	client            *http.Client
}

func (l *loader) trust(file string) error {
	pem, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read the certificate: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	// The default transport would keep two connections and open the others anew for every call.
	l.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: l.inFlight, TLSClientConfig: &tls.Config{RootCAs: roots}}}
	return nil
}

func (l *loader) load(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	reader := csv.NewReader(file)
	header, err := reader.Read()
	if err != nil {
		return fmt.Errorf("read the header: %w", err)
	}
	var calls errgroup.Group
	calls.SetLimit(l.inFlight)
	var targets []map[string]any
	for {
		cells, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("read the file: %w", err)
		}
		targets = append(targets, target(header, cells))
		if len(targets) == l.perCall {
			full := targets
			calls.Go(func() error { return l.call(full) })
			targets = nil
		}
	}
	if len(targets) > 0 {
		calls.Go(func() error { return l.call(targets) })
	}
	return calls.Wait()
}

// target is a row by its alternate key, the first column, which must not be repeated in the body.
func target(header, cells []string) map[string]any {
	row := map[string]any{
		"@odata.type": "Microsoft.Dynamics.CRM.contact",
		"@odata.id":   "contacts(" + header[0] + "='" + url.PathEscape(cells[0]) + "')",
	}
	for i, name := range header[1:] {
		if value := cells[i+1]; value != "" {
			row[name] = value
		}
	}
	return row
}

func (l *loader) call(targets []map[string]any) error {
	body, err := json.Marshal(map[string]any{"Targets": targets})
	if err != nil {
		return fmt.Errorf("render a call: %w", err)
	}
	request, err := http.NewRequest(http.MethodPost, l.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer plain")
	answer, err := l.client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("the service answered %s", answer.Status)
	}
	return nil
}
