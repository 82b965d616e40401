/*
 * texts - what tests of all kinds say of struct str.
 */
#ifndef TRIVET_TESTS_SUPPORT_TEXTS_H
#define TRIVET_TESTS_SUPPORT_TEXTS_H

#include "base/str.h"

/* assert_str - it is present and has these bytes; else the test fails. */
void assert_str(struct str actual, const char *expected);

#endif
