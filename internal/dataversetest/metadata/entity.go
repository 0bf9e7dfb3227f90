package metadata

import (
	"strings"

	"penstock/internal/dataversetest/schema"
)

// installed is when the built-in tables came to be.
const installed = "1900-01-01T00:00:00Z"

// custom says whether a name carries a publisher's prefix. Prefixes are lower case: cr1_parcel, msdyn_playbook.
func custom(t *schema.Table) bool { return strings.Contains(t.LogicalName, "_") }

func customColumn(c *schema.Column) bool {
	prefix, _, ok := strings.Cut(c.SchemaName, "_")
	return ok && prefix == strings.ToLower(prefix)
}

func (c *catalog) entity(t *schema.Table) *node {
	n := &node{kind: "EntityMetadata", ident: t.MetadataID, keys: []field{{"LogicalName", t.LogicalName}, {"SchemaName", t.SchemaName}},
		fields: func() object { return entityFields(t) }}
	n.navs = []nav{
		{name: "Attributes", kind: "AttributeMetadata", read: func() []*node { return c.attributes(t) }},
		{name: "Keys", kind: "EntityKeyMetadata", read: func() []*node { return c.keys(t) }},
		{name: "ManyToOneRelationships", kind: "OneToManyRelationshipMetadata", read: func() []*node { return c.lookups(t.Outgoing) }},
		{name: "OneToManyRelationships", kind: "OneToManyRelationshipMetadata", read: func() []*node { return c.lookups(t.Incoming) }},
		{name: "ManyToManyRelationships", kind: "ManyToManyRelationshipMetadata", read: func() []*node { return c.manies(t.Many) }},
	}
	return n
}

func entityFields(t *schema.Table) object {
	own := custom(t)
	collection := t.DisplayName + "s"
	if t.SetName != "" && !own {
		collection = strings.ToUpper(t.SetName[:1]) + t.SetName[1:]
	}
	var image any
	for _, column := range t.Columns {
		if column.Type == schema.TypeImage && image == nil {
			image = column.LogicalName
		}
	}
	mask := 0
	if t.IsActivity {
		mask = 1
	}
	return object{
		{"ActivityTypeMask", mask}, {"AutoRouteToOwnerQueue", false}, {"CanTriggerWorkflow", true}, {"EntityHelpUrlEnabled", false},
		{"EntityHelpUrl", nil}, {"IsDocumentManagementEnabled", false}, {"IsOneNoteIntegrationEnabled", false},
		{"IsInteractionCentricEnabled", false}, {"IsKnowledgeManagementEnabled", false}, {"IsSLAEnabled", false},
		{"IsBPFEntity", false}, {"AutoCreateAccessTeams", false}, {"IsActivity", t.IsActivity},
		{"IsActivityParty", t.LogicalName == "activityparty"}, {"IsRetrieveAuditEnabled", false},
		{"IsRetrieveMultipleAuditEnabled", false}, {"IsArchivalEnabled", false}, {"IsRetentionEnabled", false},
		{"IsAvailableOffline", !t.IsIntersect}, {"IsChildEntity", t.IsIntersect}, {"IsAIRUpdated", true},
		{"IconLargeName", nil}, {"IconMediumName", nil}, {"IconSmallName", nil}, {"IconVectorName", nil},
		{"IsBusinessProcessEnabled", false}, {"IsCustomEntity", own}, {"IsIntersect", t.IsIntersect},
		{"IsValidForAdvancedFind", !t.IsIntersect}, {"LogicalName", t.LogicalName}, {"ObjectTypeCode", t.ObjectTypeCode},
		{"OwnershipType", enum{"OwnershipTypes", t.OwnershipType}}, {"PrimaryNameAttribute", orNull(t.PrimaryName)},
		{"PrimaryImageAttribute", image}, {"PrimaryIdAttribute", t.PrimaryID}, {"RecurrenceBaseEntityLogicalName", nil},
		{"ReportViewName", "Filtered" + t.LogicalName}, {"SchemaName", t.SchemaName}, {"IntroducedVersion", "5.0.0.0"},
		{"IsStateModelAware", t.Column("statecode") != nil}, {"EnforceStateTransitions", false}, {"ExternalName", nil},
		{"EntityColor", nil}, {"LogicalCollectionName", orNull(t.SetName)}, {"ExternalCollectionName", nil},
		{"CollectionSchemaName", t.SchemaName + "s"}, {"EntitySetName", orNull(t.SetName)}, {"IsEnabledForExternalChannels", false},
		{"IsPrivate", false}, {"UsesBusinessDataLabelTable", false}, {"IsLogicalEntity", false}, {"HasNotes", !t.IsIntersect},
		{"HasActivities", !t.IsIntersect}, {"HasFeedback", false}, {"IsSolutionAware", false},
		{"Settings", []object{}}, {"CreatedOn", installed}, {"ModifiedOn", installed}, {"HasEmailAddresses", t.Column("emailaddress1") != nil},
		{"OwnerId", nil}, {"OwnerIdType", nil}, {"OwningBusinessUnit", nil}, {"TableType", t.TableType}, {"DataProviderId", nil},
		{"DataSourceId", nil}, {"ChangeTrackingEnabled", t.ChangeTracking}, {"IsOptimisticConcurrencyEnabled", t.Concurrency},
		{"DaysSinceRecordLastModified", 0}, {"MobileOfflineFilters", ""}, {"IsReadingPaneEnabled", true},
		{"IsQuickCreateEnabled", false}, {"SyncToExternalSearchIndex", false}, {"IsMSTeamsIntegrationEnabled", false},
		{"SettingOf", nil}, {"MetadataId", t.MetadataID}, {"HasChanged", nil}, {"IsManaged", !own},
		{"Description", newLabel("", !own)},
		{"DisplayCollectionName", newLabel(collection, !own, t.LogicalName, "collection")},
		{"DisplayName", newLabel(t.DisplayName, !own, t.LogicalName, "display")},
		{"IsAuditEnabled", managed(false, true, "canmodifyauditsettings")},
		{"IsValidForQueue", managed(t.IsActivity, true, "canmodifyqueuesettings")},
		{"IsConnectionsEnabled", managed(false, true, "canmodifyconnectionsettings")},
		{"IsCustomizable", managed(true, own, "iscustomizable")},
		{"IsRenameable", managed(true, own, "isrenameable")},
		{"IsMappable", managed(true, false, "ismappable")},
		{"IsDuplicateDetectionEnabled", managed(!t.IsIntersect, true, "canmodifyduplicatedetectionsettings")},
		{"CanCreateAttributes", managed(t.TableType != schema.Virtual, own, "cancreateattributes")},
		{"CanCreateForms", managed(true, own, "cancreateforms")},
		{"CanCreateViews", managed(true, own, "cancreateviews")},
		{"CanCreateCharts", managed(true, own, "cancreatecharts")},
		{"CanBeRelatedEntityInRelationship", managed(true, false, "canberelatedentityinrelationship")},
		{"CanBePrimaryEntityInRelationship", managed(true, false, "canbeprimaryentityinrelationship")},
		{"CanBeInManyToMany", managed(!t.IsIntersect, false, "canbeinmanytomany")},
		{"CanBeInCustomEntityAssociation", managed(!t.IsIntersect, false, "canbeincustomentityassociation")},
		{"CanEnableSyncToExternalSearchIndex", managed(true, true, "canenablesynctoexternalsearchindex")},
		{"CanModifyAdditionalSettings", managed(true, own, "canmodifyadditionalsettings")},
		{"CanChangeHierarchicalRelationship", managed(true, true, "canchangehierarchicalrelationship")},
		{"CanChangeTrackingBeEnabled", managed(true, true, "canchangetrackingbeenabled")},
		{"IsMailMergeEnabled", managed(false, true, "canmodifymailmergesettings")},
		{"IsVisibleInMobile", managed(false, true, "canmodifymobilevisibility")},
		{"IsVisibleInMobileClient", managed(true, true, "canmodifymobileclientvisibility")},
		{"IsReadOnlyInMobileClient", managed(false, true, "canmodifymobileclientreadonly")},
		{"IsOfflineInMobileClient", managed(false, true, "canmodifymobileclientoffline")},
		{"Privileges", privileges(t)},
	}
}

// privileges are those that the verbs take on the table.
func privileges(t *schema.Table) []object {
	list := []object{}
	for _, verb := range t.PrivilegeVerbs() {
		name, id := t.Privilege(verb)
		levels := t.OwnershipType == "UserOwned"
		list = append(list, object{
			{"CanBeBasic", levels}, {"CanBeDeep", levels}, {"CanBeGlobal", true}, {"CanBeLocal", levels},
			{"CanBeEntityReference", false}, {"CanBeParentEntityReference", false}, {"CanBeRecordFilter", false},
			{"Name", name}, {"PrivilegeId", id}, {"PrivilegeType", enum{"PrivilegeType", verb}},
		})
	}
	return list
}

func (c *catalog) keys(t *schema.Table) []*node {
	var nodes []*node
	for _, key := range t.Keys {
		nodes = append(nodes, &node{kind: "EntityKeyMetadata", ident: key.MetadataID, keys: []field{{"LogicalName", key.LogicalName}, {"SchemaName", key.SchemaName}},
			fields: func() object { return keyFields(t, key) }})
	}
	return nodes
}

func keyFields(t *schema.Table, key *schema.Key) object {
	own := custom(t)
	return object{
		{"MetadataId", key.MetadataID}, {"HasChanged", nil}, {"EntityLogicalName", t.LogicalName}, {"IntroducedVersion", "1.0"},
		{"IsManaged", !own}, {"IsSynchronous", false}, {"IsExportKey", false}, {"IsSecondaryKey", false},
		{"KeyAttributes", key.Columns}, {"LogicalName", key.LogicalName}, {"SchemaName", key.SchemaName},
		{"EntityKeyIndexStatus", enum{"EntityKeyIndexStatus", key.Status}}, {"AsyncJob", nil},
		{"IsCustomizable", managed(true, true, "iscustomizable")},
		{"DisplayName", newLabel(key.DisplayName, !own, t.LogicalName, "key", key.LogicalName)},
	}
}

func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}
