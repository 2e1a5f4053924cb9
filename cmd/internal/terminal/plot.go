package terminal

import "math"

// A braille character is two dots wide and four high; dots numbers them from the
// top left.
var dots = [4][2]rune{{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}}

// Plot draws values from left to right as a line within a box of characters, the
// lowest at its bottom and the highest at its top, and returns the rows from top
// to bottom. Where there are more values than dots, all that share a column are
// drawn. Requires: width and height are above 0, and values are finite.
func Plot(values []float64, width, height int) []string {
	cells := make([][]rune, height)
	for i := range cells {
		cells[i] = make([]rune, width)
		for j := range cells[i] {
			cells[i][j] = 0x2800 // no dot
		}
	}
	low, high := Bounds(values)
	level := func(v float64) int { // dots from the top
		if high == low {
			return 2 * height
		}
		return int(math.Round((high - v) / (high - low) * float64(4*height-1)))
	}
	column := func(i int) int { return i * (2*width - 1) / max(1, len(values)-1) }
	for i, v := range values {
		from, to := level(v), level(v)
		if i > 0 { // a line without holes
			before := level(values[i-1])
			from, to = min(before, to), max(before, to)
		}
		for y := from; y <= to; y++ {
			x := column(i)
			cells[y/4][x/2] |= dots[y%4][x%2]
		}
	}
	rows := make([]string, height)
	for i := range rows {
		rows[i] = string(cells[i])
	}
	return rows
}

// Bounds returns the lowest and the highest value; 0 and 0 of none.
func Bounds(values []float64) (low, high float64) {
	if len(values) == 0 {
		return 0, 0
	}
	low, high = values[0], values[0]
	for _, v := range values[1:] {
		low, high = min(low, v), max(high, v)
	}
	return low, high
}
