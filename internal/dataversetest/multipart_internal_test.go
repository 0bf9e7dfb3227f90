package dataversetest

import "testing"

func FuzzParseBatch(f *testing.F) {
	const one = "--b\r\nContent-Type: application/http\r\n\r\nGET /x HTTP/1.1\r\n\r\n--b--\r\n"
	f.Add(one)
	f.Add("--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\nContent-Type: application/http\r\nContent-ID: 1\r\n\r\n" +
		"POST /x HTTP/1.1\r\nA: b\r\n\r\n{}\r\n--c--\r\n\r\n--b--\r\n")
	f.Add("--b--\r\n")
	f.Add("--b\n")
	f.Fuzz(func(t *testing.T, body string) {
		steps, err := parseBatch("multipart/mixed; boundary=b", body)
		if err != nil {
			if e := asError(err); e.Status != 400 {
				t.Errorf("status %d for %q", e.Status, body)
			}
			return
		}
		for _, s := range steps {
			for _, p := range append(s.changeSet, s.request) {
				if p != nil && (p.method == "" || p.url == "") {
					t.Errorf("empty request in %q", body)
				}
			}
		}
	})
}
