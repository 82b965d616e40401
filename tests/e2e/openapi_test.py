"""The service API's description of itself: served to anyone, the committed one, and what is really answered. conftest judges every answer of
the service API that any test got by the same document."""
import copy
import datetime

import pytest

import openapi


@pytest.fixture
def judge():
    return openapi.Judge(openapi.load())


def test_anyone_may_read_it_and_it_is_the_committed_one(stack):
    answer = stack.request("GET", "/v1/openapi.json")
    assert answer.status_code == 200 and answer.headers["Content-Type"] == "application/json"
    assert answer.json() == openapi.load()
    assert stack.request("POST", "/v1/openapi.json", data="{}").status_code == 405


def test_every_path_answers_and_wants_a_key(stack, judge):
    """No operation is described that is not there; those with a key are closed without one, whatever type of body comes."""
    for path, item in judge.document["paths"].items():
        for method, operation in item.items():
            real = path.replace("{platform}", "telegram").replace("{id}", "5").replace("{bot}", "quiz")
            answer = stack.request(method.upper(), real, **({"data": "x", "headers": {"Content-Type": "text/plain"}} if "requestBody" in operation else {}))
            assert answer.status_code == (401 if operation["security"] else 200), (method, path)


def test_a_body_of_another_type_is_refused_after_the_key(stack):
    key = {"Authorization": "Bearer " + stack.env["API_KEY"]}
    assert stack.request("POST", "/v1/users", data="x", headers={"Content-Type": "text/plain"}).status_code == 401
    assert stack.request("POST", "/v1/users", data="x", headers={"Content-Type": "text/plain", **key}).status_code == 415


# ---- the judge itself


USER = "/v1/users/telegram/5"


def test_an_answer_as_described_is_taken(stack, judge, new_id):
    person = str(new_id())
    answer = stack.api("POST", "/v1/users", {"platform": "telegram", "platform_id": person})
    judge.hear("POST", "/v1/users", {"platform": "telegram", "platform_id": person}, answer.status_code, "application/json", answer.json())
    assert judge.wrong == {} and sum(judge.heard.values()) == 1


@pytest.mark.parametrize("status, kind, change", [(200, "application/json", lambda body: body.pop("xp")), (200, "application/json", lambda body: body.update(xp=-1)),
                                                  (200, "text/html", lambda body: None), (202, "application/json", lambda body: None),
                                                  (200, "application/json", lambda body: body["identities"]["telegram"].update(id=5))])
def test_an_answer_that_is_not_as_described_is_found(stack, judge, new_id, status, kind, change):
    body = copy.deepcopy(stack.api("POST", "/v1/users", {"platform": "telegram", "platform_id": str(new_id())}).json())
    change(body)
    judge.hear("GET", USER, None, status, kind, body)
    assert len(judge.wrong) == 1


def test_a_body_that_is_not_described_and_taken_is_found(stack, judge, new_id):
    body = stack.api("POST", "/v1/users", {"platform": "telegram", "platform_id": str(new_id())}).json()
    judge.hear("POST", "/v1/users", {"platform": "website", "platform_id": "5"}, 200, "application/json", body)
    assert len(judge.wrong) == 1


@pytest.mark.parametrize("data, good", [({"xp": 5, "reason": "x"}, True), ({"xp": 0, "reason": "x"}, False), ({"xp": 1000001, "reason": "x"}, False), ({"xp": 5}, False),
                                        ({"xp": 5, "reason": "a\nb"}, False), ({"xp": 5, "reason": "x", "more": 1}, False), ({"coins": 5, "reason": "x"}, False)])
def test_events_are_described_as_they_are_judged(stack, judge, new_id, data, good):
    """The shapes in the document come from the table that the program judges by: both say the same."""
    event = {"platform": "telegram", "platform_id": str(new_id()), "type": "xp_change", "data": data, "idempotency_key": f"openapi:{new_id()}",
             "at": datetime.datetime.now(datetime.timezone.utc).isoformat()}
    assert (judge.fits({"$ref": "#/components/schemas/Event"}, event) is None) == good
    assert stack.api("POST", "/v1/events", {"events": [event]}).json()["accepted"] == int(good)
