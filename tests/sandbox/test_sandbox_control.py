"""The sandbox's own API: what it counted, what it keeps, and the page for people."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from sandbox.faults import KINDS
from sandbox.running import SandboxClient, running

Ask = Callable[..., Any]
Message = Callable[..., dict[str, Any]]


def test_counts_tell_what_was_taken(sandbox: SandboxClient, post: Ask, message: Message) -> None:
    """Repeats are duplicates; the fill counts recipients of a request."""
    post(sandbox, message("0031600000001", "0031600000002"))
    post(sandbox, message("0031600000001", "x"))
    post(sandbox)
    assert {
        "requests": 3,
        "refused": 1,
        "faulted": 0,
        "messages": 3,
        "rejected": 1,
        "unique": 2,
        "duplicates": 1,
        "largest": 2,
        "fill": {"2": 2},
    } == sandbox.counts()


def test_a_number_is_one_in_every_form(sandbox: SandboxClient, post: Ask, message: Message) -> None:
    """Pairs are counted in 00 form."""
    post(sandbox, message("0031600000001"), message("+31600000001"), message("31600000001"))
    assert {("REF1", "0031600000001"): 3} == sandbox.pairs()


def test_one_number_with_two_references_is_no_duplicate(
    sandbox: SandboxClient, post: Ask, message: Message
) -> None:
    """Only (reference, number) together tell a message."""
    post(sandbox, message(reference="A"), message(reference="B"), message(reference=None))
    assert [] == sandbox.duplicates()
    assert {("A", "0031600000001"), ("B", "0031600000001"), ("", "0031600000001")} == set(sandbox.pairs())


def test_duplicates_are_listed(sandbox: SandboxClient, post: Ask, message: Message) -> None:
    """The most frequent first."""
    post(sandbox, *[message(reference="A")] * 2, *[message(reference="B")] * 3, message(reference="C"))
    assert [
        {"reference": "B", "number": "0031600000001", "times": 3},
        {"reference": "A", "number": "0031600000001", "times": 2},
    ] == sandbox.duplicates()


def test_messages_are_kept_in_full(sandbox: SandboxClient, post: Ask, message: Message) -> None:
    """Everything a person or a test may want to see of one."""
    post(sandbox, message("+31600000001", allowedChannels=["SMS"], validity="2h"))
    (entry,) = sandbox.messages()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", entry.pop("received_at"))
    assert isinstance(entry.pop("id"), int)
    assert {
        "request": 1,
        "from": "Acme",
        "to": "0031600000001",
        "body": "Hello",
        "channels": ["SMS"],
        "reference": "REF1",
        "parts": 1,
        "times": 1,
        "validity": "2h",
        "rich_content": None,
        "course": [],
    } == entry


def test_rejected_messages_are_not_kept(sandbox: SandboxClient, post: Ask, message: Message) -> None:
    """Only what was taken is in the inbox."""
    post(sandbox, message("0031600009402"))
    assert [] == sandbox.messages()


def test_messages_are_found_by_reference_and_number(
    sandbox: SandboxClient, post: Ask, message: Message
) -> None:
    """Each alone or both; the number in any form."""
    post(sandbox, message("0031600000001", "0031600000002", reference="A"), message(reference="B"))

    def found(**query: str) -> list[tuple[str, str]]:
        return [(entry["reference"], entry["to"]) for entry in sandbox.messages(**query)]

    assert [("A", "0031600000001"), ("A", "0031600000002")] == found(reference="A")
    assert [("A", "0031600000001"), ("B", "0031600000001")] == found(number="+31600000001")
    assert [("B", "0031600000001")] == found(reference="B", number="0031600000001")


def test_messages_can_be_paged(sandbox: SandboxClient, post: Ask, message: Message) -> None:
    """Without `after` the newest, with it those that follow; always the oldest first."""
    post(sandbox, *[message(reference=f"R{i}") for i in range(5)])
    newest = sandbox.messages(limit=2)
    assert ["R3", "R4"] == [entry["reference"] for entry in newest]
    first = sandbox.messages(after=0, limit=2)
    assert ["R0", "R1"] == [entry["reference"] for entry in first]
    assert ["R2", "R3"] == [e["reference"] for e in sandbox.messages(after=first[-1]["id"], limit=2)]


def test_a_limit_that_is_no_number_is_refused(sandbox: SandboxClient) -> None:
    """HTTP 400 with a text."""
    with pytest.raises(RuntimeError, match="whole numbers"):
        sandbox.messages(limit="many")


def test_reset_forgets_everything(sandbox: SandboxClient, post: Ask, message: Message) -> None:
    """Counts, messages and faults."""
    post(sandbox, message())
    sandbox.faults({"kind": "status"})
    sandbox.reset()
    assert (0, {}, [], []) == (
        sandbox.counts()["requests"],
        sandbox.pairs(),
        sandbox.messages(),
        sandbox.faults(),
    )


def test_only_the_newest_messages_are_kept(post: Ask, message: Message) -> None:
    """The counts know the others."""
    with running(keep=3) as sandbox:
        post(sandbox, *[message(reference=f"R{i}") for i in range(5)])
        assert ["R2", "R3", "R4"] == [entry["reference"] for entry in sandbox.messages()]
        assert 5 == len(sandbox.pairs())


def test_the_sandbox_explains_itself(sandbox: SandboxClient, get: Ask) -> None:
    """Kinds of fault and magic numbers."""
    about = get(sandbox, "/sandbox").document
    assert set(KINDS) == set(about["faults"])
    assert "402" in about["magic_numbers"]["0031600009402"]


@pytest.mark.parametrize(
    ("status", "method", "path"),
    [(404, "GET", "/sandbox/nothing"), (404, "GET", "/x"), (405, "PUT", "/sandbox/faults")],
)
def test_unknown_paths_say_so(sandbox: SandboxClient, get: Ask, status: int, method: str, path: str) -> None:
    """As JSON."""
    reply = get(sandbox, path, method)
    assert status == reply.status
    assert "error" in reply.document


def test_faults_that_are_no_json_are_refused(sandbox: SandboxClient, get: Ask) -> None:
    """Nothing is put in force."""
    assert 400 == get(sandbox, "/sandbox/faults", "POST", "{").status
    assert [] == sandbox.faults()


def test_one_wrong_fault_spoils_the_order(sandbox: SandboxClient) -> None:
    """All of them or none."""
    with pytest.raises(RuntimeError, match="kind"):
        sandbox.faults({"kind": "status"}, {"kind": "nonsense"})
    assert [] == sandbox.faults()


# The page


def page(sandbox: SandboxClient, get: Ask, search: str = "") -> str:
    text = get(sandbox, f"/sandbox/inbox?q={search}").body.decode()
    assert isinstance(text, str)
    return text


def test_the_root_leads_to_the_inbox(sandbox: SandboxClient, get: Ask) -> None:
    """For a person who opens the address."""
    assert "/sandbox/inbox" == get(sandbox, "/").headers["location"]


def test_the_page_escapes_what_it_shows(
    sandbox: SandboxClient, get: Ask, post: Ask, message: Message
) -> None:
    """Texts and searches are shown, never run."""
    post(sandbox, message(body={"type": "auto", "content": "<img src=x>"}))
    shown = page(sandbox, get)
    assert "&lt;img src=x&gt;" in shown
    assert "<img" not in shown
    assert "<img" not in page(sandbox, get, "%22%3E%3Cimg%3E")


def test_the_page_runs_only_its_own_script(sandbox: SandboxClient, get: Ask) -> None:
    """Its policy names the digest of that script."""
    policy = get(sandbox, "/sandbox/inbox").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'sha256-" in policy


def test_the_page_marks_duplicates(sandbox: SandboxClient, get: Ask, post: Ask, message: Message) -> None:
    """Each line of a message taken more than once."""
    post(sandbox, message(reference="TWICE"), message(reference="TWICE"), message(reference="ONCE"))
    assert 2 == page(sandbox, get).count("<tr class=again>")


@pytest.mark.parametrize("search", ["findme", "FINDME", "0031600000002", "%2B31600000002", "600000002"])
def test_the_page_can_be_searched(
    sandbox: SandboxClient, get: Ask, post: Ask, message: Message, search: str
) -> None:
    """By a part of the reference or of the number."""
    post(sandbox, message("0031600000002", reference="FINDME"), message("0031600000001", reference="OTHER"))
    shown = page(sandbox, get, search)
    assert "<code>FINDME</code>" in shown
    assert "<code>OTHER</code>" not in shown


def test_the_page_shows_the_faults_in_force(
    sandbox: SandboxClient, get: Ask, post: Ask, message: Message
) -> None:
    """Those that are spent are gone from it."""
    sandbox.faults({"kind": "slow", "ms": 1, "count": 1})
    assert "<b>slow</b>" in page(sandbox, get)
    post(sandbox, message())
    assert "<b>slow</b>" not in page(sandbox, get)
