/*
 * random - numbers that look like chance and are the same at every run.
 */
#ifndef TRIVET_TESTS_SUPPORT_RANDOM_H
#define TRIVET_TESTS_SUPPORT_RANDOM_H

#include <stdint.h>

/* random_next - the next number of the seed's sequence (xorshift64*). The seed is the caller's, and not 0. */
uint64_t random_next(uint64_t *seed);

#endif
