// Package entra is the part of Entra ID that clients of an emulated environment talk to: discovery, signing keys and
// tokens by the client credentials grant.
package entra

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Options of an Authority. The zero value admits every tenant and every resource.
type Options struct {
	Tenant   string   // the only tenant, by id; "" admits every tenant id
	Domains  []string // names that the fixed tenant also answers to
	Lifetime time.Duration
	Now      func() time.Time
	// Resource says whether an environment with this URL exists; nil says yes.
	Resource func(url string) bool
}

// Authority is a token service with its registered applications. Its methods may be called while it serves.
type Authority struct {
	options Options
	key     func() *rsa.PrivateKey

	mu       sync.RWMutex
	lifetime time.Duration
	apps     map[string]*application // by client id in lower case
}

type application struct {
	clientID     string
	objectID     string
	secrets      []secret
	certificates []*x509.Certificate
}

type secret struct {
	value   string
	expires time.Time // zero: never
}

// New makes an authority without applications. Its signing key lives as long as the process.
func New(o Options) *Authority {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Lifetime == 0 {
		o.Lifetime = time.Hour
	}
	return &Authority{options: o, lifetime: o.Lifetime, apps: map[string]*application{}, key: sync.OnceValue(newKey)}
}

func newKey() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(fmt.Errorf("make signing key: %w", err)) // the system's source of randomness is broken
	}
	return key
}

// SetLifetime changes how long the tokens live that are issued from now on.
func (a *Authority) SetLifetime(d time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lifetime = d
}

// Register adds an application. The object id is that of its service principal, the `oid` of its tokens; empty makes one.
func (a *Authority) Register(clientID, objectID string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	app := a.app(clientID)
	if objectID != "" {
		app.objectID = strings.ToLower(objectID)
	}
}

// app finds or adds an application; the lock is held.
func (a *Authority) app(clientID string) *application {
	id := strings.ToLower(clientID)
	if a.apps[id] == nil {
		a.apps[id] = &application{clientID: id, objectID: derivedID("principal", id)}
	}
	return a.apps[id]
}

// Unregister removes an application with all its credentials.
func (a *Authority) Unregister(clientID string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.apps, strings.ToLower(clientID))
}

// AddSecret gives an application one more secret; the zero time never expires. It registers the application.
func (a *Authority) AddSecret(clientID, value string, expires time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	app := a.app(clientID)
	app.secrets = append(app.secrets, secret{value, expires})
}

// RevokeSecret takes a secret away from an application; tokens that were issued for it stay valid until they expire.
func (a *Authority) RevokeSecret(clientID, value string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	app := a.app(clientID)
	var kept []secret
	for _, s := range app.secrets {
		if s.value != value {
			kept = append(kept, s)
		}
	}
	app.secrets = kept
}

// AddCertificate lets an application prove itself with the certificate's key. It registers the application.
func (a *Authority) AddCertificate(clientID string, certificate *x509.Certificate) {
	a.mu.Lock()
	defer a.mu.Unlock()
	app := a.app(clientID)
	app.certificates = append(app.certificates, certificate)
}

// RevokeCertificate takes a certificate away from an application.
func (a *Authority) RevokeCertificate(clientID string, certificate *x509.Certificate) {
	a.mu.Lock()
	defer a.mu.Unlock()
	app := a.app(clientID)
	var kept []*x509.Certificate
	for _, c := range app.certificates {
		if !c.Equal(certificate) {
			kept = append(kept, c)
		}
	}
	app.certificates = kept
}

// find returns a copy of an application, so that its credentials can be checked without the lock.
func (a *Authority) find(clientID string) (application, bool) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	app := a.apps[strings.ToLower(clientID)]
	if app == nil {
		return application{}, false
	}
	return *app, true
}

// IsPath says whether a request's path is one of the authority's.
func IsPath(path string) bool {
	_, rest, ok := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return ok && endpoint(rest) != nil
}

func endpoint(path string) func(*Authority, http.ResponseWriter, *http.Request, string) {
	switch strings.ToLower(path) {
	case "v2.0/.well-known/openid-configuration":
		return (*Authority).discoveryV2
	case ".well-known/openid-configuration":
		return (*Authority).discoveryV1
	case "oauth2/v2.0/token":
		return (*Authority).tokenV2
	case "oauth2/token":
		return (*Authority).tokenV1
	case "discovery/v2.0/keys", "discovery/keys":
		return (*Authority).keys
	case "discovery/instance":
		return (*Authority).instance
	}
	return nil
}

// ServeHTTP answers `/{tenant}/...`.
func (a *Authority) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	tenant, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	serve := endpoint(rest)
	if serve == nil {
		http.NotFound(w, r)
		return
	}
	serve(a, w, r, tenant)
}

// namespace keeps the ids that are made up here the same in every process.
var namespace = uuid.MustParse("1f7f1d3e-5f0e-5a44-8a55-3c1f1a6f2b90")

func derivedID(parts ...string) string {
	return uuid.NewSHA1(namespace, []byte(strings.Join(parts, "\x00"))).String()
}
