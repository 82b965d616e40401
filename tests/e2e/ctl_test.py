"""The operator's command: exit statuses, words, --json, and what it does on the platforms."""
import json
import os
import re
import subprocess

import pytest
from conftest import ROOT, discord_body

GUILD_CALL = "PUT /applications/{}/guilds/{}/commands"
GLOBAL_CALL = "PUT /applications/{}/commands"


@pytest.fixture
def trivet(stack):
    return lambda *words, check=True: stack.trivet(*words, check=check)


@pytest.fixture
def as_json(stack):
    """as_json(words) -> what --json printed."""
    return stack.trivet_json


def verdicts(lines):
    return {line["check"]: (line["verdict"], line["words"]) for line in lines}


# ---- the command line ------------------------------------------------------------------------------------------------------------


def test_version(trivet, as_json):
    assert re.fullmatch(r"version: \d+\.\d+\.\d+\n", trivet("version").stdout)
    assert set(as_json("version")) == {"version"}


@pytest.mark.parametrize("words", [
    (), ("bogus",), ("apikey",), ("apikey", "bogus"), ("version", "more"), ("user", "show"), ("migrate", "--bogus"), ("outbox", "list", "--limit"),
    ("outbox", "list", "--limit", "0"), ("outbox", "list", "--limit=x"), ("outbox", "list", "--status", "odd"), ("migrate", "--status=yes"),
    ("migrate", "--status", "--status"), ("clock", "noon"), ("outbox", "retry"), ("outbox", "retry", "5", "--all"), ("user", "show", "nobody"),
    ("chat", "add", "website:a@b.c"), ("chat", "add", "telegram:0"), ("chat", "multiply", "telegram:-5", "1001"), ("config", "--document", "odd"),
    ("commands", "sync", "--guild", "5", "--global"), ("commands", "sync", "--guild", "x"), ("apikey", "new", "a b"),
    ("apikey", "new", "n", "--scope", "odd"), ("apikey", "new", "n", "--scope", "users,users"), ("apikey", "new", "n", "--trust", "odd"),
    ("apikey", "new", "n", "--platform", "odd"), ("apikey", "new", "n", "--scope", "link"), ("apikey", "new", "n", "--scope", "users,link,events"),
    ("apikey", "new", "n", "--scope", "link", "--platform", "website"), ("user", "merge", "1"), ("user", "merge", "1", "odd"), ("user", "unlink", "5"),
    ("user", "unmerge", "x"), ("outbox", "list", "--events", "--status", "sent"), ("verify", "--slow"),
])
def test_wrong_usage_is_2_and_says_why(trivet, words):
    done = trivet(*words, check=False)
    assert done.returncode == 2
    assert "usage: trivet" in done.stderr
    assert done.stdout == ""


def test_help_lists_every_command(trivet):
    text = trivet("--help").stdout
    for command in ("migrate", "doctor", "config", "webhook set", "commands sync", "bot list", "user show", "badge new", "badge grant", "chat add", "clock", "apikey new",
                    "outbox list", "season close", "season list", "verify", "version"):
        assert f"  {command} " in text


def test_a_missing_setting_is_named_with_its_remedy(stack):
    program = os.path.join(ROOT, "build", stack.settings["V"], "trivet")
    env = {key: value for key, value in os.environ.items() if key not in stack.env}
    done = subprocess.run([program, "verify"], env={**env, "TRIVET_CONF": ""}, capture_output=True, text=True, timeout=10)
    assert done.returncode == 1
    assert re.match(r"trivet: [A-Z_]+: missing: ", done.stderr)


def test_a_failure_is_json_too(trivet):
    done = trivet("apikey", "revoke", "nobody-has-this", "--json", check=False)
    assert done.returncode == 1
    assert "nobody-has-this" in json.loads(done.stdout)["error"]


# ---- settings, schema, clock -------------------------------------------------------------------------------------------------------


def test_secrets_are_never_printed(trivet, stack):
    text = trivet("config").stdout + trivet("config", "--json").stdout + trivet("bot", "list").stdout + trivet("doctor", check=False).stdout
    for key in ("BOT_TOKEN", "BOT_SECRET", "DISCORD_BOT_TOKEN", "DATABASE_URL", "TRIVET_KEY", "QUIZ_BOT_TOKEN", "DISCORD_CLIENT_SECRET"):
        if stack.env.get(key):
            assert stack.env[key] not in text, key
    assert "DATABASE_URL=(set)" in text


def test_documents_come_from_the_table(trivet):
    assert "DATABASE_URL" in trivet("config", "--document", "markdown").stdout
    assert "[telegram" in trivet("config", "--document=sample").stdout


def test_migrate_again_changes_nothing(trivet, as_json):
    # Twice at most: where a midnight passed since the stack's start, the first makes the partition of another day.
    assert any(as_json("migrate") == {"applied": 0, "partitions": 0} for _ in range(2))
    rows = as_json("migrate", "--status")
    assert {row["state"] for row in rows} == {"applied"} and [row["version"] for row in rows] == sorted(row["version"] for row in rows)
    assert "in order" in trivet("migrate", "check").stdout


def test_the_clock_is_set_not_added_to(as_json, stack):
    try:
        assert as_json("clock", "+3600")["offset"] == 3600
        assert as_json("clock", "+60")["offset"] == 60
        assert as_json("clock", "-60")["offset"] == -60
        with open(os.path.join(stack.run_dir, "clock")) as file:
            assert file.read() == "-60\n"
    finally:
        assert as_json("clock", "0")["offset"] == 0


def test_the_clock_of_a_real_installation_is_left_alone(stack):
    program = os.path.join(ROOT, "build", stack.settings["V"], "trivet")
    done = subprocess.run([program, "clock", "+5"], env={**os.environ, **stack.env, "DEVELOPMENT": "no"}, capture_output=True, text=True, timeout=10)
    assert done.returncode == 1 and "development stack" in done.stderr


# ---- keys, chats, people ----------------------------------------------------------------------------------------------------------


def test_a_key_is_shown_once_and_stored_as_its_hash(trivet, as_json, db):
    made = as_json("apikey", "new", "ctl-one", "--scope", "users,events", "--bot", "spin", "--platform", "discord", "--trust", "counters")
    assert re.fullmatch(r"trivet_[A-Za-z0-9_-]{43}", made["key"])
    assert (made["scopes"], made["bot"], made["platform"], made["trust"]) == (["users", "events"], "spin", "discord", "counters")
    with db.cursor() as cursor:
        cursor.execute("SELECT hash = sha256(convert_to(%s, 'UTF8')), scopes FROM api_key WHERE name = 'ctl-one'", (made["key"],))
        assert cursor.fetchone() == (True, ["users", "events"])
        cursor.execute("SELECT count(*) FROM audit_log WHERE action = 'apikey.new' AND actor = 'operator' AND after->>'name' = 'ctl-one'")
        assert cursor.fetchone() == (1,)
    listed = trivet("apikey", "list").stdout + json.dumps(as_json("apikey", "list"))
    assert "ctl-one" in listed and made["key"] not in listed
    assert trivet("apikey", "new", "ctl-one", check=False).returncode == 1
    assert trivet("apikey", "revoke", "ctl-one").returncode == 0
    assert trivet("apikey", "revoke", "ctl-one", check=False).returncode == 1
    assert [row["revoked_at"] is not None for row in as_json("apikey", "list") if row["name"] == "ctl-one"] == [True]


ALL = ["events", "users", "ledger", "sessions", "link", "promo", "access", "trainings", "tickets"]


@pytest.mark.parametrize("platform", ["telegram", "discord"])
def test_a_key_without_a_scope_has_all(as_json, platform):
    assert as_json("apikey", "new", f"ctl-all-{platform}", "--platform", platform)["scopes"] == ALL


@pytest.mark.parametrize("words", [(), ("--platform", "website")])
def test_a_key_of_no_platform_has_all_scopes_but_link(as_json, words):
    assert as_json("apikey", "new", f"ctl-all-{len(words)}", *words)["scopes"] == [scope for scope in ALL if scope != "link"]


def test_a_key_that_links_is_of_one_platform(trivet, as_json):
    refused = trivet("apikey", "new", "ctl-link", "--scope", "link", check=False)
    assert refused.returncode == 2 and "--platform telegram or --platform discord" in refused.stderr
    made = as_json("apikey", "new", "ctl-link", "--scope", "users,link", "--platform", "discord")
    assert (made["scopes"], made["platform"]) == (["users", "link"], "discord")


def test_chats(trivet, as_json, new_id):
    chat = f"telegram:{-new_id()}"
    assert trivet("chat", "multiply", chat, "150", check=False).returncode == 1
    trivet("chat", "add", chat, "--title", "Клуб \x1b[31m")
    trivet("chat", "multiply", chat, "150")
    row = next(row for row in as_json("chat", "list") if f"telegram:{row['chat_id']}" == chat)
    assert (row["title"], row["state"], row["multiplier"]) == ("Клуб [31m", "registered", 150)
    trivet("chat", "ignore", chat)
    row = next(row for row in as_json("chat", "list") if f"telegram:{row['chat_id']}" == chat)
    assert (row["state"], row["multiplier"]) == ("ignored", 150)


def test_user_show(trivet, as_json, stack, new_id):
    person = new_id()
    assert trivet("user", "show", f"telegram:{person}", check=False).returncode == 1
    stack.command_telegram(person, "/start")
    shown = as_json("user", "show", f"telegram:{person}")
    assert [(i["platform"], i["id"], i["reached_by"]) for i in shown["identities"]] == [("telegram", str(person), "main")]
    assert as_json("user", "show", str(shown["id"])) == shown
    assert f"tester{person}" in trivet("user", "show", f"telegram:{person}").stdout


def test_two_accounts_are_joined_parted_and_separated(trivet, as_json, stack, new_id):
    on_telegram, on_discord, other = new_id(), new_id(), new_id()
    stack.command_telegram(on_telegram, "/start")
    stack.command_telegram(other, "/start")
    stack.command_discord(on_discord, "profile")
    words = trivet("user", "merge", f"telegram:{on_telegram}", f"discord:{on_discord}").stdout
    merge = re.search(r"trivet user unmerge (\d+)", words).group(1)
    shown = as_json("user", "show", f"discord:{on_discord}")
    assert {identity["platform"] for identity in shown["identities"]} == {"telegram", "discord"}
    assert [(row["event"], row["merge"], row["by"]) for row in shown["history"]] == [("link", int(merge), "operator")]
    again = trivet("user", "merge", f"telegram:{on_telegram}", f"discord:{on_discord}", check=False)
    assert again.returncode == 1 and "one account already" in again.stderr
    twice = trivet("user", "merge", f"telegram:{on_telegram}", f"telegram:{other}", check=False)
    assert twice.returncode == 1 and "Telegram" in twice.stderr
    assert trivet("user", "merge", str(shown["id"]), "999999999999", check=False).returncode == 1
    trivet("user", "unmerge", merge)
    assert trivet("user", "unmerge", merge, check=False).returncode == 1
    assert trivet("user", "unmerge", "999999999999", check=False).returncode == 1
    assert len(as_json("user", "show", f"discord:{on_discord}")["identities"]) == 1
    trivet("user", "merge", f"telegram:{on_telegram}", f"discord:{on_discord}")
    trivet("user", "unlink", f"telegram:{on_telegram}")
    assert [i["platform"] for i in as_json("user", "show", f"telegram:{on_telegram}")["identities"]] == ["telegram"]
    alone = trivet("user", "unlink", f"telegram:{on_telegram}", check=False)
    assert alone.returncode == 1 and "only identity" in alone.stderr
    assert as_json("verify")["differences"] == 0


def history(shown):
    return [(row["event"], row["by"], row["identities"], row["with"]) for row in shown["history"]]


def test_the_history_of_an_account_says_who_came_and_went_and_by_whom(trivet, as_json, stack, new_id):
    on_telegram, on_discord = new_id(), new_id()
    telegram, discord = f"telegram:{on_telegram}", f"discord:{on_discord}"
    for platform, person in (("telegram", on_telegram), ("discord", on_discord)):
        stack.api("POST", "/v1/users", {"platform": platform, "platform_id": str(person)})
        trivet("user", "adjust", f"{platform}:{person}", "--xp", "1", "--reason", "so that it is a history")
    first, second = (as_json("user", "show", who)["id"] for who in (telegram, discord))
    trivet("user", "merge", telegram, discord)
    number = as_json("user", "show", telegram)["history"][0]["merge"]
    trivet("user", "unmerge", str(number))
    merged = [("merge", "operator", [discord], [telegram])]
    undone = [("undo", "operator", [discord], None)] + merged
    assert history(as_json("user", "show", telegram)) == history(as_json("user", "show", discord)) == undone
    trivet("user", "merge", telegram, discord)
    joined = as_json("user", "show", telegram)
    assert history(joined) == merged + undone
    trivet("user", "unlink", discord)
    shown = as_json("user", "show", telegram)
    third = as_json("user", "show", discord)["id"]
    assert history(shown) == [("unlink", "operator", [discord], None)] + history(joined)
    assert [(row["account"], row["other"]) for row in shown["history"]] == [(first, third), (first, second), (first, second), (first, second)]
    # the account that it has now knows where it came from
    assert history(as_json("user", "show", discord)) == [("unlink", "operator", [discord], None)]
    assert re.search(rf"unlink +operator .* {discord}", trivet("user", "show", telegram).stdout)


def test_who_linked_by_himself_stands_in_the_history(as_json, stack, new_id):
    on_telegram, on_discord = new_id(), new_id()
    telegram, discord = f"telegram:{on_telegram}", f"discord:{on_discord}"
    stack.command_telegram(on_telegram, "/start")
    code = re.search(r"\b[A-HJ-NP-Z2-9]{6}\b", stack.command_telegram(on_telegram, "/getcode")["text"]).group(0)
    assert "Done!" in stack.command_discord(on_discord, "code", code=code)["data"]["content"]
    assert history(as_json("user", "show", telegram)) == [("link", discord, [discord], [telegram])]


def test_the_ledger_of_joined_accounts_is_shown_whole(as_json, trivet, stack, new_id):
    on_telegram, on_discord = new_id(), new_id()
    for platform, person, coins in (("telegram", on_telegram, "30"), ("discord", on_discord, "12")):
        stack.api("POST", "/v1/users", {"platform": platform, "platform_id": str(person)})
        trivet("user", "adjust", f"{platform}:{person}", "--coins", coins, "--reason", f"for {platform}")
    first, second = (as_json("user", "show", who)["id"] for who in (f"telegram:{on_telegram}", f"discord:{on_discord}"))
    trivet("user", "merge", f"telegram:{on_telegram}", f"discord:{on_discord}")
    rows = as_json("user", "show", f"discord:{on_discord}")["ledger"]
    assert [row["reason"] for row in rows if row["kind"] == "adjust"] == ["for discord", "for telegram"]
    assert sum(row["coins"] for row in rows if row["account"] == second) == 0
    assert sum(row["coins"] for row in rows if row["account"] == first and row["kind"] in ("adjust", "merge")) == 30 + 12
    assert {row["account"] for row in as_json("user", "show", str(second))["ledger"]} == {second}
    assert "for discord" in trivet("user", "show", f"telegram:{on_telegram}").stdout


def test_events_that_failed_are_listed(as_json, db, new_id):
    key = f"ctl-{new_id()}"
    with db.cursor() as cursor:
        cursor.execute("INSERT INTO event_queue (lane, platform, platform_id, source, type, data, key, at, accepted_at, attempts, error) VALUES"
                       " (0, 'telegram', 5, 'ctl', 'xp_change', '{}', %s, now(), now(), 5, 'poisoned')", (key,))
        try:
            row = next(row for row in as_json("outbox", "list", "--events", "--limit", "10000") if row["key"] == key)
            assert (row["state"], row["error"], row["platform_id"]) == ("set aside", "poisoned", "5")
        finally:
            cursor.execute("DELETE FROM event_queue WHERE key = %s", (key,))


def test_verify(trivet, as_json, db, stack, new_id):
    person = new_id()
    stack.command_telegram(person, "/start")
    answer = as_json("verify")
    assert answer["accounts"] >= 1 and answer["differences"] == 0 and answer["list"] == []
    with db.cursor() as cursor:
        cursor.execute("UPDATE account_balance SET coins = coins + 1 WHERE account_id = (SELECT account_id FROM identity WHERE platform_id = %s) RETURNING account_id", (person,))
        account = cursor.fetchone()[0]
        try:
            done = trivet("verify", "--json", check=False)
            assert done.returncode == 1
            assert [row["account"] for row in json.loads(done.stdout)["list"]] == [account]
            assert trivet("verify", check=False).returncode == 1
        finally:
            cursor.execute("UPDATE account_balance SET coins = coins - 1 WHERE account_id = %s", (account,))


def test_outbox(trivet, as_json, db, new_id):
    with db.cursor() as cursor:
        cursor.execute("INSERT INTO outbox (platform, bot, recipient, topic, body, status, error, attempts, created_at, due_at, give_up_at, done_at) VALUES"
                       " ('telegram', 'none', %s, 'test', 'x', 'failed', 'HTTP 500', 8, now(), now(), now(), now()) RETURNING id", (new_id(),))
        number = cursor.fetchone()[0]
        rows = as_json("outbox", "list", "--status", "failed", "--limit", "10000")
        row = next(row for row in rows if row["id"] == number)
        assert (row["error"], row["attempts"], row["topic"]) == ("HTTP 500", 8, "test") and "body" not in row
        trivet("outbox", "retry", str(number))
        cursor.execute("SELECT status, attempts, error, give_up_at > now() + interval '23 hours' FROM outbox WHERE id = %s", (number,))
        assert cursor.fetchone() == ("pending", 0, None, True)
        assert trivet("outbox", "retry", str(number), check=False).returncode == 1
        cursor.execute("UPDATE outbox SET status = 'permanent', body = NULL, error = 'expired' WHERE id = %s", (number,))
        assert trivet("outbox", "retry", str(number), check=False).returncode == 1  # its words are gone
        assert trivet("outbox", "retry", "--all").returncode == 0
        cursor.execute("SELECT status FROM outbox WHERE id = %s", (number,))
        assert cursor.fetchone() == ("permanent",)
        cursor.execute("DELETE FROM outbox WHERE id = %s", (number,))


# ---- the platforms -----------------------------------------------------------------------------------------------------------------


def test_bots(as_json):
    assert {(row["platform"], row["bot"]) for row in as_json("bot", "list")} >= {("telegram", "main"), ("telegram", "quiz"), ("discord", "discord")}


def test_webhook_set_info_delete(trivet, as_json, fakes, stack):
    try:
        trivet("webhook", "set", "main")
        call = fakes.calls(method="setWebhook")[0]
        assert call["body"]["url"] == stack.env["BASE_URL"] + "/telegram/main"
        assert call["body"]["secret_token"] == stack.env["BOT_SECRET"]
        assert as_json("webhook", "info", "main")["url"] == stack.env["BASE_URL"] + "/telegram/main"
        trivet("webhook", "delete", "main")
        assert as_json("webhook", "info", "main")["url"] == ""
    finally:
        trivet("webhook", "set", "main")
    assert trivet("webhook", "set", "nobody", check=False).returncode == 1


def test_a_refused_webhook_is_told_in_the_platforms_words(trivet, fakes):
    fakes.rule("telegram", {"status": 400, "description": "Bad Request: bad webhook: getting address failed"}, method="setWebhook", times=1)
    done = trivet("webhook", "set", "main", check=False)
    assert done.returncode == 1 and "getting address failed" in done.stderr


def test_commands_are_registered_on_both_platforms(as_json, fakes, stack):
    lines = as_json("commands", "sync", "--global")
    assert all(line["done"] for line in lines)
    lists = {(call["path"].split("/")[-2], call["body"].get("language_code", "")): call["body"]["commands"] for call in fakes.calls(method="setMyCommands")}
    assert {language for _, language in lists} == {"", "ru", "en"}
    assert lists[("bot" + stack.env["BOT_TOKEN"], "")] == lists[("bot" + stack.env["BOT_TOKEN"], "en")]
    assert lists[("bot" + stack.env["BOT_TOKEN"], "ru")] != lists[("bot" + stack.env["BOT_TOKEN"], "en")]
    body = discord_body(fakes.calls(method=GLOBAL_CALL)[0])
    assert {"profile", "getcode"} <= {command["name"] for command in body}
    assert any("hour" in line["words"] for line in lines if line["where"].startswith("discord"))


def test_the_entry_point_command_survives(as_json, fakes):
    entry = {"id": "1", "application_id": "2", "version": "3", "type": 4, "name": "launch", "description": "", "handler": 2}
    fakes.rule("discord", {"status": 200, "body": [entry]}, method="GET /applications/{}/commands", times=1)
    as_json("commands", "sync", "--global", check=False)
    first = discord_body(fakes.calls(method=GLOBAL_CALL)[0])[0]
    assert (first["type"], first["name"], first["handler"]) == (4, "launch", 2)
    assert "application_id" not in first and "version" not in first


def test_a_servers_commands_have_no_contexts(as_json, fakes, stack):
    as_json("commands", "sync", "--guild", stack.env["DISCORD_GUILD_ID"])
    body = discord_body(fakes.calls(method=GUILD_CALL)[0])
    assert body and all("contexts" not in command and "integration_types" not in command for command in body)


def test_missing_access_is_explained_and_registered_everywhere(as_json, fakes):
    for method in (GUILD_CALL, GUILD_CALL.replace("PUT", "GET")):
        fakes.rule("discord", {"status": 403, "description": "Missing Access", "code": 50001}, method=method)
    words = " ".join(line["words"] for line in as_json("commands", "sync", "--guild", "645027906669510667"))
    assert "50001" in words and "applications.commands" in words
    assert len(fakes.calls(method=GLOBAL_CALL)) == 1


def test_a_dry_run_calls_nobody(as_json, fakes):
    lines = as_json("commands", "sync", "--global", "--dry-run")
    assert not [call["path"] for call in fakes.calls() if "ommands" in call["path"]]  # a message of a test before may still be on its way
    assert any(json.loads(line["words"]) for line in lines)


def test_doctor_says_what_is_wrong_and_how_to_mend_it(trivet, as_json, fakes, stack):
    trivet("webhook", "set", "main")
    lines = verdicts(as_json("doctor", check=False))
    for check in ("settings", "database", "migrations", "season", "redis", "clock", "telegram main token", "telegram main webhook", "discord key", "WEBAPP_URL"):
        assert lines[check][0] == "ok", (check, lines[check])
    fakes.rule("telegram", {"status": 401}, method="getMe")
    fakes.rule("discord", {"status": 403, "description": "Missing Access", "code": 50001}, method="GET /applications/{}/guilds/{}/commands")
    fakes.rule("discord", {"status": 403, "description": "Missing Access", "code": 50001}, method="GET /applications/{}/commands")
    trivet("webhook", "delete", "main")
    try:
        done = trivet("doctor", "--json", check=False)
        assert done.returncode == 1
        lines = verdicts(json.loads(done.stdout))
        assert lines["telegram main token"][0] == "wrong" and "@BotFather" in lines["telegram main token"][1]
        assert lines["telegram main webhook"][0] == "wrong" and "trivet webhook set main" in lines["telegram main webhook"][1]
        assert "50001" in lines["discord commands"][1]
    finally:
        trivet("webhook", "set", "main")


def test_doctor_without_settings_says_which(stack):
    program = os.path.join(ROOT, "build", stack.settings["V"], "trivet")
    env = {key: value for key, value in os.environ.items() if key not in stack.env}
    done = subprocess.run([program, "doctor", "--json"], env={**env, "TRIVET_CONF": ""}, capture_output=True, text=True, timeout=10)
    assert done.returncode == 1
    assert verdicts(json.loads(done.stdout))["settings"][0] == "wrong"


def test_doctor_without_stores(stack):
    program = os.path.join(ROOT, "build", stack.settings["V"], "trivet")
    env = {**os.environ, **stack.env, "DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none", "REDIS_URL": "redis://127.0.0.1:9/0"}
    done = subprocess.run([program, "doctor", "--json"], env=env, capture_output=True, text=True, timeout=60)
    lines = verdicts(json.loads(done.stdout))
    assert done.returncode == 1
    assert lines["database"][0] == lines["redis"][0] == lines["migrations"][0] == "wrong"
    assert "DATABASE_URL" in lines["database"][1] and "REDIS_URL" in lines["redis"][1]
