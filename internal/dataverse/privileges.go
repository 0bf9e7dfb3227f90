package dataverse

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"penstock/internal/fault"
)

// Privileges returns the names of the privileges on a table that an application
// user of this connection lacks, of the kinds asked for: Create, Read, Write,
// Delete, Append, AppendTo. A kind that the table does not have is nobody's lack.
func (c *Client) Privileges(ctx context.Context, table string, kinds ...string) (missing []string, err error) {
	if !logicalName.MatchString(table) {
		return nil, fault.New(fault.Refused, "unknown_table", "%q is not a table's logical name", table)
	}
	var in struct {
		Privileges []struct{ Name, PrivilegeID, PrivilegeType string }
	}
	if err := c.get(ctx, definitionPath(table, "?$select=Privileges"), &in); err != nil {
		return nil, fmt.Errorf("read the privileges of table %q: %w", table, err)
	}
	return c.lacking(ctx, func(granted privileges, lacks func(name string)) {
		for _, p := range in.Privileges {
			if slices.Contains(kinds, p.PrivilegeType) && !granted.ids[strings.ToLower(p.PrivilegeID)] {
				lacks(p.Name)
			}
		}
	})
}

// PrivilegesNamed is Privileges for those that belong to no table, such as
// prvBulkDelete. An older version of the service does not name what it grants: there nobody is known to lack one.
func (c *Client) PrivilegesNamed(ctx context.Context, names ...string) (missing []string, err error) {
	return c.lacking(ctx, func(granted privileges, lacks func(name string)) {
		for _, name := range names {
			if len(granted.names) > 0 && !granted.names[strings.ToLower(name)] {
				lacks(name)
			}
		}
	})
}

// privileges are what a user has through any role or team, in lower case.
type privileges struct{ ids, names map[string]bool }

// lacking collects what judge says that any of the application users lacks.
func (c *Client) lacking(ctx context.Context, judge func(granted privileges, lacks func(name string))) (missing []string, err error) {
	for _, u := range c.limiter.users {
		granted, err := c.granted(ctx, u)
		if err != nil {
			return nil, fmt.Errorf("read the privileges of the application user: %w", err)
		}
		judge(granted, func(name string) { missing = append(missing, name) })
	}
	slices.Sort(missing)
	return slices.Compact(missing), nil
}

func (c *Client) granted(ctx context.Context, u *user) (privileges, error) {
	who, err := c.whoIs(ctx, u)
	if err != nil {
		return privileges{}, err
	}
	var in struct {
		RolePrivileges []struct{ PrivilegeID, PrivilegeName string }
	}
	path := "systemusers(" + escapeQuery(who.UserID) + ")/Microsoft.Dynamics.CRM.RetrieveUserPrivileges()"
	if err := c.get(ctx, path, &in, func(r *request) { r.user = u }); err != nil {
		return privileges{}, err
	}
	granted := privileges{map[string]bool{}, map[string]bool{}}
	for _, p := range in.RolePrivileges {
		granted.ids[strings.ToLower(p.PrivilegeID)] = true
		if p.PrivilegeName != "" {
			granted.names[strings.ToLower(p.PrivilegeName)] = true
		}
	}
	return granted, nil
}
