/*
 * catalogue - the default numbers of migrations/0001 and 0005 as a value, for tests of the engine without a database.
 */
#ifndef TRIVET_TESTS_SUPPORT_CATALOGUE_H
#define TRIVET_TESTS_SUPPORT_CATALOGUE_H

#include "core/economy.h"

extern const struct economy default_economy;

#endif
