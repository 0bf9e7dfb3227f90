package dataverse

import "time"

// Flow are the knobs of flow control. Zero values stand for the defaults, which
// suit the limits that Microsoft documents: per application user and web server
// 6,000 requests, 1,200 s of execution time and 52 requests at once, the first two in 300 s.
type Flow struct {
	// Start is how many calls a user may have in flight until the service has said
	// what it likes (x-ms-dop-hint); 0 is 5, which small environments say.
	Start int
	// Explore is how far calls in flight may go above the hint while nothing speaks against it,
	// as a multiple of the hint; 0 is 1.5, 1 never exceeds it. The hint ignores how long calls travel.
	Explore float64
	// Least is how far rising latency alone may push calls in flight below the hint; 0 is 0.5.
	Least float64
	// Headroom is the share that is used of what once got the user throttled; 0 is 0.98.
	Headroom float64
	// Growth is by how much that is raised after a window without a throttle, doubling from
	// raise to raise until the next one; 0 is 0.01.
	Growth float64
	// Patience is how many calls must go well, too, before each raise of what is known for the limit,
	// by what the throttle said or because two came at about the same level: so throttles stay
	// rare where a window holds few calls. 0 is 2,000.
	Patience int
	// Slower is how many times longer than at its best a row may take before calls in flight are cut; 0 is 2.
	Slower float64

	// LeastCall, StartCall and MostCall bound the operations that a call is suggested to carry; 0 is 25, 100 and 1,000.
	LeastCall, StartCall, MostCall int
	// ShortCall and LongCall are how long a call should take; 0 is 1 s and 5 s.
	ShortCall, LongCall time.Duration
}

func (f Flow) filled() Flow {
	or := func(v *float64, otherwise float64) {
		if *v <= 0 {
			*v = otherwise
		}
	}
	orInt := func(v *int, otherwise int) {
		if *v <= 0 {
			*v = otherwise
		}
	}
	orTime := func(v *time.Duration, otherwise time.Duration) {
		if *v <= 0 {
			*v = otherwise
		}
	}
	orInt(&f.Start, firstInFlight)
	or(&f.Explore, 1.5)
	or(&f.Least, 0.5)
	or(&f.Headroom, 0.98)
	or(&f.Growth, 0.01)
	orInt(&f.Patience, 2000)
	or(&f.Slower, 2)
	orInt(&f.LeastCall, 25)
	orInt(&f.StartCall, 100)
	orInt(&f.MostCall, 1000)
	orTime(&f.ShortCall, time.Second)
	orTime(&f.LongCall, 5*time.Second)
	return f
}
