package dataversetest

import (
	"crypto/x509"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"

	"penstock/internal/dataversetest/schema"
)

// User is an application registered in Entra ID and, unless it is an Outsider, added to the environment as an
// application user.
type User struct {
	ClientID     string
	Secrets      []string
	Certificates []*x509.Certificate
	Name         string // "" is the client id
	ID           string // systemuserid; "" is derived from the client id
	Roles        []Role // of an Outsider: none
	Disabled     bool
	Outsider     bool
}

// Role is a security role: the names of its privileges, prvCreateContact and the like, where prv*Contact stands for
// all of contact. Of a nil list it has every one.
type Role struct {
	Name       string
	Privileges []string
}

// SystemAdministrator is the role that may do everything.
var SystemAdministrator = Role{Name: "System Administrator"}

// DefaultUser is the application user of a server that is given none.
var DefaultUser = User{
	ClientID: "11111111-2222-3333-4444-555555555555", Secrets: []string{"penstock-emulator-secret"},
	Name: "Penstock", Roles: []Role{SystemAdministrator},
}

// account is a user with what it may do.
type account struct {
	User
	all        bool
	privileges map[string]bool // in lower case
	patterns   []string        // of further ones
}

func (s *Server) admitUsers() {
	s.users = map[string]*account{}
	for _, u := range s.options.Users {
		if u.ID == "" {
			u.ID = schema.ID("systemuser", strings.ToLower(u.ClientID))
		}
		if u.Name == "" {
			u.Name = u.ClientID
		}
		a := &account{User: u, privileges: map[string]bool{}}
		for _, role := range u.Roles {
			a.all = a.all || role.Privileges == nil
			for _, p := range role.Privileges {
				if p = strings.ToLower(p); strings.Contains(p, "*") {
					a.patterns = append(a.patterns, p)
				} else {
					a.privileges[p] = true
				}
			}
		}
		s.users[strings.ToLower(u.ClientID)] = a
	}
}

// authenticate finds the user of a request, or says why it may not enter.
func (s *Server) authenticate(r *http.Request) (*account, error) {
	clientID, err := s.clientOf(r)
	if err != nil {
		// The service answers with an empty body; the challenge says where tokens come from.
		return nil, &Error{Status: 401, Header: http.Header{"Www-Authenticate": {s.challenge(r)}}}
	}
	user := s.users[strings.ToLower(clientID)]
	switch {
	case user == nil || user.Outsider:
		return nil, failf(403, "0x80072560", "The user is not a member of the organization.")
	case user.Disabled:
		return nil, failf(403, "0x80040225", "The specified user(Id = %s) is disabled. Consider enabling this user.", user.ID)
	case len(user.Roles) == 0:
		return nil, failf(403, "0x80042f09", "The user with id %s has not been assigned any roles. They need a role with the prvReadSdkMessageProcessingStep privilege.", user.ID)
	}
	return s.impersonated(r.Header, user)
}

// impersonated is the user on whose behalf the request is made: by id of its record, or by its id in Entra ID.
func (s *Server) impersonated(h http.Header, user *account) (*account, error) {
	id := h.Get("CallerObjectId")
	if id == "" {
		id = h.Get("MSCRMCallerID")
	}
	if id == "" {
		return user, nil
	}
	if !user.holds("prvActOnBehalfOfAnotherUser") {
		return nil, user.denied("prvActOnBehalfOfAnotherUser", schema.ID("privilege", "prvActOnBehalfOfAnotherUser"), nil)
	}
	for _, other := range s.users {
		if strings.EqualFold(other.ID, id) || strings.EqualFold(objectID(other.ClientID), id) {
			return other, nil
		}
	}
	return nil, failf(400, "0x80048d1a", "Invalid caller id: %s. No user of the organization has it.", id)
}

// objectID is the id of the service principal of an application in Entra ID.
func objectID(clientID string) string {
	return schema.ID("serviceprincipal", strings.ToLower(clientID))
}

// challenge tells clients where to get tokens, and for whom.
func (s *Server) challenge(r *http.Request) string {
	return fmt.Sprintf("Bearer authorization_uri=%s/%s/oauth2/authorize, resource_id=%s/", baseURL(r), s.tenant(), baseURL(r))
}

func (s *Server) tenant() string {
	if s.options.Tenant != "" {
		return s.options.Tenant
	}
	return defaultTenant
}

// userOf names the user of a request for the gate; "" is nobody.
func (s *Server) userOf(r *http.Request) string {
	clientID, err := s.clientOf(r)
	if err != nil {
		return ""
	}
	return strings.ToLower(clientID)
}

func (a *account) holds(privilege string) bool {
	privilege = strings.ToLower(privilege)
	return a.all || a.privileges[privilege] || slices.ContainsFunc(a.patterns, func(pattern string) bool {
		matches, _ := path.Match(pattern, privilege) // a pattern that is not valid matches nothing
		return matches
	})
}

// may says whether the user has a privilege on a table; else it is the service's refusal.
func (a *account) may(verb string, t *table) error {
	if a.all {
		return nil
	}
	name, id := t.Privilege(verb)
	if a.holds(name) {
		return nil
	}
	return a.denied(name, id, t)
}

func (a *account) denied(privilege, id string, t *table) *Error {
	about := ""
	if t != nil {
		about = fmt.Sprintf(" on OTC=%d for entity '%s' (LocalizedName='%s')", t.ObjectTypeCode, t.LogicalName, t.DisplayName)
	}
	return failf(403, "0x80040220", "Principal user (Id=%s, type=8, roleCount=%d, privilegeCount=%d, accessMode=4) is missing %s privilege (Id=%s)%s. "+
		"context.Caller=%s. Consider adding missed privilege to one of the principal (user/team) roles.",
		a.ID, len(a.Roles), len(a.privileges), privilege, id, about, a.ID)
}
