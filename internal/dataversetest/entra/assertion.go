package entra

import (
	"bytes"
	"crypto"
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
)

// assertion is the JWT with which a client proves that it holds a certificate's key.
type assertion struct {
	Alg     string `json:"alg"`
	X5T     string `json:"x5t"`
	X5TS256 string `json:"x5t#S256"`
}

type assertionClaims struct {
	Aud audience    `json:"aud"`
	Iss string      `json:"iss"`
	Sub string      `json:"sub"`
	Nbf json.Number `json:"nbf"`
	Exp json.Number `json:"exp"`
}

// audience is one text, or a list of them.
type audience []string

func (a *audience) UnmarshalJSON(data []byte) error {
	var one string
	if err := json.Unmarshal(data, &one); err == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(a))
}

// checkAssertion checks the certificate, the signature, the parties, the audience and the validity, in this order. The
// same assertion may come again while it is valid (clients cache them), so jti is not remembered.
func (a *Authority) checkAssertion(q *request, app application, text string) *Error {
	j, err := parseJWT(text)
	if err != nil {
		return failure(50027, err)
	}
	var header assertion
	var claims assertionClaims
	if json.Unmarshal(j.header, &header) != nil || json.Unmarshal(j.claims, &claims) != nil {
		return failure(50027, "its parts are not JSON")
	}
	certificate, failed := header.certificate(app)
	if failed != nil {
		return failed
	}
	if err := header.verify(certificate, j); err != nil {
		return failure(700027, err, thumbprint(certificate))
	}
	if !strings.EqualFold(claims.Iss, app.clientID) || !strings.EqualFold(claims.Sub, app.clientID) {
		return failure(700021)
	}
	if !q.addressed(claims.Aud) {
		return failure(700023)
	}
	return claims.checkTime(a.options.Now())
}

// certificate finds the certificate that the header names by its thumbprint.
func (h assertion) certificate(app application) (*x509.Certificate, *Error) {
	if h.X5T == "" && h.X5TS256 == "" {
		return nil, failure(50012, "the header has neither x5t nor x5t#S256")
	}
	for _, c := range app.certificates {
		short, long := sha1.Sum(c.Raw), sha256.Sum256(c.Raw)
		if matches(h.X5T, short[:]) && matches(h.X5TS256, long[:]) {
			return c, nil
		}
	}
	return nil, failure(700027, "The key was not found.", h.X5T+h.X5TS256)
}

// matches accepts a thumbprint in base64url, as the specification has it, and in plain base64, as MSAL writes x5t#S256.
// A thumbprint that is not given matches.
func matches(given string, sum []byte) bool {
	if given == "" {
		return true
	}
	given = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(given, "="))
	decoded, err := base64.RawStdEncoding.DecodeString(given)
	return err == nil && bytes.Equal(decoded, sum)
}

func (h assertion) verify(certificate *x509.Certificate, j jwt) error {
	key, ok := certificate.PublicKey.(*rsa.PublicKey)
	if !ok {
		return errors.New("the certificate's key is not RSA")
	}
	digest := sha256.Sum256([]byte(j.signed))
	var err error
	switch h.Alg {
	case "RS256":
		err = rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], j.signature)
	case "PS256":
		err = rsa.VerifyPSS(key, crypto.SHA256, digest[:], j.signature, nil)
	default:
		return fmt.Errorf("the algorithm %q is not supported", h.Alg)
	}
	if err != nil {
		return errors.New("client assertion failed signature validation")
	}
	return nil
}

func thumbprint(c *x509.Certificate) string {
	sum := sha1.Sum(c.Raw)
	return fmt.Sprintf("%X", sum)
}

// addressed accepts the token end point that was asked, the other version's, and the tenant's issuer.
func (q *request) addressed(to audience) bool {
	for _, address := range to {
		address = strings.TrimSuffix(address, "/")
		for _, own := range []string{q.endpoint, q.base, q.base + "/v2.0", q.base + "/oauth2/token", q.base + "/oauth2/v2.0/token"} {
			if strings.EqualFold(address, own) {
				return true
			}
		}
	}
	return false
}

func (c assertionClaims) checkTime(now time.Time) *Error {
	exp, err := c.Exp.Float64()
	if err != nil {
		return failure(50012, "it has no exp")
	}
	expires := time.Unix(int64(exp), 0)
	from := now
	if nbf, err := c.Nbf.Float64(); err == nil {
		from = time.Unix(int64(nbf), 0)
	}
	if now.After(expires.Add(skew)) || now.Add(skew).Before(from) {
		stamp := func(t time.Time) string { return t.UTC().Format(time.RFC3339) }
		return failure(700024, stamp(now), stamp(from), stamp(expires))
	}
	return nil
}
