/* The reader behind migration_destructive(): just enough SQL to tell words from comments, quotes and function bodies. */
#include "service/migration.h"

#define DECLARED STR("destructive:")

struct reader {
	struct str text;
	size_t at;
	/* Of the statement being read: */
	size_t start; /* its first word; SIZE_MAX: none yet */
	struct str first;
	struct str last;
	bool deletes; /* DELETE FROM was seen */
	bool where;
	bool harm;
	bool declared;
};

static bool one_of(struct str word, const struct str *words, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (str_eq_nocase(word, words[i])) {
			return true;
		}
	}
	return false;
}
#define ONE_OF(word, ...) one_of((word), (const struct str[]){__VA_ARGS__}, sizeof((const struct str[]){__VA_ARGS__}) / sizeof(struct str))

static bool word_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || (unsigned char)c >= 0x80;
}

static bool at(const struct reader *r, struct str what)
{
	return str_starts(str_cut(r->text, r->at, what.len), what);
}

/* Moves past the next `end`, or to the end of the text when there is none. */
static void skip_past(struct reader *r, struct str end)
{
	while (r->at < r->text.len && !at(r, end)) {
		r->at++;
	}
	r->at = r->at + end.len < r->text.len ? r->at + end.len : r->text.len;
}

static void read_line_comment(struct reader *r)
{
	size_t from = r->at + 2;
	skip_past(r, STR("\n"));
	struct str said = str_trim(str_cut(r->text, from, r->at - from));
	if (str_starts(said, DECLARED) && !str_empty(str_trim(str_cut(said, DECLARED.len, said.len)))) {
		r->declared = true;
	}
}

/* ALTER TABLE .. DROP [COLUMN] x takes data away; these only take rules away. */
static bool drops_column(struct str after_drop)
{
	return !ONE_OF(after_drop, STR("constraint"), STR("default"), STR("not"), STR("identity"), STR("expression"));
}

static void take_word(struct reader *r, struct str word)
{
	if (r->start == SIZE_MAX) {
		r->start = (size_t)(word.ptr - r->text.ptr);
		r->first = word;
	}
	bool rights = ONE_OF(r->first, STR("grant"), STR("revoke"));
	if (str_eq_nocase(r->last, STR("drop"))) {
		r->harm |= ONE_OF(word, STR("table"), STR("schema"), STR("database"), STR("column"));
		r->harm |= str_eq_nocase(r->first, STR("alter")) && drops_column(word);
	}
	if (str_eq_nocase(r->last, STR("truncate")) && !rights && !ONE_OF(word, STR("on"), STR("or"))) {
		r->harm = true;
	}
	r->deletes |= str_eq_nocase(r->last, STR("delete")) && str_eq_nocase(word, STR("from"));
	r->where |= str_eq_nocase(word, STR("where"));
	r->last = word;
}

/* One level for each DO inside a DO, and migrations are our own files. NOLINTBEGIN(misc-no-recursion) */

/* A dollar-quoted body. That of DO runs now, so it is read like a script; a function's does not run in a migration. */
static void read_body(struct reader *r)
{
	size_t tag_end = r->at + 1;
	while (tag_end < r->text.len && word_byte(r->text.ptr[tag_end])) {
		tag_end++;
	}
	if (tag_end >= r->text.len || r->text.ptr[tag_end] != '$') {
		r->at++;
		return;
	}
	struct str tag = str_cut(r->text, r->at, tag_end + 1 - r->at);
	r->at = tag_end + 1;
	size_t from = r->at;
	skip_past(r, tag);
	struct str body = str_cut(r->text, from, r->at - from);
	struct str inside;
	if (str_eq_nocase(r->first, STR("do")) && migration_destructive(body, &inside)) {
		r->harm = true;
	}
}

static void read_word(struct reader *r)
{
	size_t from = r->at;
	while (r->at < r->text.len && word_byte(r->text.ptr[r->at])) {
		r->at++;
	}
	take_word(r, str_cut(r->text, from, r->at - from));
}

static void begin_statement(struct reader *r)
{
	r->start = SIZE_MAX;
	r->first = STR_ABSENT;
	r->last = STR_ABSENT;
	r->deletes = false;
	r->where = false;
	r->harm = false;
	r->declared = false;
}

/* Reads on to the end of the current statement, its semicolon included. */
static void read_statement(struct reader *r)
{
	while (r->at < r->text.len) {
		char c = r->text.ptr[r->at];
		if (at(r, STR("--"))) {
			read_line_comment(r);
		} else if (at(r, STR("/*"))) {
			skip_past(r, STR("*/"));
		} else if (c == '\'') {
			r->at++;
			skip_past(r, STR("'"));
		} else if (c == '"') {
			size_t from = r->at++;
			skip_past(r, STR("\""));
			take_word(r, str_cut(r->text, from, r->at - from));
		} else if (c == '$') {
			read_body(r);
		} else if (word_byte(c)) {
			read_word(r);
		} else if (c == ';') {
			r->at++;
			return;
		} else {
			r->at++;
		}
	}
}

bool migration_destructive(struct str text, struct str *ret_statement)
{
	struct reader reader = {.text = text};
	while (reader.at < text.len) {
		begin_statement(&reader);
		read_statement(&reader);
		bool harm = reader.harm || (reader.deletes && !reader.where);
		if (harm && !reader.declared) {
			*ret_statement = str_trim(str_cut(text, reader.start, reader.at - reader.start));
			return true;
		}
	}
	return false;
}
/* NOLINTEND(misc-no-recursion) */
