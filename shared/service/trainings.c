#include "service/trainings.h"

#include "service/tx.h"
#include "store/event.h"

struct adding {
	const struct bot_training *training;
	int64_t id;
	bool repeated;
	struct str differs;
};

/* People before keys, as in every path that makes both: one order, no deadlock. */
static enum status add(struct tx *tx, void *arg)
{
	struct adding *adding = arg;
	const struct bot_person *person = &adding->training->person;
	enum status status =
		identities_ensure(tx, &(struct event_person){.platform = person->platform, .platform_id = person->platform_id}, 1);

	if (status == OK) {
		status = training_insert(tx, adding->training, &adding->id);
	}
	adding->repeated = status == CONFLICT;
	adding->differs = STR_ABSENT;
	if (adding->repeated) {
		status = training_compare(tx, adding->training, &adding->id, &adding->differs);
	}
	/* Nobody is made by a report that is refused. */
	return status == OK && !str_empty(adding->differs) ? CONFLICT : status;
}

enum status trainings_add(struct ctx *ctx, const struct bot_training *training, int64_t *ret_id, bool *ret_repeated,
                          struct str *ret_differs)
{
	struct adding adding = {.training = training};
	enum status status = tx_run(ctx, add, &adding);

	if (status == OK) {
		*ret_id = adding.id;
		*ret_repeated = adding.repeated;
	} else if (status == CONFLICT) {
		*ret_differs = adding.differs;
	}
	return status;
}
