package dataverse

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/confidential"

	"penstock/internal/fault"
)

// secret keeps a value out of every way to print a struct.
type secret func() string

func hidden(text string) secret { return func() string { return text } }

// Credential is one application user's proof of who it is: a client secret, a
// certificate, or a ready access token. It prints without its secrets.
type Credential struct {
	clientID string
	secret   secret
	certs    []*x509.Certificate
	key      crypto.PrivateKey
	pem      secret // certificate and key as given, to compare
	token    secret
}

// String says what kind of credential it is, never what it holds.
func (c Credential) String() string {
	switch {
	case c.token != nil:
		return "an access token"
	case c.secret != nil:
		return "client " + c.clientID + " with a secret"
	default:
		return "client " + c.clientID + " with a certificate"
	}
}

// GoString is String, so that %#v shows no secrets either.
func (c Credential) GoString() string { return c.String() }

func (c Credential) equal(other Credential) bool {
	same := func(a, b secret) bool {
		return (a == nil) == (b == nil) && (a == nil || a() == b())
	}
	return c.clientID == other.clientID && same(c.secret, other.secret) && same(c.pem, other.pem) && same(c.token, other.token)
}

// credentialJSON is a credential as people write it.
type credentialJSON struct {
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret"`
	Certificate  string `json:"certificate"`
	PrivateKey   string `json:"private_key"`
	AccessToken  string `json:"access_token"`
}

// ParseCredential reads one credential or a list of them (application users
// that share the load). With allowBare a text that is no JSON object or list is
// a ready access token. Rule S2: its errors quote nothing of data.
func ParseCredential(data []byte, allowBare bool) ([]Credential, error) {
	data = bytes.TrimSpace(data)
	switch {
	case len(data) == 0:
		return nil, badCredential("the credential is empty")
	case data[0] == '[':
		var list []json.RawMessage
		if err := json.Unmarshal(data, &list); err != nil {
			return nil, badCredential("the credential starts like a JSON list but is none")
		}
		if len(list) == 0 {
			return nil, badCredential("the list of credentials is empty")
		}
		credentials := make([]Credential, len(list))
		for i, entry := range list {
			c, err := parseObject(entry)
			if err != nil {
				return nil, fmt.Errorf("credential %d of %d: %w", i+1, len(list), err)
			}
			credentials[i] = c
		}
		return credentials, nil
	case data[0] == '{':
		c, err := parseObject(data)
		if err != nil {
			return nil, err
		}
		return []Credential{c}, nil
	case allowBare:
		return parseBare(data)
	}
	return nil, badCredential("the credential is not a JSON object or list")
}

func parseBare(data []byte) ([]Credential, error) {
	text := string(data)
	if data[0] == '"' && json.Unmarshal(data, &text) != nil {
		return nil, badCredential("the credential starts with a quote but is no JSON string")
	}
	c, err := tokenCredential(text)
	if err != nil {
		return nil, err
	}
	return []Credential{c}, nil
}

func parseObject(data []byte) (Credential, error) {
	var in credentialJSON
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&in); err != nil {
		return Credential{}, badCredential("the credential is no JSON object of texts, or has fields other than " +
			"client_id, client_secret, certificate, private_key, access_token")
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return Credential{}, badCredential("something follows the credential's JSON object")
	}
	ways := 0
	for _, present := range []bool{in.ClientSecret != "", in.Certificate != "" || in.PrivateKey != "", in.AccessToken != ""} {
		if present {
			ways++
		}
	}
	if ways != 1 {
		return Credential{}, badCredential("the credential must hold exactly one of client_secret, certificate with private_key, access_token")
	}
	if in.AccessToken != "" {
		return tokenCredential(in.AccessToken)
	}
	if in.ClientID == "" {
		return Credential{}, badCredential("the credential has no client_id")
	}
	if in.ClientSecret != "" {
		return Credential{clientID: in.ClientID, secret: hidden(in.ClientSecret)}, nil
	}
	return certificateCredential(in)
}

func tokenCredential(text string) (Credential, error) {
	text = strings.TrimSpace(text)
	for _, r := range text {
		if r <= ' ' || r > '~' {
			return Credential{}, badCredential("the access token holds blanks or characters that no token has")
		}
	}
	if text == "" {
		return Credential{}, badCredential("the access token is empty")
	}
	return Credential{token: hidden(text)}, nil
}

func certificateCredential(in credentialJSON) (Credential, error) {
	if in.Certificate == "" || in.PrivateKey == "" {
		return Credential{}, badCredential("certificate and private_key belong together (PEM)")
	}
	pem := in.Certificate + "\n" + in.PrivateKey
	certs, key, err := confidential.CertFromPEM([]byte(pem), "")
	if err != nil {
		return Credential{}, badCredential("certificate or private_key is not unencrypted PEM")
	}
	if _, err := confidential.NewCredFromCert(certs, key); err != nil {
		return Credential{}, badCredential("the private_key is not an RSA key that fits the certificate")
	}
	return Credential{clientID: in.ClientID, certs: certs, key: key, pem: hidden(pem)}, nil
}

func badCredential(message string) error {
	return fault.New(fault.Denied, "bad_credential", "%s", message).
		Advise(`write {"client_id": …, "client_secret": …}, {"client_id": …, "certificate": PEM, "private_key": PEM}, {"access_token": …}, or a list of them`)
}
