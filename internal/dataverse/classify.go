package dataverse

import (
	"net/http"
	"regexp"
	"strings"
)

// action is what to do about an error answer.
type action uint8

const (
	stop        action = iota // repeating will not help and no single row is to blame
	again                     // rolled back for a passing reason: send the same once more, later
	once                      // may pass: send it once more, then a row is to blame
	wait                      // throttled: it did not run; send it after the pause
	settle                    // it may have run or not: find out before anything else
	shrink                    // too much for one call: send it in halves
	blame                     // one of its rows is wrong
	duplicate                 // a record of that id or key exists: a race, or one of its rows is wrong
	unsupported               // this table does not take this call
	deny                      // the user may not do this
	renew                     // the token is not accepted
)

// byCode says what each of the service's codes means for a call. Codes that are
// missing here are judged by status. An SQL error (0x80044150) by its number.
var byCode = map[string]action{
	"0x80040216": once,                       // UnExpected
	"0x80040217": blame, "0x80060891": blame, // the row, or the target of a lookup, does not exist
	"0x80040219": unsupported, // NotImplemented
	"0x80040220": deny, "0x80040231": deny, "0x80040225": deny, "0x80042f09": deny, "0x80048405": deny,
	"0x80072560": deny, "0x8004a104": deny, "0x8004a112": deny, "0x8004a113": deny, "0x8004f506": deny, "0x8004f507": deny,
	"0x80048d1a": deny, // InvalidCallerId
	"0x80040224": once, // custom code crashed
	"0x80040227": blame,
	"0x80040237": duplicate, "0x80060892": duplicate, "0x80040333": blame, "0x80073002": blame,
	"0x80040251": blame, // a plug-in swallowed an error: "There is no active transaction."
	"0x80040255": again, // TransactionAborted
	"0x80040277": renew, "0x8004a100": renew, "0x8004a101": renew, "0x8004a102": renew, "0x8005f101": renew,
	"0x80040265": blame, // a plug-in refused
	"0x80040299": blame, // the row's owner lacks read access
	"0x80044151": shrink,
	"0x80048544": wait, "0x80072321": wait, "0x80072322": wait, "0x80072326": wait, "0x80072327": wait, "0x8005f103": wait,
	"0x80048551": again, "0x80048553": again, "0x80048559": again, "0x80048560": again, "0x80048561": again,
	"0x8004a001": again, "0x8004ed47": again, "0x80071151": again, "0x80073000": again,
	"0x80060888": blame, // URL syntax: a key value
	"0x8006088a": stop,  // unknown set or action
	"0x8006088d": stop,
	"0x80060890": stop, // no such alternate key
}

// byNumber are SQL Server's own error numbers inside code 0x80044150.
var byNumber = map[string]action{
	"1205": again,                               // deadlock
	"3732": again, "2766": again, "2812": again, // first use of a new table by several calls at once
	"2627": duplicate, "2601": duplicate, // unique index
	"-2":   shrink,                              // timeout
	"547":  blame,                               // foreign key
	"515":  blame,                               // null in a column that takes none
	"8115": blame, "8152": blame, "2628": blame, // overflow, truncation
}

var (
	sqlNumber = regexp.MustCompile(`Sql Number: (-?\d+)`)
	// What UpsertMultiple and its like say of tables that do not take them.
	notOffered = regexp.MustCompile(`is not enabled on the entity|does not support entities of type|has not yet been implemented`)
)

// action judges an error answer to any call. Only a well-formed answer of the
// service itself may blame a row: a proxy's 403 or 404 page must never turn
// a million good rows into rejects.
func (e *APIError) action() action {
	switch {
	case e.Status == http.StatusTooManyRequests:
		return wait
	case e.Status == http.StatusUnauthorized:
		return renew
	case strings.Contains(e.Message, "already been rolled back or committed"):
		return settle // the aftermath of a deadlock: which of the two is not said
	case notOffered.MatchString(e.Message):
		return unsupported
	case e.Code == "0x80044150":
		if m := sqlNumber.FindStringSubmatch(e.Message); m != nil {
			if a, known := byNumber[m[1]]; known {
				return a
			}
		}
		return again // a generic SQL error is rolled back
	case e.missing():
		return blame
	}
	if a, known := byCode[e.Code]; known {
		return a
	}
	return e.byStatus()
}

func (e *APIError) byStatus() action {
	switch s := e.Status; {
	case s == http.StatusRequestEntityTooLarge:
		return shrink
	case s == http.StatusRequestTimeout || s >= 500 && s != http.StatusNotImplemented:
		return settle
	case s == http.StatusNotImplemented:
		return unsupported
	case s == http.StatusForbidden:
		return deny
	case s == http.StatusPreconditionFailed && e.structured:
		return duplicate
	case s == http.StatusBadRequest && e.structured:
		return blame
	}
	return stop
}
