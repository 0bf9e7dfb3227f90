package dataversetest

import (
	"strings"

	"penstock/internal/dataversetest/odata"
)

// known are functions and actions that the service has and the emulator has not. It says so, instead of denying that
// there are such.
var known = map[string]bool{}

// errKnown is the answer to a bound operation that is known only.
func errKnown(segment string) error {
	if name := odata.Unqualified(segment); odata.IsCast(segment) && known[name] {
		return unsupported("%s.", name)
	}
	return nil
}

func init() {
	for name := range strings.FieldsSeq(`AddItemCampaign AddMembersTeam AddPrincipalToQueue AddPrivilegesRole AddSolutionComponent AddUserToRecordTeam
		Assign BackgroundSendEmail BulkDetectDuplicates CalculateRollupField CanBeReferenced CanManyToMany CloneAsPatch CloseIncident CloseOpportunity
		CopyCampaign CopyDynamicListToStatic CreateCustomerRelationships CreatePolymorphicLookupAttribute DeleteOptionValue DeleteOptionSet
		DeliverIncomingEmail DisassociateEntities DownloadReportDefinition ExecuteByIdSavedQuery ExecuteByIdUserQuery ExecuteCosmosSqlQuery
		ExecuteWorkflow ExportSolution ExportSolutionAsync ExportTranslation FindParentResourceGroup FormatAddress FulfillSalesOrder
		GenerateInvoiceFromOpportunity GetAllTimeZonesWithDisplayName GetPreferredSolution GrantAccess ImportRecordsImport ImportSolution
		ImportSolutionAsync InsertOptionValue InsertStatusValue InstantiateTemplate IsDataEncryptionActive LoseOpportunity Merge ModifyAccess
		OrderOption ParseImport PickFromQueue PropagateByExpression PublishDuplicateRule QualifyLead QueryExpressionToFetchXml QueryMultipleSchedules
		QuerySchedule QueueUpdateRibbonClientMetadata ReactivateEntityKey Recalculate RemoveAppComponents RemoveItemCampaign RemoveMembersTeam
		RemovePrivilegeRole RemoveSolutionComponent Rollup RouteTo RetrieveAadUserPrivileges RetrieveAttributeChangeHistory RetrieveAuditDetails
		RetrieveAvailableLanguages RetrieveDependenciesForDelete RetrieveDependentComponents RetrieveDuplicates RetrieveEntityChanges
		RetrieveExchangeRate RetrieveFormattedImportJobResults RetrieveLocLabels RetrieveMembersTeam RetrieveMetadataChanges RetrieveMultipleTimeZone
		RetrievePrincipalAccess RetrievePrincipalAccessInfo RetrievePrivilegeSet RetrieveProvisionedLanguages RetrieveRecordChangeHistory
		RetrieveRequiredComponents RetrieveRolePrivilegesRole RetrieveSharedPrincipalsAndAccess RetrieveTimestamp
		RetrieveUnpublished RetrieveUnpublishedMultiple RetrieveUserPrivilegeByPrivilegeId RetrieveUserPrivilegeByPrivilegeName
		RetrieveUserQueues RetrieveUserSettingsSystemUser RevokeAccess SearchAutocomplete searchautocomplete searchquery searchstatistics
		searchstatus searchsuggest SendBulkMail SendEmail SendEmailFromTemplate SendTemplate SetAutoNumberSeed SetBusinessSystemUser SetLocLabels
		SetParentBusinessUnit SetParentSystemUser TransformImport UnpublishDuplicateRule UpdateOptionValue UpdateStateValue UtcTimeFromLocalTime
		LocalTimeFromUtcTime Validate ValidateRecurrenceRule WinOpportunity WinQuote Restore RetrievePrivilegeForUser CheckInDocument`) {
		known[name] = true
	}
}
