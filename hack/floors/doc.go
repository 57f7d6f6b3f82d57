// Package floors proves that the lint rules about who may import and call what bite; see the test, which "make lint" runs.
package floors
