package dataversetest

import "strings"

// canonicalDecimal brings a number without exponent into the one form that the database keeps of its value, rounded
// half away from zero to so many places; places < 0 keeps all of them.
func canonicalDecimal(text string, places int) string {
	digits, negative := strings.CutPrefix(text, "-")
	whole, fraction, _ := strings.Cut(digits, ".")
	if places >= 0 && len(fraction) > places {
		up := fraction[places] >= '5'
		fraction = fraction[:places]
		if up {
			whole, fraction = increment(whole, fraction)
		}
	}
	whole, fraction = strings.TrimLeft(whole, "0"), strings.TrimRight(fraction, "0")
	if whole == "" {
		whole = "0"
	}
	if fraction != "" {
		whole += "." + fraction
	}
	if negative && whole != "0" {
		return "-" + whole
	}
	return whole
}

// increment adds one to the last place.
func increment(whole, fraction string) (string, string) {
	d := []byte(whole + fraction)
	i := len(d) - 1
	for ; i >= 0 && d[i] == '9'; i-- {
		d[i] = '0'
	}
	if i < 0 {
		d = append([]byte{'1'}, d...)
	} else {
		d[i]++
	}
	cut := len(d) - len(fraction)
	return string(d[:cut]), string(d[cut:])
}
