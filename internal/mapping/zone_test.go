package mapping

import (
	"strings"
	"testing"
	"time"

	"penstock/internal/config"
	"penstock/internal/dataverse"
	"penstock/internal/row"
)

func TestZones(t *testing.T) {
	for _, c := range []struct{ zone, cell, want string }{
		{"Europe/Berlin", "2026-01-02 03:04:05", `"2026-01-02T02:04:05Z"`},
		{"Europe/Berlin", "2026-07-02 03:04:05", `"2026-07-02T01:04:05Z"`},
		{"Europe/Berlin", "2026-07-02", `"2026-07-01T22:00:00Z"`},
		{"Europe/Berlin", "2026-07-02T03:04:05Z", `"2026-07-02T03:04:05Z"`},
		{"Europe/Berlin", "2026-07-02T03:04:05-05:00", `"2026-07-02T08:04:05Z"`},
		// Clocks go from 02:00 to 03:00 on 29 March 2026, and from 03:00 to 02:00 on 25 October.
		{"Europe/Berlin", "2026-03-29 01:59:59", `"2026-03-29T00:59:59Z"`},
		{"Europe/Berlin", "2026-03-29 02:00:00", NotADate},
		{"Europe/Berlin", "2026-03-29 02:59:59", NotADate},
		{"Europe/Berlin", "2026-03-29 03:00:00", `"2026-03-29T01:00:00Z"`},
		{"Europe/Berlin", "2026-10-25 01:59:59", `"2026-10-24T23:59:59Z"`},
		{"Europe/Berlin", "2026-10-25 02:00:00", AmbiguousTime},
		{"Europe/Berlin", "2026-10-25 02:59:59", AmbiguousTime},
		{"Europe/Berlin", "2026-10-25 03:00:00", `"2026-10-25T02:00:00Z"`},
		{"Europe/Berlin", "2026-10-25 02:30:00+02:00", `"2026-10-25T00:30:00Z"`},
		{"Europe/Berlin", "2026-10-25 02:30:00+01:00", `"2026-10-25T01:30:00Z"`},
		{"America/New_York", "2026-03-08 01:59:59", `"2026-03-08T06:59:59Z"`},
		{"America/New_York", "2026-03-08 02:30:00", NotADate},
		{"America/New_York", "2026-03-08 03:00:00", `"2026-03-08T07:00:00Z"`},
		{"America/New_York", "2026-11-01 00:59:59", `"2026-11-01T04:59:59Z"`},
		{"America/New_York", "2026-11-01 01:30:00", AmbiguousTime},
		{"America/New_York", "2026-11-01 02:00:00", `"2026-11-01T07:00:00Z"`},
		{"America/Sao_Paulo", "2018-11-04", NotADate},                 // clocks skipped midnight
		{"Australia/Lord_Howe", "2026-04-05 01:45:00", AmbiguousTime}, // half an hour
		{"Australia/Lord_Howe", "2026-04-05 02:00:00", `"2026-04-04T15:30:00Z"`},
		{"Pacific/Apia", "2011-12-30 12:00:00", NotADate}, // a whole day
		{"Pacific/Apia", "2011-12-31 12:00:00", `"2011-12-30T22:00:00Z"`},
		{"Asia/Kolkata", "2026-01-02 05:30", `"2026-01-02T00:00:00Z"`},
		{"UTC", "2026-01-02 03:04:05", `"2026-01-02T03:04:05Z"`},
		{"", "2026-01-02 03:04:05", `"2026-01-02T03:04:05Z"`},
		{"America/New_York", "9999-12-31 23:00:00", OutOfRange},
		{"Europe/Berlin", "2026-10-25 02:30:00.5", TooPrecise},
	} {
		if got, message := read(t, config.Values{Zone: c.zone}, config.Column{From: "D", To: "lastonholdtime"}, text(c.cell)); got != c.want {
			t.Errorf("%q in %s: %s (%s), want %s", c.cell, c.zone, got, message, c.want)
		}
	}
	for cell, want := range map[string]string{
		"2026-10-25 02:30": "happens twice in Europe/Berlin, whose clocks go back then: write the time with its offset",
		"2026-03-29 02:30": "does not exist in Europe/Berlin, whose clocks skip it: correct it",
	} {
		if _, message := read(t, config.Values{Zone: "Europe/Berlin"}, config.Column{From: "D", To: "lastonholdtime"}, text(cell)); !strings.Contains(message, want) {
			t.Error(message)
		}
	}
}

// TestInstants holds instants against all offsets that there are: hour by hour around each change of clocks.
func TestInstants(t *testing.T) {
	for _, name := range []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Gaza", "America/Nuuk"} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		shown := map[time.Time][]time.Time{} // what clocks show, and when
		begin := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
		for at := begin; at.Year() < 2025; at = at.Add(30 * time.Minute) {
			_, offset := at.In(zone).Zone()
			wall := at.Add(time.Duration(offset) * time.Second)
			shown[wall] = append(shown[wall], at)
		}
		for wall := begin.AddDate(0, 0, 2); wall.Year() < 2025 && wall.YearDay() < 360; wall = wall.Add(30 * time.Minute) {
			first, found := instants(wall, zone)
			want := shown[wall]
			if found != len(want) || found == 1 && !first.Equal(want[0]) {
				t.Errorf("%s shows %v at %v, found %d from %v", name, wall, want, found, first)
			}
		}
	}
}

// TestDays: a column of dates takes no time of day, but for a midnight whose place is known.
func TestDays(t *testing.T) {
	for _, c := range []struct {
		set        config.Values
		cell, want string
	}{
		{config.Values{}, "2026-01-02 00:00", HasTime},
		{config.Values{}, "2026-01-02T00:00:00Z", HasTime},
		{config.Values{Zone: "Europe/Berlin"}, "2026-01-02", `"2026-01-02"`},
		{config.Values{Zone: "Europe/Berlin"}, "2026-01-02 00:00:00", `"2026-01-02"`},
		{config.Values{Zone: "Europe/Berlin"}, "2026-01-02 00:00:01", HasTime},
		{config.Values{Zone: "Europe/Berlin"}, "2026-01-02 00:00:00.001", HasTime},
		{config.Values{Zone: "Europe/Berlin"}, "2026-01-01T23:00:00Z", `"2026-01-02"`},
		{config.Values{Zone: "Europe/Berlin"}, "2026-01-02T00:00:00Z", HasTime},
		{config.Values{Zone: "America/New_York"}, "2026-01-02T05:00:00Z", `"2026-01-02"`},
		{config.Values{Zone: "America/Sao_Paulo"}, "2018-11-04", `"2018-11-04"`}, // a day without a midnight is a day
		{config.Values{Dates: []string{"DD.MM.YYYY HH:mm:ss"}}, "02.01.2026 00:00:00", `"2026-01-02"`},
		{config.Values{Dates: []string{"DD.MM.YYYY HH:mm:ss"}}, "02.01.2026 12:00:00", HasTime},
		{config.Values{Dates: []string{"DD.MM.YYYY HH:mm Z"}}, "02.01.2026 00:00 Z", HasTime},
		{config.Values{Dates: []string{"DD.MM.YYYY"}}, "02.01.2026", `"2026-01-02"`},
		{config.Values{Zone: "Europe/Berlin"}, "1752-12-31", OutOfRange},
	} {
		if got, message := read(t, c.set, config.Column{From: "D", To: "birthdate"}, text(c.cell)); got != c.want {
			t.Errorf("%q with %+v: %s (%s), want %s", c.cell, c.set, got, message, c.want)
		}
	}
	_, message := read(t, config.Values{Dates: []string{"DD.MM.YYYY HH:mm", "DD.MM.YYYY"}}, config.Column{From: "D", To: "birthdate"}, text("02.01.2026 12:00"))
	if want := `"02.01.2026 12:00" has a time of day and the column takes dates only: write 02.01.2026`; message != want {
		t.Error(message)
	}
}

// TestDatesOfAColumn: a column's settings stand before the destination's.
func TestDatesOfAColumn(t *testing.T) {
	set := config.Values{Dates: []string{"DD.MM.YYYY HH:mm"}, Zone: "Europe/Berlin"}
	own := config.Column{From: "D", To: "lastonholdtime", Values: config.Values{Dates: []string{"M/D/YYYY HH:mm"}}}
	if got, _ := read(t, set, own, text("1/2/2026 03:04")); got != `"2026-01-02T02:04:00Z"` {
		t.Error(got)
	}
	own.Values = config.Values{Zone: "UTC"}
	if got, _ := read(t, set, own, text("02.01.2026 03:04")); got != `"2026-01-02T03:04:00Z"` {
		t.Error(got)
	}
}

// A column of wall times keeps what the clock shows, whatever the zone.
func TestWallTimesAreNotConverted(t *testing.T) {
	column := dataverse.Column{Name: "new_at", Type: dataverse.DateTime, WallTime: true}
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	got, p := dates(&column, &calendar{zone: berlin})(nil, row.Cell{Kind: row.Text, Text: []byte("2026-07-02 03:04:05")})
	if p != nil || string(got) != `"2026-07-02T03:04:05Z"` {
		t.Errorf("%s, %v", got, p)
	}
}
