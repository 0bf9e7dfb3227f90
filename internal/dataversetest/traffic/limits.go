package traffic

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Duration is a time.Duration written as "30ms" or "5m" in JSON and on command lines.
type Duration time.Duration

func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText writes d as time.Duration does.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what time.ParseDuration reads.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf(`%q is not a duration such as "30ms" or "5m"`, text)
	}
	*d = Duration(parsed)
	return nil
}

// Limits are the service protection limits, kept per user and virtual server,
// and the size of a message. Zero means "no such limit".
type Limits struct {
	Requests      int64    `json:"requests"`       // in one window
	ExecutionTime Duration `json:"execution_time"` // of one window's requests together
	Concurrency   int      `json:"concurrency"`    // requests under way at one moment
	Window        Duration `json:"window"`         // the sliding window of the first two
	MessageBytes  int64    `json:"message_bytes"`  // of a request's body

	// Scale shrinks the window and what it may hold alike, so that the rates stay
	// and an experiment takes seconds: 1.0/60 makes the 300 s window 5 s. Retry-After
	// stays in whole seconds, which weighs more the shorter the window. Zero means 1.
	Scale float64 `json:"scale"`
	// Recovery is the share of a window's limit that must have become free again
	// before a throttled user is let in. It decides how long Retry-After is.
	Recovery float64 `json:"recovery"`

	Servers int `json:"servers"`  // virtual web servers, each with its own count; at least 1
	DOPHint int `json:"dop_hint"` // x-ms-dop-hint; 0 leaves the header out
}

// DefaultLimits are the documented limits of an environment with one web server.
//
// Not documented are the body's exact cap (116.85 MB is given for tables with
// plug-ins), the parallelism hint (5 was seen in developer environments, about 50
// in production) and how Retry-After is found. About 30 s were seen where the hint
// was exceeded; here it is 15 s under even load and longer the harder the load.
func DefaultLimits() Limits {
	return Limits{
		Requests:      6000,
		ExecutionTime: Duration(20 * time.Minute),
		Concurrency:   52,
		Window:        Duration(5 * time.Minute),
		MessageBytes:  122_526_105,
		Scale:         1,
		Recovery:      0.05,
		Servers:       1,
		DOPHint:       5,
	}
}

// Validate says what is wrong with l.
func (l Limits) Validate() error {
	switch {
	case l.Requests < 0, l.ExecutionTime < 0, l.Concurrency < 0, l.Window < 0, l.MessageBytes < 0, l.Servers < 0, l.DOPHint < 0:
		return errors.New("a limit is never negative; 0 means no limit")
	case l.Window > Duration(24*time.Hour):
		return errors.New("window is at most 24h")
	case !(l.Scale >= 0 && l.Scale <= 1):
		return errors.New("scale is between 0 and 1")
	case !(l.Recovery >= 0 && l.Recovery <= 1):
		return errors.New("recovery is between 0 and 1")
	case l.Servers > maxServers:
		return fmt.Errorf("servers is at most %d", maxServers)
	}
	return nil
}

const maxServers = 64

// effective applies the scale and fills in what zero stands for.
func (l Limits) effective() Limits {
	l.Servers = max(1, l.Servers)
	if l.Scale > 0 && l.Scale < 1 {
		l.Requests = scaled(l.Requests, l.Scale)
		l.Window = Duration(scaled(int64(l.Window), l.Scale))
		l.ExecutionTime = Duration(scaled(int64(l.ExecutionTime), l.Scale))
	}
	if l.Window == 0 {
		l.Requests, l.ExecutionTime = 0, 0
	}
	return l
}

// scaled never turns a limit into 0, which would mean none.
func scaled(n int64, by float64) int64 {
	if n == 0 {
		return 0
	}
	return max(1, int64(math.Round(float64(n)*by)))
}
