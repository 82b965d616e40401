#include "support/fibers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

void run_in_fibers(void (*fn)(void *thing), void *things, size_t count, size_t bytes, struct helpers *helpers)
{
	struct fiber_loop *loop = fiber_loop_new(0, FIBERS_STACK, helpers);

	assert_non_null(loop);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(fiber_start(loop, fn, (char *)things + i * bytes), OK);
	}
	fiber_loop_run(loop);
	fiber_loop_free(loop);
}
