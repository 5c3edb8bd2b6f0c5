"""The text with names in it."""

from __future__ import annotations

import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmqueue import InvalidMessage
from cmqueue.campaign.template import Template

VALUE = st.text(min_size=1).map(str.strip).filter(bool)
PLAIN = st.text(st.characters(exclude_characters="{}", exclude_categories=["Cs"]))


@given(PLAIN, VALUE, PLAIN)
def test_a_name_becomes_its_value(before: str, value: str, after: str) -> None:
    """What a row holds stands in the place of the name, unescaped; all else stays."""
    assert f"{before}{value}{after}" == Template(f"{before}{{first name}}{after}").fill({"first name": value})


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1).map(str.strip).filter(bool))
def test_a_value_is_never_a_template(value: str) -> None:
    """Braces in a value are its own."""
    assert value == Template("{a}").fill({"a": value, "b": "no"})


@pytest.mark.parametrize("text", ["{a}", "{ a }", "{{a}}", "{&a}"])
def test_ways_to_write_a_name(text: str) -> None:
    """Spaces inside the braces, and Mustache's own two braces, are the same name."""
    assert "<Ann & Bob>" == Template(text).fill({"a": "<Ann & Bob>"})


@pytest.mark.parametrize("values", [{}, {"a": ""}, {"a": " \t"}])
def test_a_value_that_is_missing(values: dict[str, str]) -> None:
    """A gap is an error that names the name."""
    with pytest.raises(InvalidMessage, match="a: is empty or missing"):
        Template("Hi {a}").fill(values)


@pytest.mark.parametrize(("name", "filled"), [("Ann", "Hi Ann!"), ("", "Hi!")])
def test_sections(name: str, filled: str) -> None:
    """A section stands only where the row has the value, an inverted one only where it has not."""
    assert filled == Template("Hi{#a} {a}{/a}{^a}{/a}!").fill({"a": name})


def test_names_of_sections_are_names() -> None:
    """Whatever a row is asked for is known before."""
    assert {"a", "b", "c"} == Template("{#a}{^b}{c}{/b}{/a}").names


def test_braces_that_are_meant() -> None:
    """With other delimiters from the start, braces are braces."""
    template = Template("{=<% %>=}Hi <%a%>, {this} is {{so}}")

    assert ({"a"}, "Hi Ann, {this} is {{so}}") == (template.names, template.fill({"a": "Ann"}))


def test_a_text_without_names() -> None:
    """It is the same for everybody, and a brace that opens nothing is a brace."""
    template = Template("{! a comment }Sale :-{ today")

    assert (frozenset(), "Sale :-{ today") == (template.names, template.fill({}))


@pytest.mark.parametrize(
    "text",
    [
        "Hi {> /etc/hostname}", "{#a}never closed", "Before {#a} never closed", "{/a}", "{#a}{/b}", "{=x=}a",
        "{a\nb}", "{} {a}", "{ }", "{#a}{>b}{/a}",
    ],
)  # fmt: skip
def test_what_is_no_template(text: str) -> None:
    """A file, a section that is not closed or a brace of another kind is refused before any row."""
    with pytest.raises(InvalidMessage):
        Template(text)


@pytest.mark.parametrize(
    "name",
    ["a.upper", "a.__class__", "a.__class__.__mro__", ".", "a.0", "push", "of", "__class__", "fill"],
)
def test_no_template_reads_an_attribute(name: str) -> None:
    """A name is a key of the row or it is missing: dots lead nowhere."""
    with pytest.raises(InvalidMessage, match="is empty or missing"):
        Template(f"{{{name}}}").fill({"a": "text"})


@given(st.text(alphabet="{}#^/&>!= ab.\n" + string.punctuation, max_size=30))
def test_no_template_does_more_than_fill(text: str) -> None:
    """Whatever is written, it is refused, or says what its text and its values say, or lacks a value."""
    try:
        filled = Template(text).fill({"a": "1", "b": "2"})
    except InvalidMessage:
        return

    assert set(filled) <= set(text) | {"1", "2"}


def test_no_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A partial of a file that is there is refused like any other."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "b.mustache").write_text("secret")

    with pytest.raises(InvalidMessage, match="includes another template"):
        Template("{>b}")
