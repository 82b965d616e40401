# Turns named SQL blocks into C. A block begins with "-- name: snake_case" and ends with its semicolon line (or the next block).
# what=enum: enum sql { SQL_SNAKE_CASE, ... SQL_COUNT };  what=table: rows {"snake_case", "SELECT ...", parameter count},
function flush_block() {
	if (name == "") { return }
	sub(/[; \t\n]+$/, "", body)
	if (what == "enum") {
		printf "\tSQL_%s,\n", toupper(name)
	} else {
		count = 0
		rest = body
		while (match(rest, /\$[0-9]+/)) {
			number = substr(rest, RSTART + 1, RLENGTH - 1) + 0
			if (number > count) { count = number }
			rest = substr(rest, RSTART + RLENGTH)
		}
		gsub(/\\/, "\\\\", body); gsub(/"/, "\\\"", body); gsub(/\n/, "\\n\"\n\t \"", body)
		printf "\t{\"%s\",\n\t \"%s\", %d},\n", name, body, count
	}
	if (name in seen) { printf "#error \"SQL block %s stands twice\"\n", name }
	seen[name] = 1
	name = ""
}
BEGIN {
	if (what == "enum") {
		print "/* Generated from shared/store/sql; do not edit. */\n#ifndef TRIVET_GEN_SQL_H\n#define TRIVET_GEN_SQL_H\nenum sql {"
	}
}
/^-- name: / { flush_block(); name = $3; body = ""; next }
/^[ \t]*--/ { next }
name != "" && body == "" && /^[ \t]*$/ { next }
name != "" { sub(/[ \t]+$/, ""); body = body (body == "" ? "" : "\n") $0 }
END { flush_block(); if (what == "enum") { print "\tSQL_COUNT\n};\n#endif" } }
