package local_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"penstock/examples"
	"penstock/internal/run"
)

const activitiesConfig = `
connections:
  sales: {environment: {region: crm4, name: contoso}, tenant: contoso.example, credential: env:X}
destinations:
  calls:
    connection: sales
    table: phonecall
    mode: append
    rejects: {max_percent: 60}
    columns:
      Subject: subject
      Caller: {to: from, table: systemuser, by: internalemailaddress}
      Called: {to: to, table: contact, by: emailaddress1, party: to, separator: "|"}
      Firm: {to: to, table: account, party: to}
      About: {to: regardingobjectid, table: account, by: accountnumber}
      State: {to: statecode, choice: label}
  known-calls:
    connection: sales
    table: phonecall
    mode: upsert
    key: activityid
    rejects: {max_percent: 60}
    columns:
      Id: activityid
      Subject: subject
      Called: {to: to, table: contact, by: emailaddress1, party: to, separator: "|"}
      Firm: {to: to, table: account, party: to}
      State: {to: statecode, choice: label}
  corrected-calls:
    connection: sales
    table: phonecall
    mode: update
    key: activityid
    nulls: clear
    columns:
      Id: activityid
      Called: {to: to, table: contact, by: emailaddress1}
  mails:
    connection: sales
    table: email
    mode: append
    columns:
      Subject: subject
      From: {to: from, table: systemuser, by: internalemailaddress}
      To: {to: to, table: contact, by: emailaddress1}
      Copy: {to: cc, table: contact, by: emailaddress1, missing: empty}
      Blind: {to: bcc, table: lead, by: emailaddress1}
      About: {to: regardingobjectid, table: contact, by: emailaddress1}
  meetings:
    connection: sales
    table: appointment
    mode: append
    columns:
      Subject: subject
      Starts: scheduledstart
      Ends: scheduledend
      Chair: {to: organizer, table: systemuser, by: internalemailaddress}
      Needed: {to: requiredattendees, table: contact, by: emailaddress1}
      Invited: {to: optionalattendees, table: contact, by: emailaddress1}
`

// The people and firms that the activities of these tests name.
const (
	joID   = "7d9f3b52-0000-4000-8000-0000000000a0"
	adaID  = "7d9f3b52-0000-4000-8000-0000000000a1"
	bobID  = "7d9f3b52-0000-4000-8000-0000000000a2"
	acmeID = "7d9f3b52-0000-4000-8000-0000000000a3"
	leeID  = "7d9f3b52-0000-4000-8000-0000000000a4"
	goneID = "7d9f3b52-0000-4000-8000-00000000dead"
)

var nameOf = map[string]string{joID: "jo", adaID: "ada", bobID: "bob", acmeID: "acme", leeID: "lee"}

func startActivities(t *testing.T) *stack {
	t.Helper()
	s := startStack(t, t.TempDir())
	s.config = func() string { return activitiesConfig }
	err := s.Emulator.Server.Seed("world.json", strings.NewReader(`{
		"systemuser": [{"systemuserid":"`+joID+`","firstname":"Jo","lastname":"Roe","domainname":"jo","internalemailaddress":"jo@contoso.example"}],
		"contact": [{"contactid":"`+adaID+`","lastname":"Ada","emailaddress1":"ada@x.org"},{"contactid":"`+bobID+`","lastname":"Bob","emailaddress1":"bob@x.org"}],
		"account": [{"accountid":"`+acmeID+`","name":"Acme","accountnumber":"A-1"}],
		"lead": [{"leadid":"`+leeID+`","subject":"L","lastname":"Lee","emailaddress1":"lee@x.org"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// activities reads a table of activities back by their subjects. Each has its people as "1:jo 2:ada".
func (s *stack) activities(set, table string) map[string]map[string]any {
	s.t.Helper()
	parties := table + "_activity_parties"
	rows := s.rows(set+"?$select=subject,statecode,statuscode,_regardingobjectid_value&$expand="+parties+"($select=participationtypemask,_partyid_value)", "subject")
	for _, row := range rows {
		var people []string
		for _, p := range row[parties].([]any) {
			one := p.(map[string]any)
			people = append(people, fmt.Sprintf("%v:%s", one["participationtypemask"], nameOf[fmt.Sprint(one["_partyid_value"])]))
		}
		slices.Sort(people)
		row["people"] = strings.Join(people, " ")
	}
	return rows
}

func (s *stack) wantActivities(set, table string, want map[string]string) {
	s.t.Helper()
	rows := s.activities(set, table)
	if len(rows) != len(want) {
		s.t.Errorf("%s: %v, want %d", set, slices.Sorted(maps.Keys(rows)), len(want))
	}
	for subject, text := range want {
		row := rows[strings.ToLower(subject)]
		about := nameOf[fmt.Sprint(row["_regardingobjectid_value"])]
		if got := strings.TrimSpace(fmt.Sprintf("%v %v %v %s", row["statecode"], row["statuscode"], row["people"], about)); got != text {
			s.t.Errorf("%s is %q, want %q", subject, got, text)
		}
	}
}

// Calls with people who are named by id and by e-mail address, about an account,
// some of them closed. A person who is not there costs its row only.
func TestPhoneCallsAreAppendedWithTheirPeople(t *testing.T) {
	t.Parallel()
	s := startActivities(t)
	f := s.drop("inbox/admin/calls/c.csv", strings.Join([]string{
		"Subject,Caller,Called,Firm,About,State",
		"Welcome,jo@contoso.example,ada@x.org|BOB@x.org|ada@x.org," + acmeID + ",A-1,Open",
		"Renewal,jo@contoso.example,bob@x.org,,,Completed",
		"Wrong,jo@contoso.example,ada@x.org|nobody@x.org,,,",
		"Gone,jo@contoso.example,ada@x.org," + goneID + ",,",
		"Alone,,,,,Canceled",
	}, "\n")+"\n")
	if f.State != run.Partial || f.Created != 3 || f.Rejected != 2 || f.Warned != 0 {
		t.Fatalf("%+v %+v", f, f.Reason)
	}
	s.wantActivities("phonecalls", "phonecall", map[string]string{
		"Welcome": "0 1 1:jo 2:acme 2:ada 2:bob acme", "Renewal": "1 2 1:jo 2:bob", "Alone": "2 3"})
	why := map[string]string{}
	for _, line := range s.csv(f.Rejects)[1:] {
		why[line[0]] = strings.Join(line[len(line)-5:], " ")
	}
	for subject, text := range map[string]string{"Wrong": "4 Called lookup_not_found", "Gone": "5  0x80040217"} {
		if !strings.Contains(why[subject], text) {
			t.Errorf("%s: %q, want %q in it", subject, why[subject], text)
		}
	}
	if n := len(s.rows("activitypointers?$select=subject", "subject")); n != 3 {
		t.Errorf("%d activities in all", n)
	}
}

// An upsert replaces the people of a call that is there: none is doubled, none
// stays. A row that names nobody says nothing about them.
func TestPeopleOfKnownCallsAreReplaced(t *testing.T) {
	t.Parallel()
	s := startActivities(t)
	drop := func(name, head string, rows ...string) run.Finished {
		t.Helper()
		for i := range rows {
			rows[i] = recordID(7, i) + "," + rows[i]
		}
		return s.drop("inbox/admin/"+name+".csv", head+"\n"+strings.Join(rows, "\n")+"\n")
	}
	const head = "Id,Subject,Called,Firm,State"
	if f := drop("known-calls/1", head, "One,ada@x.org,,", "Two,ada@x.org|bob@x.org,"+acmeID+",Completed", "Three,,,"); f.State != run.Succeeded || f.Written != 3 {
		t.Fatalf("%+v %+v", f, f.Reason)
	}
	want := map[string]string{"One": "0 1 2:ada", "Two": "1 2 2:acme 2:ada 2:bob", "Three": "0 1"}
	s.wantActivities("phonecalls", "phonecall", want)

	f := drop("known-calls/2", head, "One,bob@x.org,"+acmeID+",Completed", "Two,,,", "Three,ada@x.org|bob@x.org,,", "Four,nobody@x.org,,", "Five,,"+goneID+",")
	if f.State != run.Partial || f.Written != 4 || f.Rejected != 1 || f.Warned != 1 {
		t.Fatalf("%+v %+v", f, f.Reason)
	}
	want = map[string]string{"One": "1 2 2:acme 2:bob", "Two": want["Two"], "Three": "0 1 2:ada 2:bob", "Five": "0 1"}
	s.wantActivities("phonecalls", "phonecall", want)
	r, err := s.Steps.Report(t.Context(), f.Destination, f.Run)
	if err != nil {
		t.Fatal(err)
	}
	if lines := s.csv(r.Warnings); len(lines) != 2 || lines[1][0] != "6" {
		t.Errorf("warnings %v", lines)
	}

	if f := drop("corrected-calls/3", "Id,Called", "", "ada@x.org"); f.State != run.Succeeded || f.Updated != 2 {
		t.Fatalf("%+v %+v", f, f.Reason)
	}
	want["One"], want["Two"] = "1 2", "1 2 2:ada"
	s.wantActivities("phonecalls", "phonecall", want)
	if n := len(s.rows("activityparties?$select=activitypartyid", "activitypartyid")); n != 3 {
		t.Errorf("%d people in all", n)
	}
}

func TestMailsAndMeetings(t *testing.T) {
	t.Parallel()
	s := startActivities(t)
	f := s.drop("inbox/admin/mails/m.csv", "Subject,From,To,Copy,Blind,About\n"+
		"News,jo@contoso.example,ada@x.org;bob@x.org,nobody@x.org;ada@x.org,lee@x.org,bob@x.org\n")
	if f.State != run.Succeeded || f.Created != 1 {
		t.Fatalf("%+v %+v", f, f.Reason)
	}
	s.wantActivities("emails", "email", map[string]string{"News": "0 1 1:jo 2:ada 2:bob 3:ada 4:lee bob"})
	f = s.drop("inbox/admin/meetings/m.csv", "Subject,Starts,Ends,Chair,Needed,Invited\n"+
		"Kick-off,2026-11-23T09:00:00Z,2026-11-23T10:00:00Z,jo@contoso.example,ada@x.org,bob@x.org\n")
	if f.State != run.Succeeded || f.Created != 1 {
		t.Fatalf("%+v %+v", f, f.Reason)
	}
	s.wantActivities("appointments", "appointment", map[string]string{"Kick-off": "0 1 5:ada 6:bob 7:jo"})
}

// The example's calls name members and clubs that its other files bring.
func TestExampleOfActivities(t *testing.T) {
	t.Parallel()
	s := startStack(t, t.TempDir())
	read := func(name string) string {
		data, err := examples.Files.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	s.config = func() string { return read("penstock.yaml") }
	for _, name := range []string{"clubs", "memberships"} {
		if f := s.drop("inbox/admin/"+name+"/"+name+".csv", read(name+".csv")); f.State != run.Succeeded {
			t.Fatalf("%s: %+v %+v", name, f, f.Reason)
		}
	}
	if f := s.drop("inbox/admin/calls/calls.csv", read("calls.csv")); f.State != run.Succeeded || f.Created != 4 || f.Warned != 0 {
		t.Fatalf("%+v %+v", f, f.Reason)
	}
	calls := s.activities("phonecalls", "phonecall")
	for subject, want := range map[string]string{"welcome to the club": "1 2", "berth for the winter": "0 1", "key of the boat house": "1 1", "reminder of the general meeting": "2 0"} {
		call := calls[subject]
		if got := fmt.Sprint(call["statecode"], " ", len(call["phonecall_activity_parties"].([]any))); got != want || call["_regardingobjectid_value"] == nil {
			t.Errorf("%s: state and people %s, want %s: %v", subject, got, want, call)
		}
	}
}

// Rule I3: what was written before its answer was lost is there once, with its people.
func TestActivitiesUnderFaultsAreThereOnce(t *testing.T) {
	for _, text := range []string{"drop-after:first=1,path=batch$", "cut:every=2,times=3,path=batch$", "status-after:status=502,every=2,times=3,path=batch$"} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			s := startActivities(t)
			s.fault(text)
			const n = 60
			appended, known := "Subject,Caller,Called,Firm,About,State\n", "Id,Subject,Called,Firm,State\n"
			people := []string{"ada@x.org", "bob@x.org"}
			for i := range n {
				appended += fmt.Sprintf("New %d,jo@contoso.example,%s,,,Completed\n", i, people[i%2])
				known += fmt.Sprintf("%s,Known %d,%s,%s,Completed\n", recordID(8, i), i, people[i%2], acmeID)
			}
			if f := s.drop("inbox/admin/calls/c.csv", appended); f.State != run.Succeeded || f.Created != n || f.Warned != 0 {
				t.Fatalf("%+v %+v", f, f.Reason)
			}
			for range 2 {
				if f := s.drop("inbox/admin/known-calls/c.csv", known); f.State != run.Succeeded || f.Written != n || f.Warned != 0 {
					t.Fatalf("%+v %+v", f, f.Reason)
				}
			}
			want := map[string]string{}
			for i := range n {
				want[fmt.Sprintf("New %d", i)] = "1 2 1:jo 2:" + people[i%2][:3]
				want[fmt.Sprintf("Known %d", i)] = "1 2 2:acme 2:" + people[i%2][:3]
			}
			s.wantActivities("phonecalls", "phonecall", want)
			struck := 0
			for _, rule := range s.Emulator.Server.Traffic().Faults() {
				struck += rule.Struck
			}
			if struck == 0 {
				t.Error("the fault did not strike")
			}
		})
	}
}
