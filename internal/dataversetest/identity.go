package dataversetest

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"penstock/internal/dataversetest/entra"
)

// startIdentity registers the applications in the organisation's tenant.
func (s *Server) startIdentity() {
	s.entra = entra.New(entra.Options{Tenant: s.options.Tenant, Lifetime: s.options.TokenLifetime, Now: s.options.Now})
	for _, u := range s.users {
		s.entra.Register(u.ClientID, objectID(u.ClientID))
		for _, secret := range u.Secrets {
			s.entra.AddSecret(u.ClientID, secret, time.Time{})
		}
		for _, c := range u.Certificates {
			s.entra.AddCertificate(u.ClientID, c)
		}
	}
}

// Entra is the organisation's token service: its secrets, certificates and the life of its tokens.
func (s *Server) Entra() *entra.Authority { return s.entra }

var errNoToken = errors.New("no bearer token")

// clientOf is the application that a request's token was issued to.
func (s *Server) clientOf(r *http.Request) (string, error) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", errNoToken
	}
	principal, err := s.entra.Verify(strings.TrimSpace(token), baseURL(r))
	return principal.ClientID, err
}
