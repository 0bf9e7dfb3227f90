// Command replayer sends calls that it has rendered before its clock starts, as
// fast as net/http sends them: the limit for every loader of the same file.
// It prints one JSON object about the sending alone.
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"golang.org/x/sync/errgroup"
)

func main() {
	origin := flag.String("url", "", "the service")
	authority := flag.String("ca", "", "a certificate to trust")
	perCall := flag.Int("rows", 1000, "rows in a call")
	inFlight := flag.Int("in-flight", 8, "calls in flight")
	flag.Parse()
	if err := replay(*origin, *authority, flag.Arg(0), *perCall, *inFlight); err != nil {
		fmt.Fprintln(os.Stderr, "replayer:", err)
		os.Exit(1)
	}
}

func replay(origin, authority, path string, perCall, inFlight int) error {
	bodies, err := render(path, perCall)
	if err != nil {
		return fmt.Errorf("render the calls: %w", err)
	}
	pem, err := os.ReadFile(authority)
	if err != nil {
		return fmt.Errorf("read the certificate: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: inFlight, TLSClientConfig: &tls.Config{RootCAs: roots}}}
	url := origin + "/api/data/v9.2/contacts/Microsoft.Dynamics.CRM.UpsertMultiple"

	start, before := time.Now(), cpuSeconds()
	var calls errgroup.Group
	calls.SetLimit(inFlight)
	for _, body := range bodies {
		calls.Go(func() error { return send(client, url, body) })
	}
	if err := calls.Wait(); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]float64{"seconds": time.Since(start).Seconds(), "cpu_seconds": cpuSeconds() - before})
}

func send(client *http.Client, url string, body []byte) error {
	request, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer replayer")
	answer, err := client.Do(request)
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
