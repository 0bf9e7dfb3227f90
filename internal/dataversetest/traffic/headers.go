package traffic

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
)

// head sets what a response carries whatever happens to the request.
func (x *exchange) head() {
	h := x.answer.w.Header()
	id := []string{x.id}
	h["X-Ms-Service-Request-Id"] = id
	h["Req_id"] = id
	cookie := &x.gate.ids.cookies[x.host]
	h["Set-Cookie"] = []string{cookie.arr, cookie.gateway}
	if x.limits.DOPHint > 0 {
		h["X-Ms-Dop-Hint"] = []string{strconv.Itoa(x.limits.DOPHint)}
	}
}

// meters sets what is left of the limits. Limits that are off are not spoken of.
func (x *exchange) meters() {
	if x.meter == nil {
		return
	}
	h := x.answer.w.Header()
	left := x.meter.read(x.gate.at())
	if x.limits.Requests > 0 {
		h["X-Ms-Ratelimit-Burst-Remaining-Xrm-Requests"] = []string{decimal(left.requests)}
	}
	if x.limits.ExecutionTime > 0 {
		h["X-Ms-Ratelimit-Time-Remaining-Xrm-Requests"] = []string{grouped(left.execution - x.uncharged())}
	}
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }

// grouped writes seconds as the service does: thousands separators and up to two
// decimals, "1,199.82".
func grouped(d time.Duration) string {
	hundredths := int64(math.Round(max(0, d.Seconds()) * 100))
	whole := decimal(hundredths / 100)
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	fraction := strings.TrimRight(strconv.FormatInt(100+hundredths%100, 10)[1:], "0")
	if fraction == "" {
		return whole
	}
	return whole + "." + fraction
}

func quoteJSON(text string) string {
	quoted, _ := json.Marshal(text) // a string always marshals
	return string(quoted)
}

// uncharged is what the request has cost so far and is not in the meter yet.
func (x *exchange) uncharged() time.Duration {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.left {
		return 0
	}
	return x.spent
}
