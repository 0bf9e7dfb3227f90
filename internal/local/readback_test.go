package local_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"

	"penstock/internal/dataversetest"
	"penstock/internal/local"
)

// readTable reads a collection with a plain HTTP client that shares no code with what wrote it.
func readTable(e *local.Emulator, query, by string) (map[string]map[string]any, error) {
	pem, err := os.ReadFile(e.CAFile)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	answer, err := client.PostForm(e.URL+"/contoso.example/oauth2/v2.0/token", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {dataversetest.DefaultUser.ClientID},
		"client_secret": {dataversetest.DefaultUser.Secrets[0]}, "scope": {e.URL + "/.default"}})
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	var token struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&token); err != nil {
		return nil, err
	}
	rows := map[string]map[string]any{}
	for next := e.URL + "/api/data/v9.2/" + query; next != ""; {
		request, err := http.NewRequest(http.MethodGet, next, nil)
		if err != nil {
			return nil, err
		}
		request.Header.Set("Authorization", "Bearer "+token.AccessToken)
		var page struct {
			Value []map[string]any
			Next  string `json:"@odata.nextLink"`
		}
		if err := fetchJSON(client, request, &page); err != nil {
			return nil, err
		}
		for _, row := range page.Value {
			key := strings.TrimSpace(strings.ToLower(fmt.Sprint(row[by])))
			if rows[key] != nil {
				return nil, fmt.Errorf("%s %s is there twice", by, key)
			}
			rows[key] = row
		}
		next = page.Next
	}
	return rows, nil
}

func fetchJSON(client *http.Client, request *http.Request, into any) error {
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", request.URL, answer.Status)
	}
	return json.NewDecoder(answer.Body).Decode(into)
}
