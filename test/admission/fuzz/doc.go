// Package fuzz shows everything that looks at what users write any object that the API server may let through. It needs no
// server, so that
//
//	go test ./test/admission/fuzz -fuzz .
//
// can go on for as long as one likes.
package fuzz
