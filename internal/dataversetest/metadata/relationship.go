package metadata

import (
	"strings"

	"penstock/internal/dataversetest/schema"
)

func (c *catalog) lookups(list []*schema.Relationship) []*node {
	var nodes []*node
	for _, r := range list {
		nodes = append(nodes, &node{kind: "OneToManyRelationshipMetadata", ident: r.MetadataID, keys: []field{{"SchemaName", r.SchemaName}}, fields: func() object { return lookupFields(r) }})
	}
	return nodes
}

func (c *catalog) manies(list []*schema.Many) []*node {
	var nodes []*node
	for _, m := range list {
		nodes = append(nodes, &node{kind: "ManyToManyRelationshipMetadata", ident: m.MetadataID, keys: []field{{"SchemaName", m.SchemaName}}, fields: func() object { return manyFields(m) }})
	}
	return nodes
}

// relationships are those of all tables, each once.
func (c *catalog) relationships() []*node {
	var nodes []*node
	seen := map[*schema.Many]bool{}
	for _, name := range c.org.Names() {
		t := c.org.Tables[name]
		nodes = append(nodes, c.lookups(t.Outgoing)...)
		for _, m := range t.Many {
			if !seen[m] {
				nodes = append(nodes, c.manies([]*schema.Many{m})...)
			}
			seen[m] = true
		}
	}
	return nodes
}

var relationshipBase = map[string]bool{
	"MetadataId": true, "HasChanged": true, "IsCustomRelationship": true, "IsValidForAdvancedFind": true, "SchemaName": true,
	"SecurityTypes": true, "IsManaged": true, "RelationshipType": true, "IntroducedVersion": true, "IsCustomizable": true,
}

func relationshipFields(id, name, kind string) object {
	prefix, _, ok := strings.Cut(name, "_")
	own := ok && prefix != "" && strings.ContainsAny(prefix, "0123456789")
	return object{
		{"MetadataId", id}, {"HasChanged", nil}, {"IsCustomRelationship", own}, {"IsValidForAdvancedFind", true}, {"SchemaName", name},
		{"SecurityTypes", enum{"SecurityTypes", "Append"}}, {"IsManaged", !own}, {"RelationshipType", enum{"RelationshipType", kind}},
		{"IntroducedVersion", "5.0.0.0"}, {"IsCustomizable", managed(true, own, "iscustomizable")},
	}
}

func lookupFields(r *schema.Relationship) object {
	cascade := func(action string) enum { return enum{"CascadeType", action} }
	remove := r.Delete
	if remove == "" {
		remove = "RemoveLink"
	}
	return append(relationshipFields(r.MetadataID, r.SchemaName, "OneToManyRelationship"),
		field{"ReferencedAttribute", r.ReferencedColumn}, field{"ReferencedEntity", r.Referenced},
		field{"ReferencingAttribute", r.Column}, field{"ReferencingEntity", r.Referencing},
		field{"IsHierarchical", r.IsHierarchical}, field{"EntityKey", nil}, field{"IsRelationshipAttributeDenormalized", false},
		field{"RelationshipBehavior", 1},
		field{"ReferencedEntityNavigationPropertyName", orNull(r.Collection)},
		field{"ReferencingEntityNavigationPropertyName", r.Navigation},
		field{"RelationshipAttributes", []object{}},
		field{"AssociatedMenuConfiguration", menu()},
		field{"CascadeConfiguration", object{
			{"Assign", cascade("NoCascade")}, {"Delete", cascade(remove)}, {"Archive", cascade("NoCascade")}, {"Merge", cascade("NoCascade")},
			{"Reparent", cascade("NoCascade")}, {"Share", cascade("NoCascade")}, {"Unshare", cascade("NoCascade")},
			{"RollupView", cascade("NoCascade")},
		}},
	)
}

func menu() object {
	return object{
		{"Behavior", enum{"AssociatedMenuBehavior", "UseCollectionName"}}, {"Group", enum{"AssociatedMenuGroup", "Details"}}, {"Order", nil},
		{"IsCustomizable", true}, {"Icon", nil}, {"ViewId", "00000000-0000-0000-0000-000000000000"}, {"AvailableOffline", true},
		{"MenuId", nil}, {"QueryApi", nil}, {"Label", newLabel("", false)},
	}
}

func manyFields(m *schema.Many) object {
	return append(relationshipFields(m.MetadataID, m.SchemaName, "ManyToManyRelationship"),
		field{"Entity1LogicalName", m.Entity1}, field{"Entity2LogicalName", m.Entity2},
		field{"IntersectEntityName", m.Intersect}, field{"Entity1IntersectAttribute", m.Column1},
		field{"Entity2IntersectAttribute", m.Column2}, field{"Entity1NavigationPropertyName", orNull(m.Navigation1)},
		field{"Entity2NavigationPropertyName", orNull(m.Navigation2)},
		field{"Entity1AssociatedMenuConfiguration", menu()}, field{"Entity2AssociatedMenuConfiguration", menu()},
	)
}
