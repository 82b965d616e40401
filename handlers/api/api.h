/*
 * trivet-api - the service API for other bots and programs, under /v1.
 *
 * Who may call what is a column of the route table (main.c); an endpoint finds its key in call->identity.
 */
#ifndef TRIVET_API_H
#define TRIVET_API_H

#include "service/apikey_uses.h"
#include "service/apikeys.h"
#include "web/web.h"

struct json; /* io/json.h */

/* app->own of this program. */
struct api {
	struct str document; /* OpenAPI */
	struct apikey_uses *uses;
};

/* api_verify - the key of a request, its rate, its scope, and its turn: sets call->identity to a struct apikey. */
MUST_CHECK enum status api_verify(struct route_call *call);

/*
 * What endpoints read alike. Each says itself what is wrong: on failure problem() was called.
 *
 * api_read_body      the body as an object of the request's arena. OK, INVALID, TOO_LARGE.
 * api_read_platform  telegram or discord. OK, INVALID.
 * api_path_person    params: two of the path, {platform} and {id}. OK, INVALID.
 * api_body_person    members platform and platform_id. OK, INVALID.
 * api_read_person    the same, and username and name as they are sent. OK, INVALID.
 * api_user_unknown   404; returns NOT_FOUND.
 */
MUST_CHECK enum status api_read_body(struct route_call *call, const struct json **ret_body);
MUST_CHECK enum status api_read_platform(struct route_call *call, struct str name, enum platform *ret_platform);
MUST_CHECK enum status api_path_person(struct route_call *call, const struct str *params, enum platform *ret_platform, int64_t *ret_id);
MUST_CHECK enum status api_body_person(struct route_call *call, const struct json *body, enum platform *ret_platform, int64_t *ret_id);
MUST_CHECK enum status api_read_person(struct route_call *call, const struct json *body, struct person *ret_person);
enum status api_user_unknown(struct route_call *call);

MUST_CHECK enum status get_user(struct route_call *call);
MUST_CHECK enum status post_user(struct route_call *call);
MUST_CHECK enum status post_events(struct route_call *call);
MUST_CHECK enum status post_adjust(struct route_call *call); /* adjust.c */
MUST_CHECK enum status get_board(struct route_call *call); /* boards.c */
MUST_CHECK enum status get_session(struct route_call *call); /* bots.c */
MUST_CHECK enum status put_session(struct route_call *call);
MUST_CHECK enum status post_training(struct route_call *call);
MUST_CHECK enum status post_link_code(struct route_call *call); /* link.c */
MUST_CHECK enum status post_link_redeem(struct route_call *call);
MUST_CHECK enum status post_link_confirm(struct route_call *call);
MUST_CHECK enum status get_openapi(struct route_call *call); /* openapi.c */

/*
 * api_document - the OpenAPI document of this program's table.
 *
 * arena   some MiB; the text lives there
 * OK; else ret_reason says why: INVALID (a row names what openapi.json lacks), TOO_LARGE.
 */
MUST_CHECK enum status api_document(struct arena *arena, const struct route *routes, size_t count, struct str *ret_text,
                                    struct str *ret_reason);

#endif
