package dataversetest

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"penstock/internal/dataversetest/traffic"
)

const controlGuide = `
GET    /_emulator/users          the applications, and what they may do
POST   /_emulator/secrets        rotate a secret: {"client_id":"…","add":"new secret","revoke":"old secret","expires":"2026-01-02T03:04:05Z"}
POST   /_emulator/tokens         {"lifetime":"2m"} for tokens to come
GET    /_emulator/duplicates     rules of duplicate detection
PUT    /_emulator/duplicates     replace them, e.g. [{"table":"lead","columns":["emailaddress1"]}]
POST   /_emulator/snapshot       keep all rows under ?name=
POST   /_emulator/restore        put the rows of ?name= in the place of all there are
`

// newControl makes the handler of /_emulator/: the gate's own end points, and those about the organisation.
func (s *Server) newControl() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/_emulator/", s.gate.Control())
	mux.HandleFunc("GET /_emulator/users", s.controlUsers)
	mux.HandleFunc("POST /_emulator/secrets", s.controlSecrets)
	mux.HandleFunc("POST /_emulator/tokens", s.controlTokens)
	mux.HandleFunc("GET /_emulator/duplicates", func(w http.ResponseWriter, _ *http.Request) { traffic.Reply(w, s.DuplicateRules()) })
	mux.HandleFunc("PUT /_emulator/duplicates", s.controlDuplicates)
	mux.HandleFunc("POST /_emulator/snapshot", s.controlSnapshot)
	mux.HandleFunc("POST /_emulator/restore", s.controlSnapshot)
	return guard(mux)
}

// guard keeps web pages out. The control endpoints ask for no credentials, so a page that a browser shows must neither
// send to them nor, by a name that it makes lead here, read from them.
func guard(next http.Handler) http.Handler {
	sameOrigin := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := sameOrigin.Check(r)
		if err == nil && !localName(r.Host) {
			err = fmt.Errorf("the host %q is not this machine's", r.Host)
		}
		if err != nil {
			traffic.Complain(w, http.StatusForbidden, fmt.Errorf("the control endpoints refuse requests of web pages: %w", err))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// localName accepts addresses, this machine's names, and names without a dot, such as containers have: nobody can
// register those.
func localName(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	if net.ParseIP(host) != nil || !strings.Contains(host, ".") || strings.HasSuffix(host, ".localhost") || strings.HasSuffix(host, ".internal") {
		return host != ""
	}
	name, err := os.Hostname()
	return err == nil && strings.EqualFold(name, host)
}

func (s *Server) controlUsers(w http.ResponseWriter, _ *http.Request) {
	type user struct {
		ClientID   string   `json:"client_id"`
		UserID     string   `json:"user_id"`
		Name       string   `json:"name"`
		Roles      []string `json:"roles"`
		Disabled   bool     `json:"disabled,omitempty"`
		Outsider   bool     `json:"outsider,omitempty"`
		Everything bool     `json:"everything,omitempty"` // has every privilege
	}
	users := []user{}
	for _, a := range s.users {
		one := user{ClientID: a.ClientID, UserID: a.ID, Name: a.Name, Roles: []string{}, Disabled: a.Disabled, Outsider: a.Outsider, Everything: a.all}
		for _, role := range a.Roles {
			one.Roles = append(one.Roles, role.Name)
		}
		users = append(users, one)
	}
	slices.SortFunc(users, func(a, b user) int { return strings.Compare(a.ClientID, b.ClientID) })
	traffic.Reply(w, users)
}

func (s *Server) controlSecrets(w http.ResponseWriter, r *http.Request) {
	var body struct {
		ClientID string    `json:"client_id"`
		Add      string    `json:"add"`
		Expires  time.Time `json:"expires"`
		Revoke   string    `json:"revoke"`
	}
	err := traffic.Decode(w, r, &body)
	switch {
	case err != nil:
	case s.users[strings.ToLower(body.ClientID)] == nil:
		err = fmt.Errorf("client_id: there is no application %q", body.ClientID)
	case body.Add == "" && body.Revoke == "":
		err = errors.New("add or revoke is missing")
	}
	if err != nil {
		traffic.Complain(w, http.StatusBadRequest, err)
		return
	}
	if body.Add != "" {
		s.entra.AddSecret(body.ClientID, body.Add, body.Expires)
	}
	if body.Revoke != "" {
		s.entra.RevokeSecret(body.ClientID, body.Revoke)
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) controlTokens(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Lifetime traffic.Duration `json:"lifetime"`
	}
	err := traffic.Decode(w, r, &body)
	if err == nil && body.Lifetime <= 0 {
		err = errors.New("lifetime: is longer than nothing")
	}
	if err != nil {
		traffic.Complain(w, http.StatusBadRequest, err)
		return
	}
	s.entra.SetLifetime(time.Duration(body.Lifetime))
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) controlDuplicates(w http.ResponseWriter, r *http.Request) {
	var rules []DuplicateRule
	err := traffic.Decode(w, r, &rules)
	if err == nil {
		err = s.SetDuplicateRules(rules)
	}
	if err != nil {
		traffic.Complain(w, http.StatusBadRequest, err)
		return
	}
	traffic.Reply(w, s.DuplicateRules())
}

func (s *Server) controlSnapshot(w http.ResponseWriter, r *http.Request) {
	name, do := r.URL.Query().Get("name"), s.Snapshot
	if strings.HasSuffix(r.URL.Path, "/restore") {
		do = s.Restore
	}
	err := do(r.Context(), name)
	switch {
	case errors.Is(err, ErrNoSnapshot):
		traffic.Complain(w, http.StatusNotFound, err)
	case err != nil && !snapshotName.MatchString(name):
		traffic.Complain(w, http.StatusBadRequest, err)
	case err != nil:
		traffic.Complain(w, http.StatusInternalServerError, err)
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}
