package mapping

import (
	"testing"
	"time"

	"penstock/internal/config"
)

func TestLayouts(t *testing.T) {
	for _, c := range []struct{ layout, cell, want string }{
		{"DD.MM.YYYY", "02.01.2026", `"2026-01-02T00:00:00Z"`},
		{"DD.MM.YYYY", "2.1.2026", NotADate},
		{"DD.MM.YYYY", "29.02.2024", `"2024-02-29T00:00:00Z"`},
		{"DD.MM.YYYY", "29.02.2026", NotADate},
		{"DD.MM.YYYY", "29.02.1900", NotADate},
		{"DD.MM.YYYY", "29.02.2000", `"2000-02-29T00:00:00Z"`},
		{"DD.MM.YYYY", "31.04.2026", NotADate},
		{"DD.MM.YYYY", "00.01.2026", NotADate},
		{"DD.MM.YYYY", "01.00.2026", NotADate},
		{"DD.MM.YYYY", "02.01.26", NotADate},
		{"DD.MM.YYYY", "02.01.2026 ", `"2026-01-02T00:00:00Z"`},
		{"DD.MM.YYYY", "02.01.2026 03:04", NotADate},
		{"DD.MM.YYYY", "2026-01-02", NotADate},
		{"DD.MM.YYYY", "０2.01.2026", NotADate},
		{"D.M.YYYY", "2.1.2026", `"2026-01-02T00:00:00Z"`},
		{"D.M.YYYY", "02.01.2026", `"2026-01-02T00:00:00Z"`},
		{"D.M.YYYY", "31.12.2026", `"2026-12-31T00:00:00Z"`},
		{"D.M.YYYY", "311.12.2026", NotADate},
		{"M/D/YYYY", "1/2/2026", `"2026-01-02T00:00:00Z"`},
		{"M/D/YYYY", "13/2/2026", NotADate},
		{"YYYYMMDD", "20260102", `"2026-01-02T00:00:00Z"`},
		{"YYYYMMDDHHmmss", "20260102030405", `"2026-01-02T03:04:05Z"`},
		{"YYYYMMDDHHmmssSSS", "20260102030405000", `"2026-01-02T03:04:05Z"`},
		{"DD-MMM-YYYY", "02-Jan-2026", `"2026-01-02T00:00:00Z"`},
		{"DD-MMM-YYYY", "02-JAN-2026", `"2026-01-02T00:00:00Z"`},
		{"DD-MMM-YYYY", "02-Mai-2026", NotADate},
		{"D MMM YYYY", "2 dec 2026", `"2026-12-02T00:00:00Z"`},
		{"DD.MM.YYYY HH:mm", "02.01.2026 03:04", `"2026-01-02T03:04:00Z"`},
		{"DD.MM.YYYY HH:mm", "02.01.2026 24:00", NotADate},
		{"DD.MM.YYYY HH:mm", "02.01.2026 03:60", NotADate},
		{"DD.MM.YYYY H:mm", "02.01.2026 3:04", `"2026-01-02T03:04:00Z"`},
		{"DD.MM.YYYY HH", "02.01.2026 03", `"2026-01-02T03:00:00Z"`},
		{"DD.MM.YYYY [um] HH.mm [Uhr]", "02.01.2026 um 03.04 Uhr", `"2026-01-02T03:04:00Z"`},
		{"DD.MM.YYYY [um] HH.mm [Uhr]", "02.01.2026 um 03.04", NotADate},
		{"YYYY-MM-DDTHH:mm:ss", "2026-01-02T03:04:05", `"2026-01-02T03:04:05Z"`},
		{"M/D/YYYY h:mm A", "1/2/2026 3:04 PM", `"2026-01-02T15:04:00Z"`},
		{"M/D/YYYY h:mm A", "1/2/2026 12:04 am", `"2026-01-02T00:04:00Z"`},
		{"M/D/YYYY h:mm A", "1/2/2026 12:04 PM", `"2026-01-02T12:04:00Z"`},
		{"M/D/YYYY h:mm A", "1/2/2026 0:04 AM", NotADate},
		{"M/D/YYYY h:mm A", "1/2/2026 13:04 PM", NotADate},
		{"M/D/YYYY h:mm A", "1/2/2026 3:04", NotADate},
		{"M/D/YYYY hh:mm:ssA", "1/2/2026 03:04:05pm", `"2026-01-02T15:04:05Z"`},
		{"YYYY/MM/DD HH:mm:ss.SSS", "2026/01/02 03:04:05.000", `"2026-01-02T03:04:05Z"`},
		{"YYYY/MM/DD HH:mm:ss.SSS", "2026/01/02 03:04:05.000000000", `"2026-01-02T03:04:05Z"`},
		{"YYYY/MM/DD HH:mm:ss.SSS", "2026/01/02 03:04:05.0000000000", NotADate},
		{"YYYY/MM/DD HH:mm:ss.SSS", "2026/01/02 03:04:05.", NotADate},
		{"YYYY/MM/DD HH:mm:ss.S", "2026/01/02 03:04:05.120", TooPrecise},
		{"DD.MM.YYYY HH:mm Z", "02.01.2026 03:04 +01:00", `"2026-01-02T02:04:00Z"`},
		{"DD.MM.YYYY HH:mm Z", "02.01.2026 03:04 -0130", `"2026-01-02T04:34:00Z"`},
		{"DD.MM.YYYY HH:mm Z", "02.01.2026 03:04 +01", `"2026-01-02T02:04:00Z"`},
		{"DD.MM.YYYY HH:mm Z", "02.01.2026 03:04 Z", `"2026-01-02T03:04:00Z"`},
		{"DD.MM.YYYY HH:mm Z", "02.01.2026 03:04 +19:00", NotADate},
		{"DD.MM.YYYY HH:mm Z", "02.01.2026 03:04 +01:60", NotADate},
		{"DD.MM.YYYY HH:mm Z", "02.01.2026 03:04", NotADate},
		{"DD.MM.YYYY HH:mm Z", "02.01.2026 03:04 CET", NotADate},
		{"ISO", "2026-01-02 03:04:05 +01:00", `"2026-01-02T02:04:05Z"`},
		{"DD.MM.YYYY", "31.12.1752", OutOfRange},
		{"DD.MM.YYYY", "01.01.0000", OutOfRange},
	} {
		set := config.Values{Dates: []string{c.layout}}
		if got, message := read(t, set, config.Column{From: "D", To: "lastonholdtime"}, text(c.cell)); got != c.want {
			t.Errorf("%q by %s: %s (%s), want %s", c.cell, c.layout, got, message, c.want)
		}
	}
}

// TestLayoutsInOrder: the first that fits, and none beside those stated.
func TestLayoutsInOrder(t *testing.T) {
	set := config.Values{Dates: []string{"DD/MM/YYYY", "DD.MM.YYYY HH:mm", "ISO"}}
	for cell, want := range map[string]string{
		"02/01/2026":          `"2026-01-02T00:00:00Z"`,
		"02.01.2026 03:04":    `"2026-01-02T03:04:00Z"`,
		"2026-01-02T03:04:05": `"2026-01-02T03:04:05Z"`,
		"02.01.2026":          NotADate,
	} {
		if got, _ := read(t, set, config.Column{From: "D", To: "lastonholdtime"}, text(cell)); got != want {
			t.Errorf("%q: %s, want %s", cell, got, want)
		}
	}
	_, message := read(t, set, config.Column{From: "D", To: "lastonholdtime"}, text("2.1."))
	want := `"2.1." is not a date that exists and fits a layout of the destination: write it like 02/01/2026 or 02.01.2026 03:04 or 2026-01-02T03:04:05Z`
	if message != want {
		t.Errorf("%s, want %s", message, want)
	}
}

// FuzzLayout: what a layout writes it reads, and reading never panics.
func FuzzLayout(f *testing.F) {
	for _, l := range []string{"DD.MM.YYYY", "M/D/YYYY h:mm A", "YYYYMMDDHHmmssSSS", "D MMM YYYY [um] H:m:s Z", "YYYY-MM-DD[T]HH:mm:ss.SSSZ", "ISO", "hh A DD MM YYYY"} {
		f.Add(l, "02.01.2026", int64(1767323045))
		f.Add(l, "1/2/2026 3:04 PM", int64(-6847804800))
	}
	f.Fuzz(func(t *testing.T, layout, cell string, unix int64) {
		l, wrong := parseLayout(layout)
		if wrong != "" {
			return
		}
		l.parse([]byte(cell))
		at := time.Unix(unix%200000000000, 0).UTC()
		if at.Year() < 1 || at.Year() > 9999 {
			return
		}
		written := l.format(at)
		m, ok := l.parse([]byte(written))
		if !ok {
			t.Fatalf("%q writes %q and cannot read it", layout, written)
		}
		if again := l.format(m.utc); again != written {
			t.Fatalf("%q writes %q, and after reading %q", layout, written, again)
		}
	})
}
