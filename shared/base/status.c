#include "base/status.h"

const char *status_name(enum status status)
{
	switch (status) {
	case OK:
		return "ok";
	case INVALID:
		return "invalid";
	case NOT_FOUND:
		return "not_found";
	case CONFLICT:
		return "conflict";
	case DENIED:
		return "denied";
	case TOO_LARGE:
		return "too_large";
	case TOO_MANY:
		return "too_many";
	case INSUFFICIENT:
		return "insufficient";
	case OVERFLOWN:
		return "overflown";
	case UNAVAILABLE:
		return "unavailable";
	case TIMED_OUT:
		return "timed_out";
	case RETRY:
		return "retry";
	case INTERNAL:
		return "internal";
	case STATUS_COUNT:
		break;
	}
	return "unknown";
}
