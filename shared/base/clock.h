/*
 * clock - the only two readings of time in the tree. Called in layer 7 and, for deadlines, in io and web.
 */
#ifndef TRIVET_BASE_CLOCK_H
#define TRIVET_BASE_CLOCK_H

#include <stdint.h>

/* clock_monotonic_us - for deadlines and durations; never stored. */
int64_t clock_monotonic_us(void);

/* clock_wall_us - microseconds UTC of the system's clock, without the development offset. */
int64_t clock_wall_us(void);

#endif
