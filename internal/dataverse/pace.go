package dataverse

import (
	"math"
	"math/rand/v2"
	"regexp"
	"sort"
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
	outgrown       = 1.05                  // times what struck, without being struck again: it is the limit no more
	ownShare       = 0.9                   // of a limit that a user has used: nobody else uses much of it
	mostCredit     = 5                     // slot-seconds: about what calls of a second leave unused at a chunk's end
	mostRush       = 4                     // times the mean pace at which one call may follow another
	leastApart     = 10 * time.Millisecond // closer calls need not be kept apart
	crowdDecrease  = 0.8                   // of the calls in flight when there were too many at once
	sampleInterval = 20 * time.Millisecond
	maxSamples     = 20_000
)

// pace is how fast one application user calls: how many calls it has in flight
// on average, a fraction included, and how many it starts in a second.
//
// The service's limits bound work in a sliding window (1,200 s of execution in
// 300 s is four calls busy at a time), and the hint is a whole number near
// them. So pace goes by the hint until the first throttle, which tells what the window holds:
// what the user had used of it then. From there on it uses a little less. What is
// left unused, when a chunk ends or calls are slow to come, it makes up for by more calls in flight,
// as far as the window has room. Each step above what struck costs a throttle when
// the limits are still the same, so they are taken after so many calls that throttles stay rare.
type pace struct {
	flow       *Flow
	hint       float64
	bonus      float64 // above the hint, explored
	slots      float64 // calls in flight that the limits were found to bear; 0 is unknown
	rate       float64 // calls a second, likewise
	most       float64 // slot-seconds that a window may hold, likewise
	growth     float64 // of them at the next raise
	struck     float64 // what of slots or rate got the user throttled
	firm       bool    // that is the user's limit, by all that is known
	raiseAt    time.Time
	raiseOn    float64       // calls started by then, at least, while it is firm
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
	begun         time.Time // the latest call
	credit        float64   // slot-seconds that may be used above whole slots
	calls         float64   // calls that may be started now
}

// The codes of two of the service's three limits; the third is execution time.
const (
	tooManyRequests = "0x80072322" // in a window
	tooManyAtOnce   = "0x80072326"
)

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
		most := 1.0
		if p.slots > 0 {
			most = mostCredit // before, nothing is known that could be made up for
		}
		p.credit = max(min(p.credit+awake*(p.target()-float64(flying)), most), -2)
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
		if now.Before(p.raiseAt) || p.firm && p.started < p.raiseOn {
			return
		}
		p.slots *= 1 + p.growth
		p.rate *= 1 + p.growth
		p.most *= 1 + p.growth
		p.growth = min(2*p.growth, maxGrowth)
		p.raiseAt, p.raiseOn = now.Add(p.window), p.started+float64(p.flow.Patience)
		p.firm = p.firm && max(p.slots, p.rate) < outgrown*p.struck
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
	switch over := float64(flying+1) - target; {
	case over <= 0:
	case over < 1-1e-9:
		wait = max(0, -p.credit/(1-over))
	case p.credit <= over || flying >= usualCrowd:
		p.wanted = true
		return false, time.Time{}
	}
	if p.rate > 0 && p.calls < 1 {
		wait = max(wait, (1-p.calls)/p.rate)
	}
	if excess := p.excess(now); excess > 0 {
		wait = max(wait, excess/target, sampleInterval.Seconds())
	}
	// Calls that start together are throttled together, and end together.
	if apart := p.mean() / target / mostRush; apart > leastApart.Seconds() {
		wait = max(wait, apart-now.Sub(p.begun).Seconds())
	}
	if wait == 0 {
		return true, time.Time{}
	}
	p.wanted = true
	return false, now.Add(time.Duration(wait*float64(time.Second)) + time.Microsecond)
}

// excess is how many slot-seconds the last window holds above what it may.
func (p *pace) excess(now time.Time) float64 {
	if p.most == 0 {
		return 0
	}
	return p.used - p.sampleAt(now.Add(-p.window)).used - p.most
}

// mean is how many seconds a call has taken.
func (p *pace) mean() float64 { return p.used / max(p.started, 1) }

func (p *pace) start(now time.Time) {
	p.started++
	p.begun = now
	if p.rate > 0 {
		p.calls--
	}
}

// slotsInFlight is the target as a whole number.
func (p *pace) slotsInFlight() int { return max(1, int(math.Ceil(p.target()-1e-9))) }

// throttled learns from a throttle, the first of those that come at once.
// flying includes the calls that are still under way.
func (p *pace) throttled(now time.Time, api *APIError, flying int, pause time.Duration) {
	if api.Code != tooManyAtOnce || p.window == 0 {
		p.window = windowOf(api)
	}
	p.growth = p.flow.Growth
	p.raiseAt = now.Add(pause + p.window)
	used, started := p.within(now)
	before := max(p.slots, p.rate)
	alone := p.exhausted(api, used, started)
	switch api.Code {
	case tooManyRequests:
		p.rate = max(started*p.flow.Headroom, 0.01)
		p.calls = 0
	case tooManyAtOnce:
		p.slots = max(1, crowdDecrease*min(float64(flying), p.target()))
	default: // execution time, or what Microsoft has not documented
		if p.slots == 0 && alone {
			// In the first window are calls that the service counts when they end, and short ones, which took more
			// of our time for its own.
			used -= float64(flying) * p.mean() / 2 / p.window.Seconds()
			used *= p.flow.Headroom
		}
		p.slots = max(used*p.flow.Headroom, 0.05)
		// What is made up for lies unevenly in the window: half the headroom is for that.
		p.most = p.slots * p.window.Seconds() * (1 + 1/p.flow.Headroom) / 2
	}
	after := max(p.slots, p.rate)
	p.struck, p.firm = after/p.flow.Headroom, alone || math.Abs(after-before) < 0.1*after
	if p.raiseOn = 0; alone { // otherwise the first raise, which stays below what struck, needs no patience
		p.raiseOn = p.started + float64(p.flow.Patience)
	}
	// Several processes that are throttled together must not come back together: a random phase.
	p.restsUntil, p.credit = now.Add(pause), -rand.Float64()
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
	n := sort.Search(len(p.samples), func(i int) bool { return p.samples[i].at.After(at) })
	if n < len(p.samples) {
		next = p.samples[n]
	}
	if n == 0 {
		return next
	}
	before := p.samples[n-1]
	share := 0.0
	if gap := next.at.Sub(before.at); gap > 0 {
		share = at.Sub(before.at).Seconds() / gap.Seconds()
	}
	return sample{at, before.used + share*(next.used-before.used), before.started + share*(next.started-before.started)}
}

var statedLimit = regexp.MustCompile(`exceeded (?:the )?limit of ([0-9]+)( milliseconds)? over time window`)

// exhausted tells whether the limit that a throttle names was used up by this process alone.
func (p *pace) exhausted(api *APIError, used, started float64) bool {
	m := statedLimit.FindStringSubmatch(strings.ToLower(api.Message))
	if m == nil {
		return false
	}
	limit, err := strconv.ParseFloat(m[1], 64)
	if m[2] != "" {
		limit, started = limit/1000, used
	}
	return err == nil && started >= ownShare*limit/p.window.Seconds()
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
