import json, os, urllib.error, urllib.request

BOT = os.environ.get("BOT_NAME", "quiz")  # the bot that the key is bound to

class Changed(Exception):
    """Somebody has saved since this was loaded: load again and decide again."""

def call(method, path, body=None, **condition):
    headers = {"Authorization": "Bearer " + os.environ["API_KEY"], "Content-Type": "application/json",
               **{name.replace("_", "-"): value for name, value in condition.items()}}
    data = json.dumps(body).encode() if body else None
    return urllib.request.urlopen(urllib.request.Request(os.environ["BASE_URL"] + path, data, headers, method=method), timeout=15)

def get_user_session(telegram_id):  # -> session, stats, etag; of somebody new {}, {}, None
    call("POST", "/v1/users", {"platform": "telegram", "platform_id": str(telegram_id)})
    try:
        with call("GET", f"/v1/sessions/{BOT}/telegram/{telegram_id}") as answer:
            body = json.load(answer)
            return body["session_data"], body["stats_data"], answer.headers["ETag"]
    except urllib.error.HTTPError as error:
        if error.code != 404: raise
        return {}, {}, None

def save_session(telegram_id, session, stats, etag):  # -> the etag for the next time
    condition = {"If_Match": etag} if etag else {"If_None_Match": "*"}
    body = {"session_data": session, "stats_data": stats}
    try:
        with call("PUT", f"/v1/sessions/{BOT}/telegram/{telegram_id}", body, **condition) as answer:
            return answer.headers["ETag"]
    except urllib.error.HTTPError as error:
        raise Changed if error.code == 412 else error
