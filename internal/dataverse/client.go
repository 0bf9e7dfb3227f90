// Package dataverse is the client of the Dataverse Web API: sign-in, metadata, reads and safe writes.
package dataverse

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"penstock/internal/cloud"
	"penstock/internal/fault"
)

// Options say which environment to talk to, as whom, and within which limits.
type Options struct {
	URL             string // origin of the environment: https://contoso.crm4.dynamics.com
	Tenant          string // Entra tenant, id or domain; not needed for access tokens
	Authority       string // origin of the sign-in; "" is that of URL's cloud
	APIVersion      string // "" is v9.2
	Credentials     []Credential
	Source          func(context.Context) ([]Credential, error) // reads the credentials again when one is refused; may be nil
	RootCAs         *x509.CertPool                              // nil is the system's
	AllowCustomHost bool                                        // rule S1
	UserAgent       string
	Timeout         time.Duration // of one attempt at one call; 0 is 5 minutes
	InFlight        int           // calls in flight per application user at most; 0 leaves it to the service's hint
	Flow            Flow          // knobs of flow control; zero is what suits the documented limits
	RequestsPerDay  int64         // requests of any 24 hours at most, each row written counts as one; 0 is no limit
	Ledger          Ledger        // remembers them over runs; nil counts those of this client
	Observer        Observer      // of calls that are no Writer's
	Clock           Clock         // nil is the wall clock

	Transport http.RoundTripper // carries the requests; nil is a pool of TLS connections
}

// Client talks to one environment. It is the unit in which limits are shared: use one per connection.
type Client struct {
	origin    origin
	root      string // origin + "/api/data/v9.2/"
	path      string // "/api/data/v9.2/"
	userAgent string
	timeout   time.Duration
	http      *http.Client
	limiter   *limiter
	clock     Clock
	observer  Observer
	reached   atomic.Bool // the service has answered at least once
	budget    *budget
	sizers    sync.Map      // table/verb -> *sizer
	latest    sync.Map      // table -> *sizer of its latest call
	sessions  sync.Map      // elastic table -> *session
	offered   sync.Map      // message/table -> bool, see Supports
	asking    chan struct{} // room for one, see Supports
	old       bool          // the API is older than the bulk actions
}

var (
	versionPattern = regexp.MustCompile(`^v\d{1,2}\.\d{1,2}$`)
	versionBefore9 = regexp.MustCompile(`^v[0-8]\.`)
	tenantPattern  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.-]{0,200}$`)
)

// Open prepares a client; it makes no call yet.
func Open(opts Options) (*Client, error) {
	if len(opts.Credentials) == 0 {
		return nil, fault.New(fault.Refused, "no_credential", "the connection has no credential")
	}
	o, err := parseOrigin("connection's url", opts.URL, cloud.IsEnvironment, opts.AllowCustomHost)
	if err != nil {
		return nil, err
	}
	version := opts.APIVersion
	if version == "" {
		version = "v9.2"
	}
	if !versionPattern.MatchString(version) {
		return nil, fault.New(fault.Refused, "bad_api_version", "the API version must be written like v9.2")
	}
	c := &Client{
		old:    versionBefore9.MatchString(version),
		origin: o, path: "/api/data/" + version + "/", root: string(o) + "/api/data/" + version + "/",
		userAgent: opts.UserAgent, timeout: opts.Timeout, clock: opts.Clock, observer: opts.Observer, asking: make(chan struct{}, 1),
	}
	if c.timeout == 0 {
		c.timeout = 5 * time.Minute
	}
	if c.clock == nil {
		c.clock = wallClock{}
	}
	transport := opts.Transport
	if transport == nil {
		transport = newTransport(opts.RootCAs)
	}
	c.http = &http.Client{Transport: transport, CheckRedirect: noRedirect}
	s, err := c.newSignIn(opts, transport)
	if err != nil {
		return nil, err
	}
	users := make([]*user, len(opts.Credentials))
	for i, credential := range opts.Credentials {
		users[i] = &user{tokens: newTokens(s, i, credential)}
	}
	c.limiter = newLimiter(c.clock, opts.InFlight, opts.Flow, users)
	c.budget = newBudget(opts.RequestsPerDay, opts.Ledger, c.clock)
	return c, nil
}

// newTransport keeps connections open and has no cookie jar: affinity cookies
// would pin all calls to one of the environment's servers. HTTP/1.1, because
// many connections spread over the servers and one multiplexed does not.
func newTransport(roots *x509.CertPool) *http.Transport {
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		// Calls at once take connections at once: those after the first resume its session, without certificates.
		TLSClientConfig:       &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12, ClientSessionCache: tls.NewLRUClientSessionCache(8)},
		MaxIdleConns:          256,
		MaxIdleConnsPerHost:   128,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   30 * time.Second,
		ExpectContinueTimeout: time.Second,
		ReadBufferSize:        32 << 10,
		WriteBufferSize:       64 << 10,
	}
}

// Rule S1: credentials do not follow redirections.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func (c *Client) newSignIn(opts Options, transport http.RoundTripper) (*signIn, error) {
	s := &signIn{scope: string(c.origin) + "/.default", clock: c.clock, source: opts.Source}
	authority := opts.Authority
	if authority == "" {
		authority = cloud.Authority(strings.TrimPrefix(string(c.origin), "https://"))
	}
	a, err := parseOrigin("authority", authority, cloud.IsAuthority, opts.AllowCustomHost)
	if err != nil {
		return nil, err
	}
	for _, credential := range opts.Credentials {
		if credential.token == nil && !tenantPattern.MatchString(opts.Tenant) {
			return nil, fault.New(fault.Refused, "bad_tenant", "the tenant is missing or neither an id nor a domain").
				Advise("set tenant to the Entra tenant's id or one of its domains")
		}
	}
	s.authority = string(a) + "/" + opts.Tenant
	s.client = &http.Client{Transport: guard{next: transport, authority: a}, CheckRedirect: noRedirect, Timeout: 30 * time.Second}
	return s, nil
}

// Close ends idle connections. Calls under way are not touched.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Users is the number of application users that share the load.
func (c *Client) Users() int { return len(c.limiter.users) }

// InFlight is how many calls are useful at once, as far as is known now.
func (c *Client) InFlight() int { return c.limiter.inFlight() }

// Identity is who an environment says that we are.
type Identity struct {
	UserID         string `json:"UserId"`
	OrganizationID string `json:"OrganizationId"`
	BusinessUnitID string `json:"BusinessUnitId"`
}

// WhoAmI asks the environment who the (first) application user is.
func (c *Client) WhoAmI(ctx context.Context) (Identity, error) {
	return c.whoIs(ctx, c.limiter.users[0])
}

func (c *Client) whoIs(ctx context.Context, u *user) (Identity, error) {
	var id Identity
	err := c.get(ctx, "WhoAmI", &id, func(r *request) { r.user = u })
	if err == nil && (id.OrganizationID == "" || id.UserID == "") {
		err = fault.New(fault.Refused, "not_dataverse", "the address answers, but not as a Dataverse environment").
			Advise("check the connection's url")
	}
	if err != nil {
		return Identity{}, fmt.Errorf("ask who the application user is: %w", err)
	}
	return id, nil
}

// Version is the environment's version, such as 9.2.24112.193.
func (c *Client) Version(ctx context.Context) (string, error) {
	var answer struct{ Version string }
	if err := c.get(ctx, "RetrieveVersion", &answer); err != nil {
		return "", fmt.Errorf("ask for the environment's version: %w", err)
	}
	return answer.Version, nil
}

// get reads JSON from a path below the service root.
func (c *Client) get(ctx context.Context, path string, into any, change ...func(*request)) error {
	r := &request{method: http.MethodGet, url: c.root + path}
	for _, f := range change {
		f(r)
	}
	answer, err := c.read(ctx, r)
	if err != nil {
		return err
	}
	return decode(answer.body, into)
}

func decode(body []byte, into any) error {
	if err := json.Unmarshal(body, into); err != nil {
		return fault.New(fault.Refused, "not_dataverse", "the address answers, but not with the service's JSON").
			Advise("check the connection's url")
	}
	return nil
}
