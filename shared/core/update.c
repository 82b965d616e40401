#include "core/update.h"

struct str update_option_value(const struct update *update, struct str name)
{
	for (size_t i = 0; i < update->option_count; i++) {
		if (str_eq(update->options[i].name, name)) {
			return update->options[i].value;
		}
	}
	return STR_ABSENT;
}
