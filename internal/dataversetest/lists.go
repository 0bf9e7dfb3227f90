package dataversetest

import (
	"database/sql/driver"
	"net/http"
	"strings"

	"penstock/internal/dataversetest/odata"
	"penstock/internal/dataversetest/payload"
)

// memberTables are the tables whose records can be members of a marketing list, by createdfromcode.
var memberTables = map[int64]string{1: "account", 2: "contact", 4: "lead"}

// marketingList is a list that members may be added to.
type marketingList struct {
	ref    *reference
	found  *found
	member *table // of its members
	many   field  // the relationship that leads to them
}

// openList finds a list that takes members by hand: static, unlocked and active.
func (w *work) openList(ref *reference) (*marketingList, error) {
	f, err := w.locate(ref)
	if err != nil {
		return nil, err
	}
	if f == nil {
		return nil, ref.missing()
	}
	row, err := w.tx.Row(`SELECT "type", "lockstatus", "statecode", "createdfromcode" FROM `+ref.table.sql()+" WHERE rowid = ?", f.row)
	if err != nil {
		return nil, err
	}
	switch {
	case row[0] == int64(1):
		return nil, failf(400, "0x8004f701", "The operation cannot be performed on a dynamic marketing list.")
	case row[1] == int64(1):
		return nil, failf(400, "0x80040302", "List is Locked. Cannot perform this action.")
	case row[2] == int64(1):
		return nil, failf(400, "0x8004033a", "List is not active. Cannot perform this operation.")
	}
	code, _ := row[3].(int64)
	return w.withMembers(&marketingList{ref: ref, found: f}, memberTables[code])
}

func (w *work) withMembers(l *marketingList, member string) (*marketingList, error) {
	l.member = w.s.table(member)
	for _, m := range l.ref.table.Many {
		if l.member != nil && m.Intersect == "listmember" && (m.Entity1 == member || m.Entity2 == member) {
			l.many = field{many: m, name: l.ref.table.manyNavigation(m)}
			return l, nil
		}
	}
	return nil, failf(400, "0x80040301", "The type of the members of the list is not known.")
}

// addMember answers POST /lists(id)/Microsoft.Dynamics.CRM.AddMemberList.
func (s *Server) addMember(r *request, t *table, ref *reference) (*response, error) {
	entity, err := r.entityID()
	if err != nil {
		return nil, err
	}
	if err := r.begin(t, "AddMember", 1, false); err != nil {
		return nil, err
	}
	id := ""
	err = s.write(r, func(w *work) error {
		l, err := w.openList(ref)
		if err != nil {
			return err
		}
		if id, err = w.join(l, &reference{table: l.member, id: entity}); err != nil {
			return err
		}
		return w.countMembers(l)
	})
	if err != nil {
		return nil, err
	}
	var o output
	return jsonReply(r.typed(&o, "AddMemberListResponse").raw(`,"Id":`).str(id).raw("}")), nil
}

func (r *request) entityID() (string, error) {
	v, err := r.parameters()
	if err != nil {
		return "", err
	}
	id := v.Get("EntityId")
	if id == nil || !odata.IsGUID(id.Text) {
		return "", failf(400, "0x80040203", "The required parameter 'EntityId' is missing or is no GUID.")
	}
	return strings.ToLower(id.Text), nil
}

// join makes a record a member, unless it is one already, and returns the id of the membership.
func (w *work) join(l *marketingList, member *reference) (string, error) {
	if err := w.mayAppend(l.ref.table, l.member); err != nil {
		return "", err
	}
	f, err := w.locate(member)
	if err != nil {
		return "", err
	}
	if f == nil {
		return "", member.missing()
	}
	if id, err := w.membershipOf(l, f.id); err != nil || id != "" {
		return id, err
	}
	if err := w.linkMany(l.many, &reference{table: l.ref.table, id: l.found.id}, member); err != nil {
		return "", err
	}
	return w.membershipOf(l, f.id)
}

// membershipOf is the id of the intersect record; "" when the record is no member.
func (w *work) membershipOf(l *marketingList, member string) (string, error) {
	link, err := w.link(l.many, l.ref.table)
	if err != nil {
		return "", err
	}
	id := link.far
	if link.of != nil && link.of.id != nil {
		id = link.of.id.quoted
	}
	row, err := w.tx.Row("SELECT "+id+" FROM "+link.table+" WHERE "+link.near+" = ? AND "+link.far+" = ?", l.found.id, member)
	if err != nil || row == nil {
		return "", err
	}
	text, _ := row[0].(string)
	return text, nil
}

func (w *work) countMembers(l *marketingList) error {
	link, err := w.link(l.many, l.ref.table)
	if err != nil {
		return err
	}
	row, err := w.tx.Row("SELECT count(*) FROM "+link.table+" WHERE "+link.near+" = ?", l.found.id)
	if err != nil {
		return err
	}
	return w.overwrite("list", l.found.id, map[string]driver.Value{"membercount": row[0]})
}

// removeMember answers POST /lists(id)/Microsoft.Dynamics.CRM.RemoveMemberList.
func (s *Server) removeMember(r *request, t *table, ref *reference) (*response, error) {
	entity, err := r.entityID()
	if err != nil {
		return nil, err
	}
	if err := r.begin(t, "RemoveMember", 1, false); err != nil {
		return nil, err
	}
	err = s.write(r, func(w *work) error {
		l, err := w.openList(ref)
		if err != nil {
			return err
		}
		if err := w.mayAppend(t, l.member); err != nil {
			return err
		}
		if err := w.disassociate(l.many, &reference{table: t, id: l.found.id}, &reference{table: l.member, id: entity}); err != nil {
			return err
		}
		return w.countMembers(l)
	})
	return reply(http.StatusNoContent), err
}

// addListMembers answers POST /AddListMembersList: many members in one call, all or none.
func (s *Server) addListMembers(r *request) (*response, error) {
	v, err := r.parameters()
	if err != nil {
		return nil, err
	}
	t := s.table("list")
	if t == nil {
		return nil, errNoSegment("AddListMembersList")
	}
	list, err := s.boundRecord(t, v.Get("List"))
	if err != nil {
		return nil, err
	}
	members := v.Get("Members")
	if members == nil || members.Kind != payload.Array {
		return nil, failf(400, "0x80040203", "The required parameter 'Members' is missing.")
	}
	refs := make([]*reference, len(members.Items))
	for i := range members.Items {
		m := &members.Items[i].Value
		kind := m.Get("@odata.type")
		if kind == nil || s.table(typeName(kind.Text)) == nil {
			return nil, errPayload("", "A resource without a type name was found, but no expected type was specified.")
		}
		if refs[i], err = s.boundRecord(s.table(typeName(kind.Text)), m); err != nil {
			return nil, err
		}
	}
	if err := r.begin(t, "AddListMembers", len(refs), false); err != nil {
		return nil, err
	}
	err = s.write(r, func(w *work) error {
		l, err := w.openList(list)
		if err != nil {
			return err
		}
		for _, ref := range refs {
			if ref.table != l.member {
				return failf(400, "0x80040301", "The entity type '%s' of a member does not match the member type '%s' of the list.", ref.table.LogicalName, l.member.LogicalName)
			}
			if _, err := w.join(l, ref); err != nil {
				return err
			}
		}
		return w.countMembers(l)
	})
	return reply(http.StatusNoContent), err
}

// boundRecord reads a parameter that stands for a record: an object with its primary id.
func (s *Server) boundRecord(t *table, v *payload.Value) (*reference, error) {
	if v == nil || t.id == nil {
		return nil, failf(400, "0x80040203", "The required parameter for a record of '%s' is missing.", t.LogicalName)
	}
	id := v.Get(t.PrimaryID)
	if id == nil || !odata.IsGUID(id.Text) {
		return nil, failf(400, "0x80040203", "A record of '%s' was given without its '%s'.", t.LogicalName, t.PrimaryID)
	}
	return &reference{table: t, id: strings.ToLower(id.Text)}, nil
}

// copyMembers answers POST /CopyMembersList.
func (s *Server) copyMembers(r *request) (*response, error) {
	v, err := r.parameters()
	if err != nil {
		return nil, err
	}
	t := s.table("list")
	source, target := v.Get("SourceListId"), v.Get("TargetListId")
	if t == nil || source == nil || target == nil || !odata.IsGUID(source.Text) || !odata.IsGUID(target.Text) {
		return nil, failf(400, "0x80040203", "CopyMembersList needs the parameters SourceListId and TargetListId.")
	}
	if err := r.begin(t, "CopyMembers", 1, false); err != nil {
		return nil, err
	}
	err = s.write(r, func(w *work) error {
		from, err := w.openList(&reference{table: t, id: strings.ToLower(source.Text)})
		if err != nil {
			return err
		}
		to, err := w.openList(&reference{table: t, id: strings.ToLower(target.Text)})
		if err != nil {
			return err
		}
		if from.member != to.member {
			return failf(400, "0x80040301", "The lists have members of different types.")
		}
		ids, err := w.memberIDs(from)
		for _, id := range ids {
			if err == nil {
				_, err = w.join(to, &reference{table: to.member, id: id})
			}
		}
		if err != nil {
			return err
		}
		return w.countMembers(to)
	})
	return reply(http.StatusNoContent), err
}

func (w *work) memberIDs(l *marketingList) ([]string, error) {
	link, err := w.link(l.many, l.ref.table)
	if err != nil {
		return nil, err
	}
	var ids []string
	err = w.tx.Query("SELECT "+link.far+" FROM "+link.table+" WHERE "+link.near+" = ?", []driver.Value{l.found.id}, func(row []driver.Value) error {
		ids = append(ids, row[0].(string))
		return nil
	})
	return ids, err
}
