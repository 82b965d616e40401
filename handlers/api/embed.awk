# Turns a text file into pieces of a C string, a line each; the text is byte for byte the file's.
{ line = $0; gsub(/\\/, "&&", line); gsub(/"/, "\\\"", line); printf "\t\"%s\\n\"\n", line }
