// Package admission holds the table of what kerf accepts and refuses of its users, testdata/*.yaml, and runs it against the pure
// functions, against an API server that knows the schemas alone, and against one that asks kerf's webhooks.
//
// A file is a list of rows:
//
//	name:     a sentence that no other row has
//	object:   the YAML of an object
//	stored:   what is there before, which makes the row an update; it may be what no rule allows any more
//	errors:   all that is wrong with the object, in order of the alphabet: the field and the message as kubectl prints them. A field
//	          that is in no schema reads: unknown field "spec.field"
//	warnings: all that is said of the object besides
//	crd:      of rows with errors, whether the schema alone refuses the object: refuses or accepts
//
// Webhooks hear of an object before it is compared with the schema, and refuse it with all of its errors. Where there is none,
// or where the object has a field of the wrong type or an unknown one, the message is that of the schema; it is then about a
// field that errors name, or one around it.
package admission
