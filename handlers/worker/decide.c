#include "decide.h"

#include "pace.h"

/* A refused token is a setting to be mended; asked seldom enough not to be banned for it (10,000 refusals in 10 min). */
#define REFUSED_PAUSE_US (30 * SECOND_US)
/* Without a word about how long. */
#define WAIT_DEFAULT_US SECOND_US

static void end(struct decision *decision, enum outbox_status status)
{
	decision->outcome.status = status;
}

/* Back to the queue, in `us`, or given up when its patience is over. */
static void wait_for(struct decision *decision, const struct decide_input *input, enum outbox_status status, int64_t us)
{
	bool over = input->now >= input->row->give_up_at;
	decision->outcome.status = over ? OUTBOX_FAILED : status;
	decision->outcome.due_at = over ? 0 : input->now + us;
	decision->hold_us = us;
	if (!str_present(decision->outcome.error)) {
		decision->outcome.error = STR("waiting"); /* a row with an error has been tried: those behind it wait (queue.sql) */
	}
}

static void again(struct decision *decision, const struct decide_input *input)
{
	if (input->repeats < DECIDE_REPEATS_MAX) {
		decision->again = true;
		return;
	}
	decision->outcome.error = STR("the platform sent us round in a circle");
	end(decision, OUTBOX_FAILED);
}

static void refused(struct decision *decision, const struct decide_input *input)
{
	decision->failed = true;
	decision->outcome.attempt = true;
	wait_for(decision, input, OUTBOX_PENDING, pace_backoff(input->failures, input->chance));
	if (input->row->attempts + 1 >= DECIDE_ATTEMPTS_MAX) {
		end(decision, OUTBOX_FAILED);
	}
}

static void unheard(struct decision *decision, const struct decide_input *input)
{
	decision->failed = true;
	decision->outcome.doubt = true;
	decision->outcome.error = STR("no answer: it may have arrived");
	wait_for(decision, input, OUTBOX_UNCERTAIN, pace_backoff(input->failures, input->chance));
	if (input->row->doubts >= 1) {
		decision->outcome.error = STR("no answer twice: it may have arrived");
		end(decision, OUTBOX_FAILED);
	}
}

static void unreachable(struct decision *decision, const struct decide_input *input)
{
	decision->lesson.recipient = input->row->recipient;
	decision->lesson.unreachable = true;
	end(decision, OUTBOX_PERMANENT);
}

static void told_to_wait(struct decision *decision, const struct decide_input *input)
{
	int64_t us = input->result->wait_us > 0 ? input->result->wait_us : WAIT_DEFAULT_US;
	decision->outcome.error = STR("429: told to wait");
	wait_for(decision, input, OUTBOX_PENDING, us);
	decision->hold_all_us = input->result->global ? us : 0;
}

static void moved(struct decision *decision, const struct decide_input *input)
{
	if (input->result->new_chat_id == 0 || input->result->new_chat_id == input->row->recipient) {
		end(decision, OUTBOX_PERMANENT);
		return;
	}
	decision->lesson.recipient = input->row->recipient;
	decision->lesson.moved_to = input->result->new_chat_id;
	decision->outcome.recipient = input->result->new_chat_id;
	again(decision, input);
}

/* The direct channel is ours to keep whether or not the message itself gets through. */
static void channel(struct decision *decision, const struct decide_input *input)
{
	decision->lesson.recipient = input->row->recipient;
	decision->lesson.channel_id = input->result->channel_id;
	again(decision, input);
}

struct decision decide(const struct decide_input *input)
{
	const struct delivery_result *result = input->result;
	struct decision decision = {
		.heard = result->delivery != DELIVERY_NOT_SENT && result->delivery != DELIVERY_UNCERTAIN,
		.outcome = {.id = input->row->id, .recipient = input->row->recipient, .plain = input->row->plain, .error = result->error},
	};
	switch (result->delivery) {
	case DELIVERY_SENT:
		decision.outcome.message_id = result->message_id;
		decision.outcome.error = STR_ABSENT;
		end(&decision, OUTBOX_SENT);
		break;
	case DELIVERY_CHANNEL_KNOWN:
		channel(&decision, input);
		break;
	case DELIVERY_AS_PLAIN:
		if (input->row->plain) {
			refused(&decision, input);
		} else {
			decision.outcome.plain = true;
			again(&decision, input);
		}
		break;
	case DELIVERY_MOVED:
		moved(&decision, input);
		break;
	case DELIVERY_WAIT:
		told_to_wait(&decision, input);
		break;
	case DELIVERY_FAILED:
		refused(&decision, input);
		break;
	case DELIVERY_NOT_SENT:
		decision.failed = true;
		decision.outcome.error = STR("no connection to the platform");
		wait_for(&decision, input, OUTBOX_PENDING, pace_backoff(input->failures, input->chance));
		break;
	case DELIVERY_UNCERTAIN:
		unheard(&decision, input);
		break;
	case DELIVERY_UNREACHABLE:
		unreachable(&decision, input);
		break;
	case DELIVERY_BOT_REFUSED:
		decision.outcome.error = STR("401: the bot's token was refused");
		wait_for(&decision, input, OUTBOX_PENDING, REFUSED_PAUSE_US);
		decision.hold_all_us = REFUSED_PAUSE_US;
		break;
	case DELIVERY_PERMANENT:
	case DELIVERY_UNSET:
	case DELIVERY_COUNT:
		end(&decision, OUTBOX_PERMANENT);
		break;
	}
	return decision;
}

struct outbox_outcome decide_unsendable(const struct outbox_row *row, struct str why)
{
	return (struct outbox_outcome){
		.id = row->id, .status = OUTBOX_PERMANENT, .recipient = row->recipient, .plain = row->plain, .error = why, .wipe = true,
	};
}
