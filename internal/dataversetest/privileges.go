package dataversetest

import (
	"sort"

	"penstock/internal/dataversetest/schema"
)

// furtherPrivileges are those that belong to no table.
var furtherPrivileges = []string{"prvActOnBehalfOfAnotherUser", "prvBulkDelete", "prvBypassCustomBusinessLogic", "prvBypassCustomPlugins",
	"prvOverrideCreatedOnCreatedBy", "prvPublishCustomization"}

// retrieveUserPrivileges answers systemusers(id)/Microsoft.Dynamics.CRM.RetrieveUserPrivileges().
func (s *Server) retrieveUserPrivileges(r *request, _ *table, ref *reference) (*response, error) {
	var user *account
	for _, a := range s.users {
		if a.ID == ref.id {
			user = a
		}
	}
	if user == nil {
		return nil, ref.missing()
	}
	var o output
	r.typed(&o, "RetrieveUserPrivilegesResponse").raw(`,"RolePrivileges":[`)
	first := true
	for _, name := range s.privilegeNames() {
		if !user.holds(name) {
			continue
		}
		if !first {
			o.raw(",")
		}
		first = false
		o.raw(`{"Depth":"Global","PrivilegeId":`).str(schema.ID("privilege", name)).raw(`,"BusinessUnitId":`).str(businessUnit)
		o.raw(`,"PrivilegeName":`).str(name).raw("}")
	}
	return jsonReply(o.raw("]}")), nil
}

func (s *Server) privilegeNames() []string {
	seen := map[string]bool{}
	for _, t := range s.org.Tables {
		for _, verb := range t.PrivilegeVerbs() {
			name, _ := t.Privilege(verb)
			seen[name] = true
		}
	}
	for _, name := range furtherPrivileges {
		seen[name] = true
	}
	names := make([]string, 0, len(seen))
	for name := range seen {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}
