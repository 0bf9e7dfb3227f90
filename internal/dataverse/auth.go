package dataverse

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	msal "github.com/AzureAD/microsoft-authentication-library-for-go/apps/errors"

	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/confidential"

	"penstock/internal/cloud"
	"penstock/internal/fault"
)

const (
	renewBefore = 5 * time.Minute  // a token with less left is renewed; a short-lived one in its last fifth
	lastUse     = 30 * time.Second // a token with less left is not used at all
	maxSignIn   = 1 << 20          // bytes of an answer of the authority
)

// signIn is what getting tokens needs to know about the connection.
type signIn struct {
	authority string // https://host/tenant
	scope     string
	client    *http.Client
	clock     Clock
	source    func(context.Context) ([]Credential, error)
}

// tokens keeps one application user's access token fresh.
type tokens struct {
	signIn *signIn
	place  int // in the list of credentials

	turn       chan struct{} // one holder at a time; a channel, so that waiting ends with ctx
	credential Credential
	client     *confidential.Client // nil until the first sign-in, and again when its cache must be passed over
	token      string
	renewAt    time.Time
	expires    time.Time
}

func newTokens(s *signIn, place int, c Credential) *tokens {
	return &tokens{signIn: s, place: place, turn: make(chan struct{}, 1), credential: c}
}

// get returns a token to call with. refused is the one that the service has
// just turned down, or "": it is not handed out again.
func (t *tokens) get(ctx context.Context, refused string) (string, error) {
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
	case <-ctx.Done():
		return "", cancelled(ctx.Err())
	}
	now := t.signIn.clock.Now()
	if t.token != "" && t.token != refused && now.Before(t.renewAt) {
		return t.token, nil
	}
	if refused != "" && t.token == refused {
		t.client, t.token = nil, "" // MSAL's own cache still holds the refused token
	}
	err := t.renew(ctx, refused)
	switch {
	case err == nil:
		return t.token, nil
	case ctx.Err() != nil:
		return "", cancelled(ctx.Err())
	case t.token != "" && now.Before(t.expires.Add(-lastUse)) && !fault.Is(err, fault.Denied):
		return t.token, nil // the authority is out of reach for a moment, the token still good
	}
	return "", err
}

// renew signs in; a refused credential is read from its source again, once,
// because secrets are rotated while runs last.
func (t *tokens) renew(ctx context.Context, refused string) error {
	err := t.acquire(ctx, refused)
	if !fault.Is(err, fault.Denied) || t.signIn.source == nil {
		return err
	}
	list, sourceErr := t.signIn.source(ctx)
	if sourceErr != nil {
		return errors.Join(err, fmt.Errorf("read the refused credential again: %w", sourceErr))
	}
	next, ok := t.successor(list)
	if !ok {
		return err
	}
	t.credential, t.client = next, nil
	return t.acquire(ctx, refused)
}

// successor finds what has taken the credential's place: the same client with
// another secret, else whatever stands where it stood.
func (t *tokens) successor(list []Credential) (Credential, bool) {
	for _, c := range list {
		if c.clientID != "" && c.clientID == t.credential.clientID {
			return c, !c.equal(t.credential)
		}
	}
	if t.place < len(list) {
		return list[t.place], !list[t.place].equal(t.credential)
	}
	return Credential{}, false
}

func (t *tokens) acquire(ctx context.Context, refused string) error {
	if t.credential.token != nil {
		if t.credential.token() == refused {
			return fault.New(fault.Denied, "token_refused", "the environment does not accept the access token").
				Advise("it may have expired or be meant for another environment; get a new one")
		}
		t.keep(t.credential.token(), t.signIn.clock.Now().Add(100*365*24*time.Hour)) // until it is refused
		return nil
	}
	if t.client == nil {
		client, err := t.signIn.connect(t.credential)
		if err != nil {
			return err
		}
		t.client = &client
	}
	result, err := t.client.AcquireTokenByCredential(ctx, []string{t.signIn.scope})
	if err != nil {
		return signInFault(err)
	}
	t.keep(result.AccessToken, result.ExpiresOn)
	return nil
}

func (t *tokens) keep(token string, expires time.Time) {
	life := expires.Sub(t.signIn.clock.Now())
	t.token, t.expires, t.renewAt = token, expires, expires.Add(-min(renewBefore, life/5))
}

func (s *signIn) connect(c Credential) (confidential.Client, error) {
	var (
		proof confidential.Credential
		err   error
	)
	if c.secret != nil {
		proof, err = confidential.NewCredFromSecret(c.secret())
	} else {
		proof, err = confidential.NewCredFromCert(c.certs, c.key)
	}
	if err != nil {
		return confidential.Client{}, badCredential("the credential cannot be used to sign in")
	}
	u, err := url.Parse(s.authority)
	if err != nil {
		return confidential.Client{}, fault.New(fault.Refused, "bad_authority", "the authority is not an address")
	}
	options := []confidential.Option{
		confidential.WithHTTPClient(s.client),
		confidential.WithAzureRegion("DisableMsalForceRegion"), // an environment variable must not redirect secrets
	}
	if !cloud.IsAuthority(u.Hostname()) {
		// Discovery would ask Microsoft about an authority that Microsoft does not know.
		options = append(options, confidential.WithInstanceDiscovery(false))
	}
	client, err := confidential.New(s.authority, c.clientID, proof, options...)
	if err != nil {
		return client, fault.New(fault.Refused, "bad_authority", "the authority cannot be used to sign in").
			Advise("it must be an https address, and tenant an id or a domain")
	}
	return client, nil
}

// refusals explain the authority's AADSTS numbers.
var refusals = map[int]struct{ code, message, advice string }{
	7000215: {"wrong_secret", "the client secret is wrong", "use the secret's value, not its id"},
	7000218: {"wrong_secret", "the authority got no client secret or certificate", "check the credential"},
	7000222: {"expired_secret", "the client secret has expired", "make a new secret for the app registration"},
	700016:  {"unknown_application", "there is no application of this client id in the tenant", "check client_id and tenant"},
	90002:   {"unknown_tenant", "there is no such tenant", "check tenant: its id or one of its verified domains"},
	900023:  {"unknown_tenant", "the tenant is neither an id nor a domain", "check tenant: its id or one of its verified domains"},
	700027:  {"wrong_certificate", "the certificate is not registered for the application, or the key does not fit", "upload the certificate to the app registration"},
	50012:   {"wrong_certificate", "the signed assertion was not accepted", "check the certificate and this machine's clock"},
	700024:  {"clock_skew", "the signed assertion is outside its time of validity", "check this machine's clock"},
	70011:   {"wrong_environment", "the authority does not accept the environment's address as a scope", "check the connection's url"},
	1002012: {"wrong_environment", "the authority does not accept the environment's address as a scope", "check the connection's url"},
	500011:  {"unknown_environment", "the tenant does not know this environment", "check that url and tenant belong together"},
	53003:   {"blocked_by_policy", "a Conditional Access policy blocks the application", "ask the tenant's administrator"},
}

// passing AADSTS numbers are throttles and troubles of the authority.
var passing = map[int]bool{90055: true, 90006: true, 90012: true, 90024: true, 90033: true, 50033: true}

var aadsts = regexp.MustCompile(`AADSTS(\d{1,9})`)

// signInFault names why there is no token. MSAL's own errors stay behind:
// they quote whole answers, which may hold a token.
func signInFault(err error) error {
	if cured := hopeless(err); cured != nil {
		return cured
	}
	var answer msal.CallErr
	if !errors.As(err, &answer) || answer.Resp == nil {
		var network *url.Error
		if errors.As(err, &network) {
			return &transportError{cause: fmt.Errorf("reach the authority: %w", network.Err)}
		}
		return fault.New(fault.Refused, "bad_authority", "the authority's answers are not those of a token endpoint").
			Advise("check authority and tenant")
	}
	status, number := answer.Resp.StatusCode, aadstsNumber(answer)
	if d, known := refusals[number]; known {
		return fault.New(fault.Denied, d.code, "%s (AADSTS%d)", d.message, number).Advise("%s", d.advice)
	}
	switch {
	case passing[number], status == http.StatusTooManyRequests, status >= 500:
		return &transportError{cause: fmt.Errorf("the authority answered %d AADSTS%d", status, number)}
	case number != 0:
		return fault.New(fault.Denied, "sign_in_refused", "the authority refused the sign-in with AADSTS%d", number).
			Advise("see https://login.microsoftonline.com/error?code=%d", number)
	case answer.Req != nil && answer.Req.Method == http.MethodGet:
		return fault.New(fault.Refused, "bad_authority", "the authority answered %d when asked for its configuration", status).
			Advise("check authority and tenant")
	}
	return fault.New(fault.Denied, "sign_in_refused", "the authority refused the sign-in (status %d)", status)
}

func aadstsNumber(answer msal.CallErr) int {
	if answer.Resp.Body != nil {
		body, _ := io.ReadAll(io.LimitReader(answer.Resp.Body, maxSignIn))
		var in struct {
			Codes []int `json:"error_codes"`
		}
		if json.Unmarshal(body, &in) == nil && len(in.Codes) > 0 {
			return in.Codes[0]
		}
	}
	if m := aadsts.FindStringSubmatch(answer.Error()); m != nil {
		n, _ := strconv.Atoi(m[1])
		return n
	}
	return 0
}

// guard lets a sign-in talk to the authority only. Rule S1: its configuration
// names the token endpoint, and a secret must not follow it anywhere.
type guard struct {
	next      http.RoundTripper
	authority origin
}

func (g guard) RoundTrip(r *http.Request) (*http.Response, error) {
	o := originOf(r.URL)
	microsoft := func(o origin) bool {
		host, https := strings.CutPrefix(string(o), "https://")
		return https && cloud.IsAuthority(host)
	}
	if o != g.authority && !(microsoft(o) && microsoft(g.authority)) {
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, fault.New(fault.Refused, "foreign_authority", "the authority points to another host for sign-in; nothing was sent there")
	}
	resp, err := g.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(resp.Body, maxSignIn), resp.Body}
	return resp, nil
}
