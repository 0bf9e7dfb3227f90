package dataversetest

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"
)

// ParseRole reads a role as it stands on a command line: a name and its privileges.
//
//	Loader=prvCreateContact,prvReadContact,prvWriteContact
//	Reader=prvRead*
func ParseRole(text string) (Role, error) {
	name, list, ok := strings.Cut(text, "=")
	role := Role{Name: strings.TrimSpace(name), Privileges: []string{}}
	if !ok || role.Name == "" {
		return role, fmt.Errorf("role %q: write it as NAME=PRIVILEGE,PRIVILEGE", text)
	}
	for privilege := range strings.SplitSeq(list, ",") {
		privilege = strings.TrimSpace(privilege)
		if !strings.HasPrefix(strings.ToLower(privilege), "prv") {
			return role, fmt.Errorf("role %q: %q is no privilege: they are called prvCreateContact, or prv*Contact for several", text, privilege)
		}
		role.Privileges = append(role.Privileges, privilege)
	}
	return role, nil
}

// ParseUser reads an application user: settings and flags, the roles by name. Without role it is an administrator;
// role=none has none.
//
//	client_id=8a1…,secret=s3cret,name=Loader,role=Loader,role=Reader
//	client_id=8a1…,certificate=cert.pem
//	client_id=8a1…,secret=s3cret,disabled
//	client_id=8a1…,secret=s3cret,outsider
//
// The text holds a secret, so errors name a setting by its place.
func ParseUser(text string, roles []Role) (User, error) {
	var u User
	given := false
	for i, part := range strings.Split(text, ",") {
		name, value, assigned := strings.Cut(strings.TrimSpace(part), "=")
		var err error
		switch {
		case name == "disabled" && !assigned:
			u.Disabled = true
		case name == "outsider" && !assigned:
			u.Outsider = true
		case !assigned || value == "":
			err = errSetting
		case name == "client_id":
			u.ClientID = value
		case name == "secret":
			u.Secrets = append(u.Secrets, value)
		case name == "certificate":
			err = u.addCertificate(value)
		case name == "name":
			u.Name = value
		case name == "id":
			u.ID = strings.ToLower(value)
		case name == "role":
			given = true
			err = u.addRole(value, roles)
		default:
			err = errSetting
		}
		if err != nil {
			return u, fmt.Errorf("user %q, setting %d: %w", u.ClientID, i+1, err)
		}
	}
	if !given && !u.Outsider {
		u.Roles = []Role{SystemAdministrator}
	}
	if u.ClientID == "" {
		return u, errors.New("user: client_id is missing")
	}
	return u, nil
}

var errSetting = errors.New("it is not understood: there are client_id=, secret=, certificate=, name=, id=, role=, disabled and outsider")

func (u *User) addRole(name string, roles []Role) error {
	switch strings.ToLower(name) {
	case "none":
		return nil
	case "administrator", strings.ToLower(SystemAdministrator.Name):
		u.Roles = append(u.Roles, SystemAdministrator)
		return nil
	}
	for _, role := range roles {
		if strings.EqualFold(role.Name, name) {
			u.Roles = append(u.Roles, role)
			return nil
		}
	}
	return fmt.Errorf("there is no role %q: declare it, or take administrator or none", name)
}

func (u *User) addCertificate(file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read the certificate: %w", err)
	}
	block, _ := pem.Decode(data)
	if block == nil || block.Type != "CERTIFICATE" {
		return errors.New("the file " + file + " holds no certificate in PEM")
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return fmt.Errorf("read the certificate: %w", err)
	}
	u.Certificates = append(u.Certificates, c)
	return nil
}
