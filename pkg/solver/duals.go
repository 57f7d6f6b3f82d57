package solver

import "slices"

// product is something to buy: a price for a bundle of resources.
type product struct {
	price  float64
	bundle vector
}

const (
	// maxPivots bounds the simplex method; ten times as many as ever seen, since the prices need not be exact.
	maxPivots = 300
	// pivotTolerance is the relative gain below which a product does not count as better.
	pivotTolerance = 1e-9
)

// duals returns what one unit of each resource is worth when a demand is bought at the least cost in fractions of products:
// the shadow prices of the linear program min price·x, bundle·x >= demand. No product is worth more than its price.
//
// It is the revised simplex method with an explicit inverse: there are as many rows as resources, a handful, and thousands of
// columns. Rows are scaled to a demand of 1; the first basis is artificial, at a price that nobody would pay.
func duals(products []product, demand []float64) []float64 {
	return newSimplex(products, demand).solve()
}

// simplex is the state of the method. Columns below the number of products are those; the ones after it are surplus.
type simplex struct {
	products []product
	size     int       // number of resources
	rows     []int     // resources with demand
	scale    []float64 // their demand
	inverse  [][]float64
	basis    []int     // products that are bought, -1 for a surplus or what is artificial
	basic    []float64 // amounts of the basis
	costs    []float64 // prices of the basis
	worth    []float64 // dual prices of the scaled rows
}

func newSimplex(products []product, demand []float64) *simplex {
	l := &simplex{products: products, size: len(demand)}
	for r, d := range demand {
		if d > 0 {
			l.rows, l.scale = append(l.rows, r), append(l.scale, d)
		}
	}
	return l
}

// solve returns the worth of a unit of each resource.
func (l *simplex) solve() []float64 {
	l.start()
	return l.resume()
}

// resume goes on from the basis that there is, with products that were added since.
func (l *simplex) resume() []float64 {
	for range maxPivots {
		l.price()
		entering, ok := l.enter()
		if !ok || !l.pivot(entering) {
			break
		}
	}
	out := make([]float64, l.size)
	for k, r := range l.rows {
		out[r] = max(l.worth[k], 0) / l.scale[k]
	}
	return out
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

func (l *simplex) start() {
	n := len(l.rows)
	l.basic, l.costs, l.worth = make([]float64, n), make([]float64, n), make([]float64, n)
	l.inverse = make([][]float64, n)
	l.basis = slices.Repeat([]int{-1}, n)
	for k := range n {
		l.inverse[k] = make([]float64, n)
		l.inverse[k][k], l.basic[k], l.costs[k] = 1, 1, l.prohibitive(k)
	}
}

// prohibitive returns a price of a row's demand well above that of any product that has the resource.
func (l *simplex) prohibitive(k int) float64 {
	most := 1.0
	for i := range l.products {
		if have := l.products[i].bundle[l.rows[k]]; have > 0 {
			most = max(most, l.products[i].price*l.scale[k]/float64(have))
		}
	}
	return 10 * most
}

func (l *simplex) price() {
	for j := range l.worth {
		l.worth[j] = 0
		for k, c := range l.costs {
			l.worth[j] += c * l.inverse[k][j]
		}
	}
}

// enter returns the column that gains the most per unit of its price; surplus of a resource whose worth is negative counts
// as a gain of all of it.
func (l *simplex) enter() (int, bool) {
	best, bestGain := -1, pivotTolerance
	for i := range l.products {
		gain := -l.products[i].price
		for k, r := range l.rows {
			gain += l.worth[k] * float64(l.products[i].bundle[r]) / l.scale[k]
		}
		if gain /= max(l.products[i].price, pivotTolerance); gain > bestGain {
			best, bestGain = i, gain
		}
	}
	for k := range l.rows {
		if l.worth[k] < -pivotTolerance && best < 0 {
			return len(l.products) + k, true
		}
	}
	return best, best >= 0
}

func (l *simplex) column(i int) []float64 {
	a := make([]float64, len(l.rows))
	if k := i - len(l.products); k >= 0 {
		a[k] = -1
		return a
	}
	for k, r := range l.rows {
		a[k] = float64(l.products[i].bundle[r]) / l.scale[k]
	}
	return a
}

func (l *simplex) cost(i int) float64 {
	if i >= len(l.products) {
		return 0
	}
	return l.products[i].price
}

// pivot brings a column into the basis; false when nothing has to leave for it.
func (l *simplex) pivot(entering int) bool {
	a := l.column(entering)
	direction := make([]float64, len(a))
	leaving, ratio := -1, 0.0
	largest := 0.0
	for k := range direction {
		for j := range a {
			direction[k] += l.inverse[k][j] * a[j]
		}
		largest = max(largest, direction[k])
	}
	for k, d := range direction {
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
	d := direction[leaving]
	for j := range l.inverse[leaving] {
		l.inverse[leaving][j] /= d
	}
	for k := range l.inverse {
		if k == leaving {
			l.basic[k] = ratio
			continue
		}
		for j := range l.inverse[k] {
			l.inverse[k][j] -= direction[k] * l.inverse[leaving][j]
		}
		l.basic[k] = max(l.basic[k]-direction[k]*ratio, 0)
	}
	l.costs[leaving], l.basis[leaving] = l.cost(entering), entering
	if entering >= len(l.products) {
		l.basis[leaving] = -1
	}
	return true
}
