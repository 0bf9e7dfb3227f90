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
	for _, u := range c.limiter.users {
		granted, err := c.granted(ctx, u)
		if err != nil {
			return nil, fmt.Errorf("read the privileges of the application user: %w", err)
		}
		for _, p := range in.Privileges {
			if slices.Contains(kinds, p.PrivilegeType) && !granted[strings.ToLower(p.PrivilegeID)] && !slices.Contains(missing, p.Name) {
				missing = append(missing, p.Name)
			}
		}
	}
	slices.Sort(missing)
	return missing, nil
}

// granted are the ids of the privileges that a user has through any role or team.
func (c *Client) granted(ctx context.Context, u *user) (map[string]bool, error) {
	who, err := c.whoIs(ctx, u)
	if err != nil {
		return nil, err
	}
	var in struct {
		RolePrivileges []struct{ PrivilegeID string }
	}
	path := "systemusers(" + escapeQuery(who.UserID) + ")/Microsoft.Dynamics.CRM.RetrieveUserPrivileges()"
	if err := c.get(ctx, path, &in, func(r *request) { r.user = u }); err != nil {
		return nil, err
	}
	granted := make(map[string]bool, len(in.RolePrivileges))
	for _, p := range in.RolePrivileges {
		granted[strings.ToLower(p.PrivilegeID)] = true
	}
	return granted, nil
}
