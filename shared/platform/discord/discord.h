/*
 * discord - what the files of this adapter know of each other. Facts of the API: platforms.md 2.
 */
#ifndef TRIVET_PLATFORM_DISCORD_DISCORD_H
#define TRIVET_PLATFORM_DISCORD_DISCORD_H

#include "platform/common.h"
#include "platform/platform.h"

/* Source: platforms.md 2.3, 2.4. In code points. */
#define DISCORD_TEXT_MAX 2000
#define DISCORD_LABEL_MAX 80
#define DISCORD_URL_MAX 512
#define DISCORD_MODAL_TITLE_MAX 45
#define DISCORD_INPUT_MAX 4000
#define DISCORD_DESCRIPTION_MAX 100

/* Source: Discord's documents, "Message Flags". */
#define DISCORD_FLAG_EPHEMERAL 64

/* Source: "Component Object: Component Types". */
enum discord_component {
	DISCORD_ACTION_ROW = 1,
	DISCORD_BUTTON = 2,
	DISCORD_TEXT_INPUT = 4,
	DISCORD_LABEL = 18
};

/* receive.c: platform_ops.read. */
enum status discord_read(struct arena *arena, const struct config *config, struct str bot, struct str body, struct update *ret_update);

/* render.c: platform_ops.answer. */
struct str discord_answer(struct arena *arena, const struct config *config, const struct update *update, enum language language,
	const struct reply *reply);

/* Markdown, escaped so that every foreign character shows as itself. */
extern const struct text_style discord_style;

/*
 * discord_message - content, components (an empty list when there are none, which also takes old ones away) and allowed_mentions.
 *
 * A reply that says nothing becomes a mark of success: Discord refuses an empty message. NULL when the arena failed.
 */
struct json *discord_message(struct arena *arena, const struct config *config, enum language language, const struct reply *reply);

/* send.c: platform_ops.send_request and send_result. */
enum status discord_send_request(struct arena *arena, const struct outgoing *outgoing, struct http_request *ret_request);
struct delivery_result discord_send_result(struct arena *arena, const struct outgoing *outgoing, const struct http_response *response);

/* send.c: a call that is not authorised yet; the arena may have failed. */
struct http_request discord_request(struct arena *arena, const struct config *config, const char *method, struct str path, struct str body);

/* send.c: what a 429 says: how long, and whether all calls wait. body NULL: no JSON. */
int64_t discord_read_wait(const struct http_response *response, const struct json *body, bool *ret_global);

/* send.c: the bucket's headers. ret_remaining -1: not told; ret_reset_us 0: likewise. */
void discord_read_bucket(const struct http_response *response, int64_t *ret_remaining, int64_t *ret_reset_us);

#endif
