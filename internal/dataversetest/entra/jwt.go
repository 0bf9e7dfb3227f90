package entra

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Token is an access token with what it says.
type Token struct {
	Value    string
	Audience string
	Issued   time.Time
	Expires  time.Time
}

// Principal is who a token speaks for.
type Principal struct {
	ClientID string
	ObjectID string
	TenantID string
	Audience string
	Expires  time.Time
}

// Why Verify refuses a token.
var (
	ErrMalformed = errors.New("not a token of this authority")
	ErrSignature = errors.New("the token's signature is wrong")
	ErrExpired   = errors.New("the token has expired")
	ErrNotYet    = errors.New("the token is not valid yet")
	ErrAudience  = errors.New("the token is for another resource")
)

// skew is how far the clocks of client and authority may be apart.
const skew = 5 * time.Minute

// accessClaims are those of a v1 access token, which is the kind that Dataverse gets.
type accessClaims struct {
	Aud      string `json:"aud"`
	Iss      string `json:"iss"`
	Iat      int64  `json:"iat"`
	Nbf      int64  `json:"nbf"`
	Exp      int64  `json:"exp"`
	AppID    string `json:"appid"`
	AppIDACR string `json:"appidacr"`
	IDType   string `json:"idtyp"`
	OID      string `json:"oid"`
	Sub      string `json:"sub"`
	TID      string `json:"tid"`
	UTI      string `json:"uti"`
	Ver      string `json:"ver"`
}

// Issue makes a token for a registered application without a request, for tests of a resource server.
func (a *Authority) Issue(clientID, tenantID, resource string) (Token, error) {
	app, ok := a.find(clientID)
	if !ok {
		return Token{}, failure(700016, clientID, tenantID)
	}
	return a.issue(app, tenantID, resource, "https://sts.windows.net/"+tenantID), nil
}

func (a *Authority) issue(app application, tenantID, audience, base string) Token {
	a.mu.RLock()
	lifetime := a.lifetime
	a.mu.RUnlock()
	now := a.options.Now().Truncate(time.Second)
	t := Token{Audience: audience, Issued: now, Expires: now.Add(lifetime)}
	t.Value = a.sign(accessClaims{
		Aud: audience, Iss: base[:strings.LastIndexByte(base, '/')+1] + tenantID + "/", Iat: now.Unix(), Nbf: now.Unix(), Exp: t.Expires.Unix(),
		AppID: app.clientID, AppIDACR: "1", IDType: "app", OID: app.objectID, Sub: app.objectID, TID: tenantID, UTI: uuid.NewString(), Ver: "1.0",
	})
	return t
}

func (a *Authority) sign(claims accessClaims) string {
	header, _ := json.Marshal(map[string]string{"typ": "JWT", "alg": "RS256", "kid": a.keyID(), "x5t": a.keyID()})
	payload, _ := json.Marshal(claims) // strings and numbers: cannot fail
	text := encode(header) + "." + encode(payload)
	digest := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, a.key(), crypto.SHA256, digest[:])
	if err != nil {
		panic(fmt.Errorf("sign token: %w", err)) // the key was made here, and is large enough
	}
	return text + "." + encode(signature)
}

func (a *Authority) keyID() string {
	sum := sha1.Sum(x509.MarshalPKCS1PublicKey(&a.key().PublicKey))
	return encode(sum[:])
}

// Verify checks a token of this authority for a resource: its signature, its validity, and its audience, where a slash
// at the end and the case of the host do not count.
func (a *Authority) Verify(token, audience string) (Principal, error) {
	j, err := parseJWT(token)
	if err != nil {
		return Principal{}, ErrMalformed
	}
	var header struct {
		Alg, Kid string
	}
	var claims accessClaims
	if json.Unmarshal(j.header, &header) != nil || json.Unmarshal(j.claims, &claims) != nil || header.Alg != "RS256" {
		return Principal{}, ErrMalformed
	}
	digest := sha256.Sum256([]byte(j.signed))
	if rsa.VerifyPKCS1v15(&a.key().PublicKey, crypto.SHA256, digest[:], j.signature) != nil {
		return Principal{}, ErrSignature
	}
	now := a.options.Now()
	switch {
	case !now.Before(time.Unix(claims.Exp, 0)):
		return Principal{}, ErrExpired
	case now.Add(skew).Before(time.Unix(claims.Nbf, 0)):
		return Principal{}, ErrNotYet
	case !sameResource(claims.Aud, audience):
		return Principal{}, ErrAudience
	}
	return Principal{ClientID: claims.AppID, ObjectID: claims.OID, TenantID: claims.TID, Audience: claims.Aud, Expires: time.Unix(claims.Exp, 0)}, nil
}

func sameResource(a, b string) bool {
	return strings.EqualFold(strings.TrimRight(a, "/"), strings.TrimRight(b, "/"))
}

type jwt struct {
	header, claims, signature []byte
	signed                    string
}

func parseJWT(token string) (jwt, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return jwt{}, errors.New("it has not three parts")
	}
	var decoded [3][]byte
	for i, part := range parts {
		var err error
		if decoded[i], err = base64.RawURLEncoding.DecodeString(strings.TrimRight(part, "=")); err != nil {
			return jwt{}, errors.New("it is not base64url")
		}
	}
	return jwt{header: decoded[0], claims: decoded[1], signature: decoded[2], signed: parts[0] + "." + parts[1]}, nil
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
