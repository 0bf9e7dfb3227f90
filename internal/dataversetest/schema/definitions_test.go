package schema

import (
	"strings"
	"testing"
)

const exported = `{"@odata.context":"x","value":[{"LogicalName":"cr1_parcel","SchemaName":"cr1_Parcel","EntitySetName":"cr1_parcels",
 "PrimaryIdAttribute":"cr1_parcelid","PrimaryNameAttribute":"cr1_name","TableType":"Elastic","OwnershipType":"UserOwned","ObjectTypeCode":10234,
 "DisplayName":{"LocalizedLabels":[],"UserLocalizedLabel":{"Label":"Parcel","LanguageCode":1033}},
 "Attributes":[
  {"@odata.type":"#Microsoft.Dynamics.CRM.UniqueIdentifierAttributeMetadata","LogicalName":"cr1_parcelid","AttributeType":"Uniqueidentifier","IsPrimaryId":true,"IsValidForUpdate":false},
  {"LogicalName":"cr1_name","SchemaName":"cr1_Name","AttributeType":"String","AttributeTypeName":{"Value":"StringType"},"MaxLength":40,
   "FormatName":{"Value":"Email"},"RequiredLevel":{"Value":"ApplicationRequired"}},
  {"LogicalName":"cr1_no","AttributeType":"Decimal","MinValue":0,"MaxValue":99.5,"Precision":0},
  {"LogicalName":"cr1_crops","AttributeType":"Virtual","AttributeTypeName":{"Value":"MultiSelectPicklistType"}},
  {"LogicalName":"cr1_owner","AttributeType":"Customer","Targets":["account","contact"]},
  {"LogicalName":"cr1_ownername","AttributeType":"String","AttributeOf":"cr1_owner"}],
 "Keys":[{"SchemaName":"cr1_No","LogicalName":"cr1_no","KeyAttributes":["cr1_no"],"EntityKeyIndexStatus":"Pending"}],
 "ManyToManyRelationships":[{"SchemaName":"cr1_tags","IntersectEntityName":"cr1_tags","Entity1LogicalName":"cr1_parcel","Entity2LogicalName":"account",
   "Entity1IntersectAttribute":"cr1_parcelid","Entity2IntersectAttribute":"accountid","Entity1NavigationPropertyName":"cr1_tags","Entity2NavigationPropertyName":"cr1_tags"}],
 "ManyToOneRelationships":[{"SchemaName":"r","ReferencingAttribute":"cr1_owner","ReferencedEntity":"account","ReferencedAttribute":"accountid",
   "ReferencingEntityNavigationPropertyName":"cr1_Owner_account","ReferencedEntityNavigationPropertyName":"r","CascadeConfiguration":{"Delete":"Restrict"}}]}]}
{"value":[{"EntityLogicalName":"cr1_parcel","LogicalName":"cr1_crops","OptionSet":{"Name":"cr1_parcel_crops","Options":[{"Value":7,"Label":{"UserLocalizedLabel":{"Label":"Rye"}}}]}}]}
{"value":[{"Name":"cr1_soil","IsGlobal":true,"Options":[{"Value":1,"Label":{"UserLocalizedLabel":{"Label":"Sand"}}}]}]}`

func TestLoadEntityDefinitions(t *testing.T) {
	org, err := LoadEntityDefinitions(strings.NewReader(exported))
	if err != nil {
		t.Fatal(err)
	}
	parcel := org.Sets["cr1_parcels"]
	if parcel == nil || parcel.TableType != Elastic || parcel.ObjectTypeCode != 10234 || parcel.DisplayName != "Parcel" {
		t.Fatalf("%+v", parcel)
	}
	name := parcel.Column("cr1_name")
	if name.MaxLength != 40 || name.Format != "Email" || name.RequiredLevel != "ApplicationRequired" || !name.ForCreate {
		t.Errorf("%+v", name)
	}
	if no := parcel.Column("cr1_no"); no.Type != TypeDecimal || no.Precision != 0 || *no.Max != 99.5 {
		t.Errorf("%+v", no)
	}
	if crops := parcel.Column("cr1_crops"); crops.Type != TypeMultiSelect || crops.Options.Option(7).Label != "Rye" {
		t.Errorf("%+v", crops)
	}
	if parcel.Property("cr1_ownername") != nil {
		t.Error("a shadow is a property")
	}
	if key := parcel.Key([]string{"cr1_no"}); key == nil || key.Status != "Pending" {
		t.Errorf("%+v", key)
	}
	if r := parcel.Navigation("cr1_Owner_account"); r == nil || r.Delete != "Restrict" {
		t.Errorf("%+v", r)
	}
	if parcel.ManyNavigation("cr1_tags") == nil || org.Tables["cr1_tags"] == nil || org.GlobalChoices["cr1_soil"].Option(1) == nil {
		t.Error("many-to-many or global choice")
	}
}

func TestLoadEntityDefinitionsRefuses(t *testing.T) {
	for _, source := range []string{"", "{}", "[]", `{"value":[{"SchemaName":"x"}]}`, `{"value":[{"LogicalName":"x"}`, `{"error":{"code":"0x0"}}`,
		`{"value":[{"LogicalName":"a","AttributeType":"String"}]}`} {
		if _, err := LoadEntityDefinitions(strings.NewReader(source)); err == nil {
			t.Errorf("%s: no error", source)
		}
	}
}

func FuzzLoadEntityDefinitions(f *testing.F) {
	f.Add(exported)
	f.Add(`{"value":[{"LogicalName":"a","Attributes":[{"LogicalName":"b","AttributeType":"Lookup"}]}]}`)
	f.Fuzz(func(t *testing.T, source string) {
		org, err := LoadEntityDefinitions(strings.NewReader(source))
		if err == nil {
			org.Clone()
		}
	})
}
