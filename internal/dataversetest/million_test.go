package dataversetest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"penstock/internal/dataversetest"
)

// A million records are usable, in memory and in a file.
func TestSoakMillionRecords(t *testing.T) {
	if os.Getenv("PENSTOCK_SOAK") == "" {
		t.Skip("a soak: set PENSTOCK_SOAK=1")
	}
	for name, file := range map[string]string{"memory": "", "file": filepath.Join(t.TempDir(), "million.db")} {
		t.Run(name, func(t *testing.T) {
			e := start(t, dataversetest.Options{File: file})
			began := time.Now()
			for call := range 1000 {
				e.want(204, "POST", "contacts/Microsoft.Dynamics.CRM.UpsertMultiple", thousand(call))
			}
			t.Logf("%v for a million records", time.Since(began))
			for _, path := range []string{
				"contacts(emailaddress1='p500-500@example.org')?$select=fullname",
				"contacts?$select=fullname&$filter=" + q("emailaddress1 eq 'p500-500@example.org'"),
				"contacts?$select=fullname&$filter=" + q("contains(emailaddress1,'p999-999')"),
				"contacts?$select=fullname&$orderby=lastname",
				"contacts?$select=fullname",
				"RetrieveTotalRecordCount(EntityNames=['contact'])",
			} {
				began = time.Now()
				e.want(200, "GET", path, "")
				took := time.Since(began)
				t.Logf("%v %s", took, path)
				if took > 30*time.Second {
					t.Errorf("%s takes %v", path, took)
				}
			}
			status, err := os.ReadFile("/proc/self/status")
			for line := range strings.SplitSeq(string(status), "\n") {
				if err == nil && strings.HasPrefix(line, "VmRSS") {
					t.Log(line)
				}
			}
		})
	}
}
