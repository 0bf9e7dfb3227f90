package traffic

import "time"

// bucketsPerWindow makes a bucket one second long at the true window of 300 s.
const bucketsPerWindow = 300

// A window sums what happened lately, in a ring of buckets. What is added counts
// for at least the window and for at most one bucket (1/300) longer, so no true
// sliding window ever holds more than this one admits.
type window struct {
	width   time.Duration               // of a bucket
	buckets [bucketsPerWindow + 1]int64 // the current one is only partly past
	head    int64                       // number of the current bucket, counted from time 0
	sum     int64
}

func newWindow(length time.Duration) window {
	return window{width: max(1, length/bucketsPerWindow)}
}

// add counts v at the time at.
func (w *window) add(at time.Duration, v int64) {
	w.advance(at)
	w.buckets[w.head%int64(len(w.buckets))] += v
	w.sum += v
}

// total is what the window holds at the time at.
func (w *window) total(at time.Duration) int64 {
	w.advance(at)
	return w.sum
}

// until is how long after at the window holds no more than target, if nothing is added.
func (w *window) until(at time.Duration, target int64) time.Duration {
	w.advance(at)
	size, left := int64(len(w.buckets)), w.sum
	for i := max(0, w.head-size+1); left > target && i <= w.head; i++ {
		left -= w.buckets[i%size]
		if left <= target {
			return time.Duration(i+size)*w.width - at
		}
	}
	return 0
}

// advance forgets the buckets that have left the window.
func (w *window) advance(at time.Duration) {
	now, size := int64(at/w.width), int64(len(w.buckets))
	if now <= w.head {
		return
	}
	for i := max(w.head+1, now-size+1); i <= now; i++ {
		w.sum -= w.buckets[i%size]
		w.buckets[i%size] = 0
	}
	w.head = now
}
