#include "support/texts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

void assert_str(struct str actual, const char *expected)
{
	assert_true(str_present(actual));
	assert_int_equal(actual.len, strlen(expected));
	assert_memory_equal(actual.ptr, expected, actual.len);
}
