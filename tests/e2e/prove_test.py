"""The long proofs (make prove-...) in their short form."""
import asyncio
import random
import signal

import events
import forged
import lag
import linking
import messages
import redeem
import restarts


def test_random_links_merges_undos_and_unlinks_keep_the_totals(another_stack):
    stack = another_stack()
    stack.up()
    proof, before, after = asyncio.run(linking.prove(stack, 400, random.randrange(10**9)))
    assert before == after or before[:2] == after[:2]
    assert sum(proof.done.values()) > 60 and not [name for name in proof.refused if name.startswith("??")], (proof.done, proof.refused)
    assert stack.trivet("verify").returncode == 0


def test_of_fifty_redeemers_exactly_one_succeeds(stack):
    winners, losers = asyncio.run(redeem.prove(stack, 10))
    assert winners == {1: 10} and set(losers) == {"already used"}


def test_no_mutated_request_is_accepted(stack):
    seen = asyncio.run(forged.prove(stack, 500, random.randrange(10**9)))
    assert len(seen) >= 15 and all(set(statuses) == {401} for statuses in seen.values()), seen


# What a machine bears beside its tests, whichever it is; the proofs ask for more.
GENTLY = {"rate": 150, "at_once": 24}
FEWEST = 100  # fewer requests in 5 s would prove nothing


def test_stopping_programs_under_load_costs_no_answer(another_stack):
    stack = another_stack()
    stack.up()
    load, _ = asyncio.run(restarts.prove(stack, signal.SIGTERM, 5, **GENTLY))
    assert load.kills >= 3 and sum(load.first.values()) >= FEWEST and not load.problems, (load.first, load.problems[:3])
    if stack.settings["V"] == "release":  # builds of sanitizers outlast the deadline of a request now and then
        assert set(load.first) == {200}, load.first
    assert restarts.check_effects(stack, load) == ([], [])


def test_killing_programs_under_load_loses_nothing(another_stack):
    stack = another_stack()
    stack.up()
    load, _ = asyncio.run(restarts.prove(stack, signal.SIGKILL, 5, **GENTLY))
    assert load.kills >= 3 and sum(load.first.values()) >= FEWEST and not load.problems, (load.first, load.problems[:3])
    assert restarts.check_effects(stack, load) == ([], [])
    assert stack.trivet("verify").returncode == 0


def test_events_of_many_clients_are_counted_once_and_rightly_though_programs_are_killed(another_stack):
    stack = another_stack(WORKERS="2")
    stack.up()
    delivery = events.prove(stack, 4000, 9, random.randrange(10**9), 120)
    assert events.faults(delivery) == [], f"seed {delivery.plan.seed}"
    assert delivery.compared == 200 and delivery.count()["repeats"] > 400 and delivery.refused
    assert stack.trivet("verify").returncode == 0


def test_every_acknowledged_message_is_counted_and_each_once(another_stack):
    stack = another_stack()
    stack.up()
    proof = asyncio.run(messages.prove(stack, 1.2))
    if stack.settings["V"] != "release":  # builds of sanitizers outlast the deadline of a request now and then
        proof.faults = [fault for fault in proof.faults if ": answers" not in fault]
    assert proof.faults == [] and proof.kills >= 1


def test_events_do_not_wait_long_and_less_after_a_load(stack):
    proof = asyncio.run(lag.prove(stack, 200, 1.5, strict=False))
    assert proof.faults == []
