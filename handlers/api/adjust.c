/* POST /v1/users/{platform}/{id}/adjust: XP and coins at once, by a key that makes a repeat harmless. */
#include "service/adjust.h"

#include "api.h"
#include "io/json.h"

#define KEY_HEADER "Idempotency-Key"

/* A misspelt member would otherwise be lost without a word, and half of an order carried out. */
static enum status refuse_unknown(struct route_call *call, const struct json *body)
{
	static const struct str members[] = {STR_INIT("xp"), STR_INIT("coins"), STR_INIT("reason")};
	const struct json *value = NULL;
	void *iterator = NULL;
	struct str name;

	while (json_object_each(body, &iterator, &name, &value)) {
		bool known = false;

		for (size_t i = 0; i < ARRAY_LEN(members); i++) {
			known = known || str_eq(name, members[i]);
		}
		if (!known) {
			problem(call, 400, NULL, "the body has xp, coins and reason, and no other member", NULL);
			return INVALID;
		}
	}
	return OK;
}

/* One that is left out, or null, stays as it is. */
static enum status read_change(struct route_call *call, const struct json *body, const char *member, int64_t *ret_change)
{
	if (json_get_i64(body, member, INT64_MIN, INT64_MAX, ret_change) == INVALID) {
		problem(call, 400, NULL, "must be an integer, written without fraction or exponent, or be left out", member);
		return INVALID;
	}
	return OK;
}

static enum status read_reason(struct route_call *call, const struct json *body, struct str *ret_reason)
{
	struct str detail = STR("must be a string of 1 to 255 characters: people read it in their history");
	enum status status = json_get_str(body, "reason", ret_reason);

	if (status == OK) {
		status = adjust_reason_check(call->ctx->arena, *ret_reason, &detail);
	}
	if (status != OK) {
		const char *text = str_z(call->ctx->arena, detail);

		problem(call, 400, NULL, text != NULL ? text : "is not taken", "reason");
		return INVALID;
	}
	return OK;
}

static enum status read_key(struct route_call *call, struct str *ret_key)
{
	enum status status = rawreq_header_once(call->request, STR("IDEMPOTENCY_KEY"), ret_key);

	if (status != OK || !event_key_ok(*ret_key)) {
		problem(call, 400, NULL, "send this header once, with 1 to 200 printable ASCII characters that this change alone has", KEY_HEADER);
		return INVALID;
	}
	return OK;
}

/* The order in which they are told: key, person, body. */
static enum status read_order(struct route_call *call, struct adjust_order *order)
{
	const struct apikey *key = call->identity;
	const struct json *body = NULL;
	enum status status = read_key(call, &order->key);

	if (status == OK) {
		status = api_path_person(call, call->params, &order->platform, &order->platform_id);
	}
	if (status == OK) {
		status = api_read_body(call, &body);
	}
	if (status == OK) {
		status = refuse_unknown(call, body);
	}
	if (status == OK) {
		status = read_change(call, body, "xp", &order->xp);
	}
	if (status == OK) {
		status = read_change(call, body, "coins", &order->coins);
	}
	if (status == OK) {
		status = read_reason(call, body, &order->reason);
	}
	/* By its number: a key's name may hold what separates, and a number is never given again. */
	order->space = str_printf(call->ctx->arena, "api:%lld", (long long)key->id);
	order->source = str_printf(call->ctx->arena, "api:" STR_FMT, STR_ARG(key->name));
	return status;
}

static enum status say(struct route_call *call, int status, const char *type, struct str detail, const char *field)
{
	const char *text = str_z(call->ctx->arena, detail);

	problem(call, status, type, text != NULL ? text : "the change is refused", field);
	return INVALID;
}

static enum status refuse(struct route_call *call, const struct adjust_order *order, const struct adjusted *adjusted)
{
	struct arena *arena = call->ctx->arena;

	switch (adjusted->verdict) {
	case ADJUST_KEY_REUSED:
		return say(call, 409, "key-reused",
		           str_printf(arena, "this key came before with another content; what differs: " STR_FMT, STR_ARG(adjusted->differs)),
		           KEY_HEADER);
	case ADJUST_OUT_OF_RANGE:
		return say(call, 422, "out-of-range", STR("xp and coins are each from -2^53 to 2^53, and not both 0"),
		           order->xp > ADJUST_MAX || order->xp < -ADJUST_MAX || order->coins == 0 ? "xp" : "coins");
	case ADJUST_INSUFFICIENT:
		return say(call, 409, "insufficient",
		           str_printf(arena, "there are %lld XP and %lld coins, and neither may go below zero", (long long)adjusted->xp_after,
		                      (long long)adjusted->coins_after),
		           adjusted->xp_after + order->xp < 0 ? "xp" : "coins"); /* it fits: else the verdict is another */
	case ADJUST_OVERFLOW:
		return say(call, 422, "overflow", STR("a sum would leave 64 bits"), NULL);
	case ADJUST_NOBODY:
		return api_user_unknown(call);
	case ADJUST_DONE:
	case ADJUST_REPEATED:
	case ADJUST_UNSET:
	case ADJUST_VERDICT_COUNT:
		break;
	}
	return INTERNAL;
}

enum status post_adjust(struct route_call *call)
{
	struct adjust_order order = {0};
	struct adjusted adjusted;
	enum status status = read_order(call, &order);

	if (status == OK && arena_failed(call->ctx->arena)) {
		status = TOO_LARGE;
	}
	if (status == OK) {
		status = adjust(call->ctx, &order, &adjusted);
	}
	if (status != OK) {
		return status;
	}
	if (adjusted.verdict != ADJUST_DONE && adjusted.verdict != ADJUST_REPEATED) {
		return refuse(call, &order, &adjusted);
	}
	response_json(call, json_write(call->ctx->arena, adjust_json(call->ctx->arena, &adjusted)));
	/* The body is the first answer's to the byte; that it is a repeat stands beside it. */
	if (adjusted.verdict == ADJUST_REPEATED) {
		response_header(call, STR("Idempotent-Replayed"), STR("true"));
	}
	return OK;
}
