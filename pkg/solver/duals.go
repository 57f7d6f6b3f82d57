package solver

import "slices"

// product is something to buy: a price for what it holds of resources.
type product struct {
	price float64
	holds vector
}

const (
	// maxPivots bounds the simplex method; ten times as many as ever seen, since the prices need not be exact.
	maxPivots = 1000
	// pivotTolerance is the relative gain below which a product does not count as better.
	pivotTolerance = 1e-9
)

// simplex finds what one unit of each resource is worth when a demand is bought at the least cost in fractions of products: the
// shadow prices of the linear program min price·x, holds·x >= demand. No product is worth more than its price.
//
// It is the revised simplex method with an explicit inverse: there are as many rows as resources, a handful, and thousands of
// columns. Rows are scaled to a demand of 1; the first basis is artificial, at a price that nobody would pay. Columns below the
// number of products are those; the ones after it are surplus.
type simplex struct {
	products []product
	size     int       // number of resources
	rows     []int     // resources with demand
	scale    []float64 // their demand
	// entries of the products' scaled columns: those of product i are from starts[i] to starts[i+1]. Most of a column is zero
	// where there are many rows.
	starts  []int
	entries []entry
	inverse [][]float64
	basis   []int     // products that are bought, -1 for a surplus or what is artificial
	basic   []float64 // amounts of the basis
	costs   []float64 // prices of the basis
	worth   []float64 // dual prices of the scaled rows
	// direction is by how much the basis changes for a unit of what enters it.
	direction []float64
	pivots    int
}

// entry is a number other than zero in a column.
type entry struct {
	row    int
	amount float64
}

func newSimplex(products []product, demand []float64) *simplex {
	l := &simplex{}
	l.reset(products, demand)
	return l
}

// reset sets another program, in the memory of the one before.
func (l *simplex) reset(products []product, demand []float64) {
	l.products, l.size, l.pivots = products, len(demand), 0
	l.rows, l.scale, l.starts, l.entries = l.rows[:0], l.scale[:0], append(l.starts[:0], 0), l.entries[:0]
	for r, d := range demand {
		if d > 0 {
			l.rows, l.scale = append(l.rows, r), append(l.scale, d)
		}
	}
}

// solve returns the worth of a unit of each resource.
func (l *simplex) solve() []float64 {
	l.start()
	return l.resume()
}

// resume goes on from the basis that there is, with products that were added since.
func (l *simplex) resume() []float64 {
	l.expand()
	l.price()
	for range maxPivots {
		entering, gain := l.enter()
		if entering < 0 || !l.pivot(entering, gain) {
			break
		}
		l.pivots++
	}
	out := make([]float64, l.size)
	for k, r := range l.rows {
		out[r] = max(l.worth[k], 0) / l.scale[k]
	}
	return out
}

// total returns what the basis costs.
func (l *simplex) total() float64 {
	total := 0.0
	for k, amount := range l.basic {
		total += amount * l.costs[k]
	}
	return total
}

// holds reports whether the same resources are in demand still and the basis meets their demand, too: then nothing else is
// worth more or less than it was, for that depends on the products of the basis only.
func (l *simplex) holds(demand []float64) bool {
	k := 0
	for r, d := range demand {
		if there := k < len(l.rows) && l.rows[k] == r; there != (d > 0) {
			return false
		}
		if d > 0 {
			k++
		}
	}
	for i := range l.inverse {
		amount := 0.0
		for k, r := range l.rows {
			amount += l.inverse[i][k] * demand[r] / l.scale[k]
		}
		if amount < -pivotTolerance {
			return false
		}
	}
	return true
}

// expand fills in the columns of products that came since the last time.
func (l *simplex) expand() {
	for i := len(l.starts) - 1; i < len(l.products); i++ {
		for k, r := range l.rows {
			if have := l.products[i].holds[r]; have != 0 {
				l.entries = append(l.entries, entry{k, float64(have) / l.scale[k]})
			}
		}
		l.starts = append(l.starts, len(l.entries))
	}
}

func (l *simplex) start() {
	n := len(l.rows)
	l.basic, l.costs, l.worth, l.direction = make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n)
	l.basis = slices.Repeat([]int{-1}, n)
	l.inverse = make([][]float64, n)
	all := make([]float64, n*n)
	for k := range n {
		l.inverse[k] = all[k*n : (k+1)*n]
		l.inverse[k][k], l.basic[k], l.costs[k] = 1, 1, l.prohibitive(k)
	}
}

// prohibitive returns a price of a row's demand well above that of any product that has the resource.
func (l *simplex) prohibitive(k int) float64 {
	most := 1.0
	for i := range l.products {
		if have := l.products[i].holds[l.rows[k]]; have > 0 {
			most = max(most, l.products[i].price*l.scale[k]/float64(have))
		}
	}
	return 10 * most
}

// price computes the dual prices from the basis.
func (l *simplex) price() {
	clear(l.worth)
	for k, c := range l.costs {
		if c != 0 {
			for j, b := range l.inverse[k] {
				l.worth[j] += c * b
			}
		}
	}
}

// enter returns the column that gains the most per unit of its price, and what a unit of it gains; surplus of a resource whose
// worth is negative counts as a gain of all of it. It returns a negative column if none gains.
func (l *simplex) enter() (int, float64) {
	best, most, bestGain := -1, 0.0, pivotTolerance
	for i := range l.products {
		gain := -l.products[i].price
		for _, e := range l.entries[l.starts[i]:l.starts[i+1]] {
			gain += l.worth[e.row] * e.amount
		}
		if part := gain / max(l.products[i].price, pivotTolerance); part > bestGain {
			best, most, bestGain = i, gain, part
		}
	}
	if best >= 0 {
		return best, most
	}
	for k, w := range l.worth {
		if w < -pivotTolerance {
			return len(l.products) + k, -w
		}
	}
	return -1, 0
}

// pivot brings a column into the basis; false when nothing has to leave for it.
func (l *simplex) pivot(entering int, gain float64) bool {
	l.turn(entering)
	leaving, ratio, largest := -1, 0.0, 0.0
	for _, d := range l.direction {
		largest = max(largest, d)
	}
	for k, d := range l.direction {
		if d <= largest*pivotTolerance {
			continue
		}
		if q := l.basic[k] / d; leaving < 0 || q < ratio {
			leaving, ratio = k, q
		}
	}
	if leaving < 0 {
		return false
	}
	row, d := l.inverse[leaving], l.direction[leaving]
	for j := range row {
		row[j] /= d
		l.worth[j] -= gain * row[j]
	}
	for k, d := range l.direction {
		if k == leaving || d == 0 {
			continue
		}
		other := l.inverse[k]
		for j, b := range row {
			other[j] -= d * b
		}
		l.basic[k] = max(l.basic[k]-d*ratio, 0)
	}
	l.basic[leaving] = ratio
	if entering < len(l.products) {
		l.basis[leaving], l.costs[leaving] = entering, l.products[entering].price
	} else {
		l.basis[leaving], l.costs[leaving] = -1, 0
	}
	return true
}

// turn fills in the direction of a column.
func (l *simplex) turn(entering int) {
	if k := entering - len(l.products); k >= 0 {
		for i := range l.direction {
			l.direction[i] = -l.inverse[i][k]
		}
		return
	}
	column := l.entries[l.starts[entering]:l.starts[entering+1]]
	for i, row := range l.inverse {
		total := 0.0
		for _, e := range column {
			total += row[e.row] * e.amount
		}
		l.direction[i] = total
	}
}
