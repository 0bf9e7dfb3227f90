package schema

// privileges that a table shares with others instead of having its own: all activities answer to one set, and the
// members of a list to those of the list.
func (t *Table) privilegeStem() string {
	switch {
	case t.IsActivity, t.LogicalName == "activityparty":
		return "Activity"
	case t.LogicalName == "systemuser":
		return "User"
	case t.LogicalName == "listmember":
		return "List"
	case t.LogicalName == "transactioncurrency":
		return "TransactionCurrency"
	}
	return t.SchemaName
}

// Verbs are what privileges are about, in the order in which the service lists them.
var Verbs = []string{"Create", "Read", "Write", "Delete", "Assign", "Share", "Append", "AppendTo"}

// Privilege names the privilege that a verb (Create, Read, Write, Delete, Assign, Share, Append, AppendTo) takes on this
// table, as in prvCreateContact, and its id.
func (t *Table) Privilege(verb string) (name, id string) {
	name = "prv" + verb + t.privilegeStem()
	return name, ID("privilege", name)
}

// PrivilegeVerbs are those that exist for the table: what no user owns cannot be assigned or shared.
func (t *Table) PrivilegeVerbs() []string {
	var verbs []string
	for _, verb := range Verbs {
		if t.OwnershipType != "UserOwned" && (verb == "Assign" || verb == "Share") {
			continue
		}
		verbs = append(verbs, verb)
	}
	return verbs
}
