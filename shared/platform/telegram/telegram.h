/*
 * telegram - what the files of this adapter know of each other. Facts of the Bot API: platforms.md 1.
 */
#ifndef TRIVET_PLATFORM_TELEGRAM_TELEGRAM_H
#define TRIVET_PLATFORM_TELEGRAM_TELEGRAM_H

#include "platform/common.h"
#include "platform/platform.h"

/* Source: platforms.md 1.5. Counted in UTF-16 units, the smaller of the two readings. */
#define TELEGRAM_TEXT_MAX 4096
#define TELEGRAM_NOTICE_MAX 200 /* answerCallbackQuery.text */
#define TELEGRAM_LABEL_MAX 64
#define TELEGRAM_URL_MAX 2048

/* receive.c: platform_ops.read. */
enum status telegram_read(struct arena *arena, const struct config *config, struct str bot, struct str body, struct update *ret_update);

/* render.c: platform_ops.answer. */
struct str telegram_answer(struct arena *arena, const struct config *config, const struct update *update, enum language language,
	const struct reply *reply);

/* HTML: < > & and, for attributes, the quote. Source: platforms.md 1.6. */
extern const struct text_style telegram_style;

/*
 * telegram_message - the parameters of sendMessage for one chat: text, parse_mode, buttons, no link preview.
 *
 * plain: without markup. NULL when there is no text to show or the arena failed.
 */
struct json *telegram_message(struct arena *arena, const struct config *config, int64_t chat_id, enum language language,
	const struct reply *reply, bool plain);

/* telegram_delete - the parameters of deleteMessage. */
struct json *telegram_delete(int64_t chat_id, int64_t message_id);

/* send.c: platform_ops.send_request and send_result. */
enum status telegram_send_request(struct arena *arena, const struct outgoing *outgoing, struct http_request *ret_request);
struct delivery_result telegram_send_result(struct arena *arena, const struct outgoing *outgoing, const struct http_response *response);

#endif
