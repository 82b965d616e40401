/*
 * fibers - the same code in fibers of one thread.
 */
#ifndef TRIVET_TESTS_FIBERS_H
#define TRIVET_TESTS_FIBERS_H

#include <stddef.h>

#include "base/fiber.h"

#define FIBERS_STACK ((size_t)4 * 1024 * 1024)

/*
 * run_in_fibers - fn() for each of `count` things of so many bytes, each in a fiber of this thread, until all have ended.
 *
 * helpers   may be NULL
 */
void run_in_fibers(void (*fn)(void *thing), void *things, size_t count, size_t bytes, struct helpers *helpers);

#endif
