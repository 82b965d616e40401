"""The long proofs (make prove-...) in their short form."""
import asyncio
import random
import signal

import forged
import linking
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


def test_stopping_programs_under_load_costs_no_answer(another_stack):
    stack = another_stack()
    stack.up()
    load, _ = asyncio.run(restarts.prove(stack, signal.SIGTERM, 5))
    assert load.kills >= 3 and not load.problems, (load.first, load.problems[:3])
    if stack.settings["V"] == "release":  # builds of sanitizers outlast the deadline of a request now and then
        assert set(load.first) == {200}, load.first
    assert restarts.check_effects(stack, load) == ([], [])


def test_killing_programs_under_load_loses_nothing(another_stack):
    stack = another_stack()
    stack.up()
    load, _ = asyncio.run(restarts.prove(stack, signal.SIGKILL, 5))
    assert load.kills >= 3 and not load.problems, (load.first, load.problems[:3])
    assert restarts.check_effects(stack, load) == ([], [])
    assert stack.trivet("verify").returncode == 0
