package dataverse

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/fault"
)

var everyOption = WriteOptions{Warm: true, DetectDuplicates: true, BypassLogic: "CustomSync,CustomAsync", BypassPlugins: true, SuppressFlows: true,
	CallerObjectID: testID(3), Tag: "load & more"}

var everyHeader = map[string]string{
	"MSCRM.SuppressDuplicateDetection":              "false",
	"MSCRM.BypassBusinessLogicExecution":            "CustomSync,CustomAsync",
	"MSCRM.BypassCustomPluginExecution":             "true",
	"MSCRM.SuppressCallbackRegistrationExpanderJob": "true",
	"CallerObjectId":                                testID(3),
}

func TestOptionsOfBulkCalls(t *testing.T) {
	s := newService(t)
	c := s.client()
	if _, err := s.writer(c, everyOption).Write(t.Context(), keyOps(2)); err != nil {
		t.Fatal(err)
	}
	got := s.calls[0]
	for name, want := range everyHeader {
		if got.header.Get(name) != want {
			t.Errorf("%s is %q", name, got.header.Get(name))
		}
	}
	if got.query != "tag=load%20%26%20more" {
		t.Errorf("query %q", got.query)
	}
	// Per Writer: another one of the same client says nothing of it.
	if _, err := s.writer(c, WriteOptions{Warm: true, CallerID: testID(4)}).Write(t.Context(), keyOps(2)); err != nil {
		t.Fatal(err)
	}
	other := s.calls[1]
	for name := range everyHeader {
		if other.header.Get(name) != "" {
			t.Errorf("%s is %q", name, other.header.Get(name))
		}
	}
	if other.query != "" || other.header.Get("MSCRMCallerID") != testID(4) {
		t.Errorf("%q %v", other.query, other.header)
	}
}

func TestOptionsOfBatches(t *testing.T) {
	s := newService(t)
	s.lacks = noBulk
	seen := 0
	s.partSeen = func(r *http.Request) {
		seen++
		for name, want := range everyHeader {
			if r.Header.Get(name) != want {
				t.Errorf("%s of a part is %q", name, r.Header.Get(name))
			}
		}
		if r.URL.Query().Get("tag") != "load & more" {
			t.Errorf("part %s", r.URL)
		}
	}
	if _, err := s.writer(s.client(), everyOption).Write(t.Context(), append(keyOps(2), Operation{Do: Delete, ID: testID(9)})); err != nil {
		t.Fatal(err)
	}
	if seen != 3 || s.calls[0].header.Get("CallerObjectId") != testID(3) {
		t.Errorf("%d parts, %v", seen, s.calls[0].header)
	}
}

func TestDetectedDuplicateIsRejected(t *testing.T) {
	s := newService(t)
	s.wrong = refuseNames(refusal{412, "0x80040333", "A record was not created or updated because a duplicate of the current record already exists."}, "n2")
	out, err := s.writer(s.client(), WriteOptions{Warm: true, DetectDuplicates: true}).Write(t.Context(), keyOps(3))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Result{Upserted, Rejected, Upserted}, results(out)); diff != "" || out[1].Code != "0x80040333" {
		t.Error(out, diff)
	}
}

func TestBadOptions(t *testing.T) {
	s := newService(t)
	for _, o := range []WriteOptions{
		{BypassLogic: "custom"}, {CallerID: "x"}, {CallerObjectID: testID(1) + "\r\nX: y"}, {CallerID: testID(1), CallerObjectID: testID(2)},
		{Tag: "a\nb"}, {Tag: strings.Repeat("x", 2000)},
	} {
		if _, err := s.client().NewWriter(t.Context(), contactTable(), o); !fault.Is(err, fault.Refused) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
