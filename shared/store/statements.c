#include "store/statements.h"

#include "base/attr.h"
#include "sql.h"

static const struct pg_statement statements[] = {
#include "sql_table.h"
};

_Static_assert(ARRAY_LEN(statements) == SQL_COUNT, "sql.h and sql_table.h are of one run");

const struct pg_statement *store_statements(size_t *ret_count)
{
	*ret_count = ARRAY_LEN(statements);
	return statements;
}
