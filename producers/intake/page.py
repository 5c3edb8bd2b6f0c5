"""The description as a page for people, made once from the document: no script, nothing from elsewhere."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from html import escape
from typing import Any

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

Json = dict[str, Any]

_STYLE = """
:root { color-scheme: light dark; --line: #8885; --soft: #8881; --dim: light-dark(#555, #aaa);
  --get: light-dark(#06529e, #7db8f5); --post: light-dark(#17692f, #7fd39a) }
* { box-sizing: border-box }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 56rem; margin: 0 auto; padding: 1rem 1rem 4rem;
  overflow-wrap: anywhere }
h1 { font-size: 1.5rem; margin: .5rem 0 } h2 { font-size: 1.2rem; margin: 2.5rem 0 .5rem }
h3 { font-size: 1rem; margin: 0; display: flex; flex-wrap: wrap; gap: .2rem .6rem; align-items: baseline }
h4 { font-size: .85rem; margin: 1rem 0 .2rem; color: var(--dim); font-weight: 600 }
p { margin: .4rem 0; max-width: 46rem } .dim { color: var(--dim) }
code, pre { font: .88em/1.45 ui-monospace, monospace }
pre { background: var(--soft); border-radius: .4rem; padding: .6rem .8rem; overflow-x: auto; margin: .4rem 0;
  overflow-wrap: normal }
nav ul, section > ul { list-style: none; padding: 0; margin: .5rem 0 }
nav li { display: flex; flex-wrap: wrap; gap: 0 .6rem; padding: .15rem 0 }
a { color: inherit } a:target, :target h3 { text-decoration: underline }
section { border: 1px solid var(--line); border-radius: .6rem; padding: .8rem 1rem; margin: .8rem 0 }
.method { font: 700 .8rem/1.4 ui-monospace, monospace; width: 2.6rem }
.GET { color: var(--get) } .POST { color: var(--post) }
dl { margin: .2rem 0; display: grid; grid-template-columns: minmax(6rem, max-content) 1fr; gap: .3rem 1rem }
dt, dd { margin: 0 } dd dl { margin: .3rem 0; border-left: 2px solid var(--line); padding-left: .8rem }
@media (max-width: 40rem) { dl { grid-template-columns: 1fr; gap: 0 } dd { margin: 0 0 .6rem .8rem } }
"""

POLICY = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def routes(described: Json) -> list[Route]:
    """The description, for programs and for people."""
    document, html = to_json(described), render(described).encode()

    async def openapi(_: Request) -> Response:
        return Response(document, media_type="application/json")

    async def docs(_: Request) -> Response:
        headers = {
            "Content-Security-Policy": POLICY,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
        }
        return Response(html, headers=headers, media_type="text/html")

    return [Route("/openapi.json", openapi), Route("/docs", docs)]


def render(described: Json) -> str:
    """The whole page."""
    about = described["info"]
    listed, told = [], []
    for tag in described["tags"]:
        told.append(f"<h2>{escape(tag['description'])}</h2>")
        for path, methods in described["paths"].items():
            for method, operation in methods.items():
                if tag["name"] in operation["tags"]:
                    verb, anchor = method.upper(), operation["operationId"]
                    name = f'<span class="method {verb}">{verb}</span><code>{escape(path)}</code>'
                    listed.append(f'<li>{name} <a href="#{anchor}">{escape(operation["summary"])}</a></li>')
                    told.append(_operation(name, operation))
    shapes = described["components"]["schemas"]
    told.append("<h2>Shapes</h2>")
    told += [
        f'<section id="{name}"><h3>{name}</h3>{_shape(shape)}</section>' for name, shape in shapes.items()
    ]
    tokens = [
        f"<dt><code>{escape(scheme.get('name', 'Authorization: Bearer'))}</code></dt>"
        f"<dd>{escape(scheme['description'])}</dd>"
        for scheme in described["components"]["securitySchemes"].values()
    ]
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(about["title"])}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>{_STYLE}</style></head><body>
<header><h1>{escape(about["title"])}</h1>{_paragraphs(about["description"])}
<p>For programs: <a href="openapi.json">openapi.json</a>, OpenAPI {escape(described["openapi"])}.</p>
</header>
<nav><ul>{"".join(listed)}</ul></nav>
<main>
<h2>Tokens</h2><dl>{"".join(tokens)}</dl>
{"".join(told)}
</main></body></html>
"""


def _paragraphs(text: str) -> str:
    return "".join(f"<p>{_inline(part)}</p>" for part in text.strip().split("\n\n"))


def _inline(text: str) -> str:
    """Text with what stands between backticks as code."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if at % 2 else part for at, part in enumerate(parts))


def _operation(name: str, operation: Json) -> str:
    found = [
        f'<section id="{operation["operationId"]}"><h3>{name}</h3>',
    ]
    about = _inline(operation.get("description", ""))
    found.append(f"<p><strong>{escape(operation['summary'])}.</strong> {about}</p>")
    if not operation["security"]:
        found.append('<p class="dim">Needs no token.</p>')
    if parameters := operation.get("parameters"):
        found.append("<h4>Parameters</h4><dl>")
        found += [
            f"<dt><code>{escape(one['name'])}</code></dt>"
            f"<dd>{_inline(one['description'])} <span class='dim'>{_kind(one['schema'])}</span></dd>"
            for one in parameters
        ]
        found.append("</dl>")
    if body := operation.get("requestBody"):
        schema = body["content"]["application/json"]["schema"]
        found.append(f"<h4>Body</h4><p>{_kind(schema)}. {_inline(body['description'])}</p>")
    found.append("<h4>Answers</h4><dl>")
    for status, response in operation["responses"].items():
        ((media_type, content),) = response["content"].items()
        headers = "".join(f", <code>{escape(header)}</code>" for header in response.get("headers", {}))
        found.append(
            f"<dt>{status}</dt><dd>{_inline(response['description'])} "
            f'<span class="dim">{escape(media_type)}, {_kind(content["schema"])}{headers}</span></dd>'
        )
    found.append("</dl></section>")
    return "".join(found)


def _shape(schema: Json) -> str:
    found = [f"<p>{_inline(schema['description'])}</p>"] if "description" in schema else []
    found.append(_members(schema) if "properties" in schema else f"<p>{_kind(schema)}</p>")
    examples = [one for one in schema.get("examples", []) if isinstance(one, dict)]
    found += [f"<pre>{escape(to_json(example, indent=1).decode())}</pre>" for example in examples]
    return "".join(found)


def _members(schema: Json) -> str:
    found = ["<dl>"]
    for name, member in schema["properties"].items():
        optional = "" if name in schema.get("required", ()) else ", optional"
        below = member.get("items", member)
        found.append(
            f"<dt><code>{escape(name)}</code></dt><dd>{_inline(member.get('description', ''))} "
            f'<span class="dim">{_kind(member)}{optional}</span>'
            f"{_members(below) if 'properties' in below else ''}</dd>"
        )
    return "".join([*found, "</dl>"])


def _kind(schema: Mapping[str, Any]) -> str:
    """The type in words; a shape that has a name as a link to it."""
    if "allOf" in schema:
        return _kind(schema["allOf"][0])
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f'<a href="#{name}">{name}</a>'
    if "const" in schema:
        return f"<code>{escape(to_json(schema['const']).decode())}</code>"
    if "enum" in schema:
        return ", ".join(f"<code>{escape(str(one))}</code>" for one in schema["enum"])
    kind = schema["type"]
    words = " or ".join(kind) if isinstance(kind, list) else str(kind)
    if "items" in schema:
        most = f"up to {schema['maxItems']} " if "maxItems" in schema else ""
        words += f" of {most}{_kind(schema['items'])}"
    if "maxLength" in schema:
        words += f", at most {schema['maxLength']} characters"
    return words
