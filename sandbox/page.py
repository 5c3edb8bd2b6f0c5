"""The inbox as one HTML page, rendered here; a few lines of script only fetch it again every two seconds."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from html import escape
from itertools import islice
from typing import Any, NamedTuple

import orjson

from sandbox.inbox import Entry, Inbox
from sandbox.ledger import Ledger
from sandbox.numbers import normalised
from sandbox.request import Msg
from sandbox.rich.shown import Bubble, bubbles

SHOWN = 200  #: messages on the page, the newest that match

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --dim: #888; --bad: #d33; --warn: #b70 }
* { box-sizing: border-box }
body { font: 15px/1.45 system-ui, sans-serif; max-width: 92rem; margin: 0 auto; padding: 1.5rem }
header { display: flex; flex-wrap: wrap; gap: .5rem 1.5rem; align-items: baseline }
h1 { font-size: 1.35rem; margin: 0; flex: 1 }
input { font: inherit; padding: .35rem .7rem; width: 17rem;
  border: 1px solid var(--line); border-radius: .5rem }
dl { display: flex; flex-wrap: wrap; gap: .6rem; margin: 1.2rem 0 }
dl div { background: var(--soft); border-radius: .6rem; padding: .5rem 1rem; min-width: 7rem }
dt { color: var(--dim); font-size: .8rem } dd { margin: 0; font-size: 1.3rem }
.faults { border-left: .25rem solid var(--warn); background: var(--soft);
  padding: .5rem 1rem; margin: 1rem 0 }
.faults ul { margin: .2rem 0; padding-left: 1.2rem }
.scroll { overflow-x: auto }
table { border-collapse: collapse; width: 100% }
th { text-align: left; color: var(--dim); font-weight: 500; font-size: .8rem }
th, td { padding: .45rem .7rem; border-bottom: 1px solid var(--line); vertical-align: top }
td.text { white-space: pre-wrap; overflow-wrap: anywhere; min-width: 16rem; width: 45% }
td.n, th.n { text-align: right } td, dd { font-variant-numeric: tabular-nums }
code { font: .85em ui-monospace, monospace }
td.reference { overflow-wrap: anywhere; min-width: 11rem } td.channels { min-width: 8rem }
.tag { display: inline-block; border: 1px solid var(--line); border-radius: .8rem; padding: 0 .5rem;
  font-size: .8rem }
.again { background: #d331 } .again .times, .bad { color: var(--bad); font-weight: 700 }
.dim { color: var(--dim) }
.bubble { background: var(--soft); border-radius: .7rem; padding: .35rem .7rem; margin-bottom: .35rem }
.bubble b { margin-left: .5rem }
.buttons { display: flex; flex-wrap: wrap; gap: .35rem; margin-top: .3rem }
.button { border: 1px solid #48f8; border-radius: 1rem; padding: 0 .7rem; font-size: .85rem; cursor: help }
.reply { display: flex; flex-wrap: wrap; gap: .35rem; margin-top: .3rem }
@media (max-width: 52rem) {
  body { padding: 1rem }
  thead { display: none }
  tr { display: block; border-bottom: 1px solid var(--line); padding: .4rem 0 }
  td, td.n { display: inline-block; border: 0; padding: .1rem .8rem .1rem 0 }
  td.text { display: block; width: auto; min-width: 0 } td.reference, td.channels { min-width: 0 }
  td.n::before { content: attr(data-name) " "; color: var(--dim); font-size: .8rem; font-weight: 400 }
}
"""

# Replaces what is live and leaves the search field alone, so that typing is never interrupted.
_SCRIPT = """
setInterval(async () => {
  if (document.hidden) return;
  try {
    const text = await (await fetch(location.href)).text();
    const fresh = new DOMParser().parseFromString(text, "text/html").querySelector("main");
    document.querySelector("main").replaceWith(fresh);
  } catch { document.querySelector("#state").textContent = "the sandbox does not answer"; }
}, 2000);
"""

POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; connect-src 'self'; form-action 'self'; "
    f"script-src 'sha256-{b64encode(sha256(_SCRIPT.encode()).digest()).decode()}'"
)


def render(
    inbox: Inbox,
    ledger: Ledger,
    faults: Sequence[Mapping[str, Any]],
    *,
    search: str,
    replies: bool = False,
    reply_to: int | None = None,
) -> str:
    """The whole page. `search` is a part of a number or a reference; empty shows everything.

    With `replies` each message can be answered. While the form of the message `reply_to` (an id) is open, the
    page does not renew itself, so that nobody's words are lost.
    """
    matching = (entry for entry in inbox.newest_first() if _matches(entry, search))
    entries = list(islice(matching, SHOWN))
    writing = replies and reply_to is not None
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Sandbox inbox</title>
<meta name="viewport" content="width=device-width">
{"" if writing else '<noscript><meta http-equiv="refresh" content="5"></noscript>'}
<style>{_STYLE}</style></head><body>
<header><h1>Sandbox inbox</h1>
<form><input type="search" name="q" value="{escape(search)}" placeholder="number or reference"
 aria-label="Search by number or reference"></form></header>
<main>
{_sums(ledger)}
{_faults(faults)}
{_table(entries, ledger, _Replies(offered=replies, to=reply_to))}
<p class="dim" id="state">{len(entries)} shown of the {len(inbox)} newest that are kept. Older ones are
counted, not kept. Times are UTC.</p>
</main>
{"" if writing else f"<script>{_SCRIPT}</script>"}</body></html>
"""


def _matches(entry: Entry, search: str) -> bool:
    if not search:
        return True
    reference = (entry.message.reference or "").lower()
    return (
        search.lower() in reference
        or search.removeprefix("+") in entry.number
        or normalised(search) == entry.number
    )


def _sums(ledger: Ledger) -> str:
    counts = ledger.counts()
    names = ("requests", "messages", "unique", "duplicates", "rejected", "refused", "faulted")
    boxes = []
    for name in names:
        count = counts[name]
        shown = "not counted" if count is None else f"{count:,}"
        loud = ' class="bad"' if name == "duplicates" and count else ""
        boxes.append(f"<div><dt>{name}</dt><dd{loud}>{shown}</dd></div>")
    return f"<dl>{''.join(boxes)}</dl>"


def _faults(faults: Sequence[Mapping[str, Any]]) -> str:
    items = []
    for fault in faults:
        if fault["active"]:
            rest = {name: value for name, value in fault.items() if name not in ("kind", "active", "struck")}
            shown = ", ".join(f"{name} {orjson.dumps(value).decode()}" for name, value in rest.items())
            items.append(
                f"<li><b>{escape(fault['kind'])}</b> <code>{escape(shown)}</code>"
                f' <span class="dim">struck {fault["struck"]:,} times</span></li>'
            )
    if not items:
        return ""
    return f'<div class="faults">Faults in force<ul>{"".join(items)}</ul></div>'


class _Replies(NamedTuple):
    """Whether messages can be answered, and the id of the one being answered."""

    offered: bool
    to: int | None

    def shown(self, entry: Entry) -> str:
        """What is beside one message: a link to its form, or the form."""
        if not self.offered:
            return ""
        if entry.id != self.to:
            return f'<div><a href="?reply={entry.id}">reply</a></div>'
        return (
            f'<form class="reply" id="m{entry.id}" method="post" action="/sandbox/inbound">'
            f'<input type="hidden" name="answers" value="{entry.id}">'
            '<input name="text" aria-label="Reply" placeholder="reply" autofocus>'
            '<input name="media" type="url" aria-label="Link to a file" placeholder="link to a file, if any">'
            '<button>send</button> <a href="/sandbox/inbox">do not</a></form>'
        )


def _table(entries: Sequence[Entry], ledger: Ledger, replies: _Replies) -> str:
    if not entries:
        return '<p class="dim">No messages here.</p>'
    rows = "\n".join(
        _row(entry, ledger.times(entry.message.reference, entry.number), replies) for entry in entries
    )
    return f"""<div class="scroll"><table><thead><tr><th>received</th><th>from</th><th>to</th><th>text</th>
<th>channels</th><th>reference</th><th class="n">parts</th><th class="n">request</th>
<th class="n">times taken</th></tr></thead>
<tbody>
{rows}
</tbody></table></div>"""


def _row(entry: Entry, times: int | None, replies: _Replies) -> str:
    message = entry.message
    received = datetime.fromtimestamp(entry.received_at, UTC).strftime("%H:%M:%S")
    channels = " ".join(f'<span class="tag">{escape(channel)}</span>' for channel in message.channels)
    return (
        f"<tr{' class=again' if times and times > 1 else ''}><td>{received}</td>"
        f"<td><bdi>{escape(message.sender or '')}</bdi></td>"
        f"<td><code>{escape(entry.number)}</code></td>"
        f'<td class="text">{_shown(message)}{replies.shown(entry)}</td>'
        f"<td class=channels>{channels or '<span class=dim>any</span>'}</td>"
        f"<td class=reference><code>{escape(message.reference or '')}</code></td>"
        f'<td class="n" data-name="parts">{entry.parts}</td>'
        f'<td class="n" data-name="request">{entry.request}</td>'
        f'<td class="n times" data-name="times taken">{times or ""}</td></tr>'
    )


def _shown(message: Msg) -> str:
    """What the recipient sees: the bubbles, and the body as what stands in for them."""
    text = f"<bdi>{escape(message.text)}</bdi>"
    if message.rich_content is None:
        return text
    shown = "".join(_bubble(bubble) for bubble in bubbles(message.rich_content))
    return f'{shown}<div class="dim">elsewhere: {text}</div>' if message.text else shown


def _bubble(bubble: Bubble) -> str:
    parts = [f'<span class="tag">{escape(bubble.kind)}</span>']
    if bubble.title:
        parts.append(f"<b><bdi>{escape(bubble.title)}</bdi></b>")
    if bubble.text:
        parts.append(f"<div><bdi>{escape(bubble.text)}</bdi></div>")
    if bubble.file:
        parts.append(f"<div><code>{escape(bubble.file)}</code></div>")
    if bubble.buttons:
        buttons = "".join(
            f'<span class="button" title="{escape(button.leads_to)}">{escape(button.label)}</span>'
            for button in bubble.buttons
        )
        parts.append(f'<div class="buttons">{buttons}</div>')
    return f'<div class="bubble">{"".join(parts)}</div>'
