package main

import (
	"math"
	"testing"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 3, 2}, 2.5}} {
		if got := median(c.values); got != c.want {
			t.Errorf("median of %v is %v, want %v", c.values, got, c.want)
		}
	}
}

func TestReached(t *testing.T) {
	for _, c := range []struct {
		figure figure
		want   bool
	}{
		{figure{values: []float64{1.4, 1.6, 9}, target: 1.5, least: true}, true},
		{figure{values: []float64{1.4, 1.4, 9}, target: 1.5, least: true}, false},
		{figure{values: []float64{1, 3, 3}, target: 3}, true},
		{figure{values: []float64{1, 3.1, 4}, target: 3}, false},
	} {
		if got := c.figure.reached(); got != c.want {
			t.Errorf("%+v: reached %t", c.figure, got)
		}
	}
}

// The examples are those of calls bound by execution time: 4/t of them a second.
func TestCeiling(t *testing.T) {
	for _, c := range []struct {
		rows, calls, refused int64
		users                int
		want                 float64
	}{
		{20_000, 100, 0, 1, 200 * 4 / 1.03},
		{20_000, 103, 3, 2, 2 * 200 * 4 / 1.03},
		{1000, 100, 0, 1, 10 * 20}, // short calls are bound by their number
	} {
		got := served{rows: c.rows, calls: c.calls, refused: c.refused}.ceiling(c.users)
		if math.Abs(got-c.want) > 1e-6 {
			t.Errorf("%+v: %f rows a second, want %f", c, got, c.want)
		}
	}
}
