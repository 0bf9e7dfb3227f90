package traffic

import (
	"strings"
	"testing"
	"time"
)

func TestParseLimits(t *testing.T) {
	l, err := ParseLimits("fast,servers=3,requests=600,window=1m")
	if err != nil || l.Servers != 3 || l.Requests != 600 || l.Window != Duration(time.Minute) || l.Scale != 1.0/60 || l.Concurrency != 52 {
		t.Errorf("%+v %v", l, err)
	}
	if l, err = ParseLimits("concurrency=10"); err != nil || l.Concurrency != 10 || l.Requests != 6000 {
		t.Errorf("%+v %v", l, err)
	}
	if l, err = ParseLimits("off"); err != nil || l.Requests != 0 || l.Concurrency != 0 {
		t.Errorf("%+v %v", l, err)
	}
	for text, want := range map[string]string{"quick": "unknown preset", "default,fast": "unknown preset", "requets=1": `did you mean "requests"`,
		"requests=1,requests=2": "given twice", "scale=2": "scale", "window=soon": "duration", "": "unknown preset"} {
		if _, err := ParseLimits(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestParseCosts(t *testing.T) {
	c, err := ParseCosts("typical,row=5ms,verbs.upsert=3,tables.contact.plug_in=40ms,tables.contact.factor=2,charge_only=true")
	if err != nil || c.Row != Duration(5*time.Millisecond) || c.Verbs["upsert"] != 3 || c.Verbs["delete"] != 2 || !c.ChargeOnly ||
		c.Tables["contact"].PlugIn != Duration(40*time.Millisecond) || c.Tables["contact"].Factor != 2 {
		t.Errorf("%+v %v", c, err)
	}
	for _, text := range []string{"dear", "row=5", "tables.contact=1", "row=-1s"} {
		if _, err := ParseCosts(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

func FuzzParsePresets(f *testing.F) {
	for _, text := range []string{"fast,servers=3", "typical,tables.a.b=1", "off,=,", "a.b.c=1,a.b=2", "row=1e9h"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if l, err := ParseLimits(text); err == nil && l.Validate() != nil {
			t.Errorf("%q: %v", text, l.Validate())
		}
		if c, err := ParseCosts(text); err == nil && c.Validate() != nil {
			t.Errorf("%q: %v", text, c.Validate())
		}
	})
}
