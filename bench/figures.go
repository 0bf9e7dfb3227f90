package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// A figure is what the bench is for: one value a round, and what its median should be.
type figure struct {
	name   string
	values []float64
	target float64
	least  bool   // the target is the least that is good enough, not the most
	unit   string // "×" for ratios
}

func (f figure) reached() bool {
	if f.least {
		return median(f.values) >= f.target
	}
	return median(f.values) <= f.target
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	if n == 0 {
		return 0
	}
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// ratios pairs the runs of one round.
func ratios(over, under []measure, of func(measure) float64) []float64 {
	values := make([]float64, min(len(over), len(under)))
	for i := range values {
		values[i] = of(over[i]) / of(under[i])
	}
	return values
}

// each is a figure of every run by itself.
func each(runs []measure, of func(measure) float64) []float64 {
	values := make([]float64, len(runs))
	for i, m := range runs {
		values[i] = of(m)
	}
	return values
}

func rate(m measure) float64     { return float64(m.rows) / m.wall }
func loadRate(m measure) float64 { return float64(m.rows) / m.load }
func cpuPerRow(m measure) float64 {
	return m.cpu / float64(m.rows)
}
func wall(m measure) float64 { return m.wall }
func allocated(m measure) float64 {
	return float64(m.allocations) / float64(m.rows)
}
func megabytes(m measure) float64 {
	return float64(m.peak) / (1 << 20)
}

func printFigures(out io.Writer, figures []figure) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "FIGURE\tTARGET\tMEDIAN\tMIN\tMAX\t")
	for _, f := range figures {
		sign, verdict := "≤", "reached"
		if f.least {
			sign = "≥"
		}
		if !f.reached() {
			verdict = "missed"
		}
		fmt.Fprintf(table, "%s\t%s %g %s\t%.2f\t%.2f\t%.2f\t%s\n", f.name, sign, f.target, f.unit,
			median(f.values), slices.Min(f.values), slices.Max(f.values), verdict)
	}
	return table.Flush()
}

// printMeasures shows the medians of each contestant, and the extremes of its time.
func printMeasures(out io.Writer, results map[string][]measure, order ...string) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "\twall s\t(min–max)\tload s\trows/s\tCPU s\tCPU µs/row\tpeak MiB\tcalls\t")
	for _, name := range order {
		runs := results[name]
		of := func(f func(measure) float64) float64 {
			values := make([]float64, len(runs))
			for i, m := range runs {
				values[i] = f(m)
			}
			return median(values)
		}
		quickest, slowest := slices.MinFunc(runs, byWall), slices.MaxFunc(runs, byWall)
		fmt.Fprintf(table, "%s\t%.2f\t(%.2f–%.2f)\t%.2f\t%.0f\t%.2f\t%.1f\t%.0f\t%d\t\n", name, of(wall), quickest.wall, slowest.wall,
			of(func(m measure) float64 { return m.load }), of(rate), of(func(m measure) float64 { return m.cpu }),
			1e6*of(cpuPerRow), of(megabytes), runs[0].calls)
	}
	return table.Flush()
}

// printParts shows the medians of what has no calls.
func printParts(out io.Writer, results map[string][]measure, order []string) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "\ts\trows/s\tCPU s\tallocations/row\tpeak MiB\t")
	for _, name := range order {
		runs := results[name]
		of := func(f func(measure) float64) float64 { return median(each(runs, f)) }
		fmt.Fprintf(table, "%s\t%.2f\t%.0f\t%.2f\t%.3f\t%.0f\t\n", name, of(wall), of(rate),
			of(func(m measure) float64 { return m.cpu }), of(allocated), of(megabytes))
	}
	return table.Flush()
}

func byWall(a, b measure) int {
	switch {
	case a.wall < b.wall:
		return -1
	case a.wall > b.wall:
		return 1
	}
	return 0
}
