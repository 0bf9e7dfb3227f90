package dataverse

import (
	"math"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	usualWindow    = 300 * time.Second // of service protection, where a throttle does not say
	explorePeriod  = 30 * time.Second  // without a throttle, before more calls in flight are tried
	exploreStep    = 0.05              // of the hint
	usualCrowd     = 50                // exploring stays below the service's limit of requests at once
	feelPeriod     = 5 * time.Second   // between two reactions to latency
	maxGrowth      = 0.08
	crowdDecrease  = 0.8 // of the calls in flight when there were too many at once
	sampleInterval = 20 * time.Millisecond
	maxSamples     = 20_000
)

// pace is how fast one application user calls: how many calls it has in flight
// on average, a fraction included, and how many it starts in a second.
//
// The service's limits bound work in a sliding window (1,200 s of execution in
// 300 s is four calls busy at a time), and the hint is a whole number near
// them. So pace goes by the hint until the first throttle, which tells what the window holds:
// what the user had used of it then. From there on it uses a little less, and
// after each window without a throttle a little more.
type pace struct {
	flow       *Flow
	hint       float64
	bonus      float64 // above the hint, explored
	slots      float64 // calls in flight that the limits were found to bear; 0 is unknown
	rate       float64 // calls a second, likewise
	growth     float64 // of both at the next raise
	raiseAt    time.Time
	raiseOn    float64       // calls started by then, at least
	window     time.Duration // of the limit that struck last
	squeeze    float64       // share left by rising latency
	slow       float64       // how many times longer than at their best calls take, averaged
	restsUntil time.Time     // no credit is saved up in a pause
	feltAt     time.Time
	exploreAt  time.Time
	wanted     bool // a call had to wait for a slot since the last look

	// used and started sum up slot-seconds and calls; samples are what they were.
	at            time.Time
	used, started float64
	samples       []sample
	credit        float64 // slot-seconds that may be used above whole slots
	calls         float64 // calls that may be started now
}

type sample struct {
	at            time.Time
	used, started float64
}

// advance accounts for the time since the last look, in which flying calls were under way.
func (p *pace) advance(now time.Time, flying int) {
	if p.at.IsZero() {
		p.at, p.exploreAt, p.squeeze = now, now.Add(explorePeriod), 1
		p.samples = append(p.samples, sample{at: now})
		return
	}
	dt := now.Sub(p.at).Seconds()
	if dt <= 0 {
		return
	}
	since := p.at
	p.at = now
	p.used += dt * float64(flying)
	if since.Before(p.restsUntil) {
		since = p.restsUntil
	}
	if awake := now.Sub(since).Seconds(); awake > 0 {
		p.credit = max(min(p.credit+awake*(p.target()-float64(flying)), 1), -2)
	}
	if p.rate > 0 {
		p.calls = min(p.calls+dt*p.rate, max(1, p.rate/4))
	}
	if last := p.samples[len(p.samples)-1]; now.Sub(last.at) >= sampleInterval {
		p.samples = append(p.samples, sample{now, p.used, p.started})
		if len(p.samples) > maxSamples {
			p.samples = append(p.samples[:0], p.samples[maxSamples/4:]...)
		}
	}
	p.review(now)
}

// target is how many calls should be in flight on average.
func (p *pace) target() float64 {
	hint := p.hint
	if hint == 0 {
		hint = float64(p.flow.Start)
	}
	t := hint + p.bonus
	if p.slots > 0 {
		t = min(t, p.slots)
	}
	return max(t*p.squeeze, 0.05)
}

// review raises what was learnt when its time has come.
func (p *pace) review(now time.Time) {
	if p.slots > 0 || p.rate > 0 {
		// The first raise still stays below what struck; only those beyond it need patience.
		if now.Before(p.raiseAt) || p.growth > p.flow.Growth && p.started < p.raiseOn {
			return
		}
		p.slots *= 1 + p.growth
		p.rate *= 1 + p.growth
		p.growth = min(2*p.growth, maxGrowth)
		p.raiseAt = now.Add(p.window)
		return
	}
	if now.Before(p.exploreAt) || p.hint == 0 {
		return
	}
	p.exploreAt = now.Add(explorePeriod)
	if p.wanted && p.squeeze == 1 && p.slow < 1.2 {
		most := min(p.hint*p.flow.Explore, max(p.hint, usualCrowd))
		p.bonus = min(p.bonus+exploreStep*p.hint, most-p.hint)
	}
	p.wanted = false
}

// admits reports whether one more call may start; else when to ask again,
// zero when only the end of another call helps.
func (p *pace) admits(now time.Time, flying int) (yes bool, again time.Time) {
	target := p.target()
	wait := 0.0
	if whole := float64(flying + 1); whole > target {
		switch gap := target - float64(flying); {
		case gap <= 1e-9:
			p.wanted = true
			return false, time.Time{}
		case p.credit < 0:
			wait = -p.credit / gap
		}
	}
	if p.rate > 0 && p.calls < 1 {
		wait = max(wait, (1-p.calls)/p.rate)
	}
	if wait == 0 {
		return true, time.Time{}
	}
	p.wanted = true
	return false, now.Add(time.Duration(wait*float64(time.Second)) + time.Microsecond)
}

func (p *pace) start() {
	p.started++
	if p.rate > 0 {
		p.calls--
	}
}

// slotsInFlight is the target as a whole number.
func (p *pace) slotsInFlight() int { return max(1, int(math.Ceil(p.target()-1e-9))) }

// throttled learns from a throttle, the first of those that come at once.
// flying includes the calls that are still under way.
func (p *pace) throttled(now time.Time, api *APIError, flying int, pause time.Duration) {
	p.window = windowOf(api)
	p.growth = p.flow.Growth
	p.raiseAt = now.Add(pause + p.window)
	used, started := p.within(now)
	before := max(p.slots, p.rate)
	switch api.Code {
	case "0x80072322": // requests in a window
		p.rate = max(started*p.flow.Headroom, 0.01)
		p.calls = 0
	case "0x80072326": // requests at once
		p.slots = max(1, crowdDecrease*min(float64(flying), p.target()))
	default: // execution time, or what Microsoft has not documented
		p.slots = max(used*p.flow.Headroom, 0.05)
	}
	// Several processes that are throttled together must not come back together: a random phase.
	p.restsUntil, p.credit, p.raiseOn = now.Add(pause), -rand.Float64(), 0
	if after := max(p.slots, p.rate); math.Abs(after-before) < 0.1*after {
		p.raiseOn = p.started + float64(p.flow.Patience)
	}
}

// within is what was used and started in the last window, by the second. A
// user whom we have known for less than half a window shares it with others, who have filled it.
func (p *pace) within(now time.Time) (used, started float64) {
	span := p.window.Seconds()
	if known := now.Sub(p.samples[0].at).Seconds(); known < span/2 {
		span = max(known, span/10)
	}
	first := p.sampleAt(now.Add(-time.Duration(span * float64(time.Second))))
	return (p.used - first.used) / span, (p.started - first.started) / span
}

// sampleAt is what the sums were at some time: they grow evenly from sample to sample.
func (p *pace) sampleAt(at time.Time) sample {
	next := sample{p.at, p.used, p.started}
	for i := len(p.samples) - 1; i >= 0; i-- {
		before := p.samples[i]
		if before.at.After(at) {
			next = before
			continue
		}
		share := 0.0
		if gap := next.at.Sub(before.at); gap > 0 {
			share = at.Sub(before.at).Seconds() / gap.Seconds()
		}
		return sample{at, before.used + share*(next.used-before.used), before.started + share*(next.started-before.started)}
	}
	return next
}

var timeWindow = regexp.MustCompile(`time window of ([0-9]+(?:\.[0-9]+)?) seconds`)

// windowOf reads the length of the window from the text of a throttle: the limits are data, not constants.
func windowOf(api *APIError) time.Duration {
	if m := timeWindow.FindStringSubmatch(strings.ToLower(api.Message)); m != nil {
		if seconds, err := strconv.ParseFloat(m[1], 64); err == nil && seconds > 0 && seconds <= 86_400 {
			return time.Duration(seconds * float64(time.Second))
		}
	}
	return usualWindow
}

// feel takes in how many times longer than at its best a call took. Latency may
// climb without any throttle, and more calls in flight then only wait for each other.
func (p *pace) feel(now time.Time, slower float64) {
	const weight = 0.1
	if p.slow == 0 {
		p.slow = 1
	}
	p.slow += weight * (slower - p.slow)
	if now.Sub(p.feltAt) < feelPeriod {
		return
	}
	p.feltAt = now
	switch {
	case p.slow > p.flow.Slower:
		p.squeeze = max(p.squeeze*0.85, p.flow.Least)
	case p.slow < 0.7*p.flow.Slower:
		p.squeeze = min(p.squeeze*1.05, 1)
	}
}
