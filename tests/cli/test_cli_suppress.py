"""`cmqueue suppress`."""

from __future__ import annotations

import pytest
from command import Run

from cmqueue import Outbox
from cmqueue.suppression import Suppressions, Why

NUMBER = "+31600000001"


def test_a_number_is_added_listed_and_removed(run: Run, outbox: Outbox) -> None:
    """
    Each verb says what it did; the list shows a hash, never the number.
    """
    added = run("suppress", "add", NUMBER, "--why", "opted_out", "--from", "Acme")
    assert (0, "1 entry added.\n") == (added.code, added.out)
    listed = run("suppress", "list")
    assert "opted_out" in listed.out
    assert "600000001" not in listed.out
    assert max(map(len, listed.out.splitlines())) <= 80
    assert "0 entries added.\n" == run("suppress", "add", NUMBER, "--from", "acme").out

    assert 1 == run("suppress", "remove", NUMBER).code
    removed = run("suppress", "remove", NUMBER, "--from", "Acme")
    assert (0, "1 entry removed.\n") == (removed.code, removed.out)
    assert "The list is empty.\n" == run("suppress", "list").out


def test_one_number_can_be_asked_for(run: Run, outbox: Outbox) -> None:
    """
    `list NUMBER` prints its entries, and ends with 1 where it has none.
    """
    Suppressions(outbox).add("0031600000001", why=Why.UNREACHABLE)

    ran = run("suppress", "list", NUMBER, "--json")
    assert (0, ["unreachable"]) == (ran.code, [one["why"] for one in ran.json])
    assert (1, []) == (
        run("suppress", "list", "+31600000002").code,
        run("suppress", "list", "+31600000002", "--json").json,
    )


def test_numbers_come_from_standard_input(run_command: Run, outbox: Outbox) -> None:
    """
    One a line; a bad one stops no other, is counted, and is not repeated.
    """
    ran = run_command("suppress", "add", "-", stdin=b"+31600000001\nnobody\n\n0031600000002\n")

    assert (1, "2 entries added.\n") == (ran.code, ran.out)
    assert "1 number refused: " in ran.err
    assert "nobody" not in ran.err
    assert 2 == len(list(Suppressions(outbox).entries()))


def test_an_id_of_a_channel_is_taken_as_it_is(run: Run, outbox: Outbox) -> None:
    """
    Where a channel has no phone numbers, its own ids are suppressed with --id.
    """
    assert 1 == run("suppress", "add", "a-psid").code
    assert 0 == run("suppress", "add", "--id", "a-psid").code
    assert 1 == len(Suppressions(outbox).of("a-psid"))


@pytest.mark.parametrize("arguments", [("add",), ("remove",), ("add", NUMBER, "--why", "because"), ("grow",)])
def test_wrong_usage(run: Run, arguments: tuple[str, ...]) -> None:
    """
    Exit code 2, and no number in the error.
    """
    ran = run("suppress", *arguments)

    assert 2 == ran.code
    assert "31600000001" not in ran.err


def test_the_account_may_be_named(run: Run, outbox: Outbox) -> None:
    """
    Only its list is written then.
    """
    outbox.registry.partition("post")
    outbox.registry.partition("shop")
    run("suppress", "add", NUMBER, "--account", "shop")

    assert [("shop", Why.BLOCKED)] == [(one.account, one.why) for one in Suppressions(outbox).entries()]
    assert [] == run("suppress", "list", "--account", "post", "--json").json


@pytest.mark.parametrize("verb", [("add", NUMBER), ("remove", NUMBER), ("list",)])
def test_a_mistyped_account_does_not_come_about(run: Run, outbox: Outbox, verb: tuple[str, ...]) -> None:
    """
    An alias that nothing was ever queued for is refused.
    """
    ran = run("suppress", *verb, "--account", "shpo")

    assert (1, "") == (ran.code, ran.out)
    assert "shpo" in ran.err
    assert not outbox.registry.known()


def test_an_entry_for_a_sender_is_pointed_at(run: Run, outbox: Outbox) -> None:
    """
    Who removes without --from what a STOP has put there is told why nothing went.
    """
    Suppressions(outbox).add(NUMBER, sender="Acme", why=Why.OPTED_OUT)

    ran = run("suppress", "remove", NUMBER)
    assert 1 == ran.code
    assert "name it with --from" in ran.err
