# Turns the migration files into rows {version, "name", "text"}, of a C table; the text is byte for byte the file's.
function flush_file() { if (open) { print "\t},"; } }
FNR == 1 {
	flush_file(); open = 1
	file = FILENAME; sub(/^.*\//, "", file)
	version = file + 0
	sub(/^[0-9]+_/, "", file); sub(/\.sql$/, "", file)
	printf "\t{%d, \"%s\",\n", version, file
}
{ line = $0; gsub(/\\/, "\\\\", line); gsub(/"/, "\\\"", line); printf "\t \"%s\\n\"\n", line }
END { flush_file() }
