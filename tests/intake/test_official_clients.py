"""CM's own clients, unmodified, with the intake where CM was: they see what CM would say, and it arrives.

Each call is made twice, to the intake and to a sandbox in CM's place. The answers must be the same to the
client, and so must be what that sandbox got and what the worker brings to another one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from cm_text import MessageBuilder, TextClient, WhatsappTemplate
from harness import TOKEN, WorkerProcess, eventually
from intake_process import IntakeProcess
from javascript import JS, run

from cmqueue import Outbox
from demo.valkey import RunningServer
from sandbox.running import SandboxClient, running

pytestmark = pytest.mark.slow

PATH = "/v1.0/message"
NO_NUMBER = "0044791112345a"
WORDED = (0, 303, 304)  #: codes whose `messageDetails` CM's page shows
NO_TOKEN = "99999999-9999-9999-9999-999999999999"

MEDIA = {"mediaName": "logo", "mediaUri": "https://www.example.com/logo.png", "mimeType": "image/png"}
COMPONENTS = [{"type": "body", "parameters": [{"type": "text", "text": "Ada"}]}]

Answer = tuple[int, Any]  #: status and document, as the client has them
Entry = dict[str, Any]
Call = Callable[[TextClient], requests.Response]


def number(at: int) -> str:
    return f"0031600000{at:03}"


@dataclass
class Scene:
    """An intake, the worker behind it and the sandbox that gets its messages; and `cm`, asked directly."""

    intake: IntakeProcess
    queue: Outbox
    sandbox: SandboxClient
    cm: SandboxClient

    def check(self, ours: Answer, cms: Answer) -> None:
        """The same answer, and the same messages."""
        assert _told(cms) == _told(ours)
        accepted = [row["to"] for row in cms[1]["messages"] if row["status"] == "Accepted"]
        for to in accepted:
            arrived = eventually(lambda to=to: _contents(self.sandbox, to))
            assert _contents(self.cm, to) == arrived
        for row in cms[1]["messages"]:
            if row["to"] not in accepted:
                assert [] == _contents(self.sandbox, row["to"])


def _contents(sandbox: SandboxClient, to: str) -> list[Entry]:
    """What the sandbox has for a number, without what belongs to the sending alone."""
    own = ("from", "to", "body", "parts", "rich_content")
    return [
        {name: entry[name] for name in own} | {"channels": [_folded(name) for name in entry["channels"]]}
        for entry in sandbox.messages(number=to)
    ]


def _folded(channel: str) -> str:
    """A channel's name as CM reads it: its clients write `Whatsapp` and `FacebookMessenger`."""
    return channel.replace(" ", "").lower()


def _told(answer: Answer) -> Answer:
    """An answer without what CM does not document: the words of a rejection, but for two."""
    status, document = answer
    rows = [
        row if row["messageErrorCode"] in WORDED else row | {"messageDetails": ""}
        for row in document["messages"]
    ]
    return status, document | {"messages": rows}


@pytest.fixture(scope="module")
def scene(
    intake: IntakeProcess, queue: Outbox, valkey: RunningServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    """Everything of it runs as an installation would run it."""
    with running(token=TOKEN) as sandbox, running(token=TOKEN) as cm:
        environment = os.environ | {
            "CMQUEUE_REDIS_URL": valkey.url,
            "CMQUEUE_PRODUCT_TOKEN": TOKEN,
            "CMQUEUE_ENDPOINT": sandbox.endpoint,
        }
        worker = WorkerProcess(environment, tmp_path_factory.mktemp("worker") / "official.log")
        try:
            yield Scene(intake, queue, sandbox, cm)
        finally:
            worker.kill()


# --- Python ------------------------------------------------------------------------------------------------


def _text(client: TextClient) -> requests.Response:
    return client.SendSingleMessage("Hello", from_="Acme", to=[number(1)], reference="order_1")


def _unicode(client: TextClient) -> requests.Response:
    return client.SendSingleMessage("Zażółć, 你好 €" * 5, from_="Acme", to=[number(2)])


def _several_recipients(client: TextClient) -> requests.Response:
    return client.SendSingleMessage("To all", from_="CM Telecom", to=[number(3), number(4), number(5)])


def _several_messages(client: TextClient) -> requests.Response:
    client.AddMessage("First", from_="Acme", to=[number(6)], reference="r6")
    client.AddMessage("Second", from_="Acme", to=[number(7), number(8)], reference="r7")
    return client.send()


def _many_recipients(client: TextClient) -> requests.Response:
    return client.SendSingleMessage("Sale", from_="Acme", to=[number(at) for at in range(100, 160)])


def _dotted_sender(client: TextClient) -> requests.Response:
    """The one that CM's clients fall back to."""
    return client.SendSingleMessage("Hello", from_="cm.com", to=[number(9)])


def _rich(client: TextClient) -> requests.Response:
    client.AddRichMessage("See this", MEDIA, from_="Acme", to=[number(10)])
    return client.send()


def _template(client: TextClient) -> requests.Response:
    template = WhatsappTemplate("a_namespace", "an_element", COMPONENTS)
    client.AddWhatsappTemplateMessage(template, from_="Acme", to=[number(11), number(12)])
    return client.send()


def _interactive(client: TextClient) -> requests.Response:
    build = MessageBuilder
    rows = [build.create_interactive_message_action_row(title="One", id="1", description="the first")]
    section = build.create_interactive_message_action_section("All", rows)
    message = build.create_interactive_message(
        "list",
        header=build.create_interactive_message_header("text", "Choose", media=None),
        body=build.create_interactive_message_body("What do you want?"),
        footer=build.create_interactive_message_footer("Thanks"),
        action=build.create_interactive_message_action("Open", sections=[section]),
    )
    client.add_whatsapp_interactive_message(message, "fallback", from_="Acme", to=[number(13)])
    return client.send()


def _interactive_with_media(client: TextClient) -> requests.Response:
    """Its key for the media of a header is `Media`."""
    build = MessageBuilder
    media = build.create_interactive_message_header_media("logo", MEDIA["mediaUri"], MEDIA["mimeType"])
    reply = build.create_interactive_message_action_button_reply("1", "Yes")
    message = build.create_interactive_message(
        "button",
        header=build.create_interactive_message_header("image", media=media),
        body=build.create_interactive_message_body("Do you?"),
        footer=build.create_interactive_message_footer("Thanks"),
        action=build.create_interactive_message_action(
            buttons=[build.create_interactive_message_action_button("reply", reply)]
        ),
    )
    client.add_whatsapp_interactive_message(message, "fallback", from_="Acme", to=[number(14)])
    return client.send()


def _mixed(client: TextClient) -> requests.Response:
    return client.SendSingleMessage("Hello", from_="Acme", to=[number(15), NO_NUMBER], reference="m")


def _all_bad(client: TextClient) -> requests.Response:
    client.AddMessage("Hello", from_="Acme", to=[NO_NUMBER])
    client.AddMessage("", from_="Acme", to=[number(16)])
    client.AddMessage("Hello", from_="TwelveLetter", to=[number(16)])
    client.AddMessage("Hello", from_="Acme", to=[])
    return client.send()


@pytest.mark.parametrize(
    ("call", "status", "code"),
    [
        (_text, 200, 0),
        (_unicode, 200, 0),
        (_several_recipients, 200, 0),
        (_several_messages, 200, 0),
        (_many_recipients, 200, 0),
        (_dotted_sender, 200, 0),
        (_rich, 200, 0),
        (_template, 200, 0),
        (_interactive, 200, 0),
        (_interactive_with_media, 200, 0),
        (_mixed, 200, 201),
        (_all_bad, 400, 201),
    ],
)
def test_python(scene: Scene, call: Call, status: int, code: int) -> None:
    """`cm-text-sdk-python` gives back the answer as it came: it is CM's."""
    ours = call(TextClient(TOKEN, gateway=scene.intake.url + PATH))
    cms = call(TextClient(TOKEN, gateway=scene.cm.endpoint))

    assert (status, code) == (ours.status_code, ours.json()["errorCode"])
    scene.check((ours.status_code, ours.json()), (cms.status_code, cms.json()))


def test_python_with_a_token_of_nobody(scene: Scene) -> None:
    """101, as from CM."""
    ours, cms = (
        _text(TextClient(NO_TOKEN, gateway=url)) for url in (scene.intake.url + PATH, scene.cm.endpoint)
    )

    assert (400, 101) == (ours.status_code, ours.json()["errorCode"])
    assert (cms.status_code, cms.json()) == (ours.status_code, ours.json())


def test_the_reference_of_a_client_is_kept(scene: Scene) -> None:
    """What it gave is echoed, and found again beside the message; on the way it has one of ours."""
    client = TextClient(TOKEN, gateway=scene.intake.url + PATH)
    answer = client.SendSingleMessage("Hello", from_="Acme", to=[number(20)], reference="their_own")

    (id,) = scene.intake.events("request.accepted")[-1]["ids"]
    status = scene.queue.status(id)
    assert status is not None
    assert "their_own" == answer.json()["messages"][0]["reference"] == status.client_reference
    (entry,) = eventually(lambda: scene.sandbox.messages(number=number(20)))
    assert id[:6] == entry["reference"][:6]


def test_what_the_net_client_sends(scene: Scene) -> None:
    """There is no .NET here, so its request by hand: `$type`, `Components`, `FacebookMessenger`."""
    template = {"namespace": "n", "element_name": "e", "language": {"code": "en", "policy": "deterministic"}}
    messages = [
        {
            "allowedChannels": ["WhatsApp"],
            "from": "Acme",
            "to": [{"number": number(21)}],
            "body": {"content": "fallback", "type": "AUTO"},
            "customGrouping3": "text-sdk-dotnet-2.12.0",
            "richContent": {
                "conversation": [
                    {
                        "$type": "CM.Text.BusinessMessaging.Model.MultiChannel.TemplateMessage, CM.Text",
                        "template": {"whatsapp": template | {"Components": COMPONENTS}},
                    }
                ],
                "suggestions": None,
            },
        },
        {
            "allowedChannels": ["FacebookMessenger"],
            "from": "a-page",
            "to": [{"number": "a-psid"}],
            "body": {"content": "Hello", "type": "AUTO"},
        },
    ]
    document = {"messages": {"authentication": {"producttoken": TOKEN}, "msg": messages}}
    headers = {"X-CM-SDK": "text-sdk-dotnet-2.12.0", "Content-Type": "application/json; charset=utf-8"}

    ours, cms = (
        requests.post(url, json=document, headers=headers, timeout=30)
        for url in (scene.intake.url + PATH, scene.cm.endpoint)
    )

    assert 200 == ours.status_code
    scene.check((ours.status_code, ours.json()), (cms.status_code, cms.json()))


def test_what_the_php_client_sends(scene: Scene) -> None:
    """Nor is there PHP: its spelling of the grouping, both numbers of parts, a text of several."""
    message = {
        "from": "cm.com",
        "to": [{"number": number(22)}, {"number": number(23)}],
        "body": {"content": "Zażółć gęślą jaźń. " * 12, "type": "AUTO"},
        "minimumNumberOfMessageParts": 1,
        "maximumNumberOfMessageParts": 8,
        "customgrouping3": "text-sdk-php-3.0.1",
        "reference": "r22",
    }
    document = {"messages": {"authentication": {"producttoken": TOKEN}, "msg": [message]}}
    headers = {"X-CM-SDK": "text-sdk-php-3.0.1", "Accept": "application/json"}

    ours, cms = (
        requests.post(url, json=document, headers=headers, timeout=30)
        for url in (scene.intake.url + PATH, scene.cm.endpoint)
    )

    assert [4, 4] == [row["parts"] for row in ours.json()["messages"]]
    scene.check((ours.status_code, ours.json()), (cms.status_code, cms.json()))


# --- JavaScript --------------------------------------------------------------------------------------------

ORDERS: dict[str, dict[str, Any]] = {
    "text": {"to": [number(31)], "from": "Acme", "text": "Hello", "reference": "order_31"},
    "without reference": {"to": [number(32)], "from": "Acme", "text": "Hello €"},
    "several recipients": {"to": [number(33), number(34)], "from": "Acme", "text": "To both"},
    "rich": {
        "to": [number(35)],
        "from": "Acme",
        "text": "fallback",
        "channels": ["RCS"],
        "conversation": [{"text": "Our logo", "media": MEDIA}],
        "suggestions": [{"action": "openUrl", "label": "Go", "url": "https://www.example.com"}],
    },
    "template": {
        "to": [number(36)],
        "from": "Acme",
        "text": "fallback",
        "channels": ["WhatsApp"],
        "template": {
            "whatsapp": {
                "namespace": "a_namespace",
                "elementName": "an_element",
                "language": {"code": "en", "policy": "deterministic"},
                "components": COMPONENTS,
            }
        },
    },
    "mixed": {"to": [number(37), NO_NUMBER], "from": "Acme", "text": "Hello", "reference": "m"},
    "all bad": {"to": [NO_NUMBER], "from": "Acme", "text": "Hello"},
    "bad sender": {"to": [number(38)], "from": "TwelveLetter", "text": "Hello"},
    "token of nobody": {"to": [number(38)], "from": "Acme", "text": "Hello", "token": NO_TOKEN},
}
REFUSED = {"all bad": (400, 201), "bad sender": (400, 201), "token of nobody": (400, 101)}


@pytest.fixture(scope="module")
def told(scene: Scene, node_modules: Path) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """What the client made of our answer and of CM's, for each order; all of them sent by one process."""
    asked = [
        {"token": TOKEN, "url": url} | order
        for order in ORDERS.values()
        for url in (scene.intake.url, scene.cm.url)
    ]
    answers = json.loads(run([str(JS / "send.js")], node_modules, given=json.dumps(asked)))
    return dict(zip(ORDERS, zip(answers[::2], answers[1::2], strict=True), strict=True))


@pytest.mark.parametrize("name", list(ORDERS))
def test_javascript(scene: Scene, told: dict[str, tuple[dict[str, Any], dict[str, Any]]], name: str) -> None:
    """`@cmdotcom/text-sdk` fulfils or rejects its promise as with CM, with the same status and document."""
    ours, cms = told[name]

    expected = REFUSED.get(name, (200, 201 if name == "mixed" else 0))
    assert expected == (ours["status"], ours["body"]["errorCode"])
    assert (name in REFUSED) == ours.get("rejected", False)
    scene.check((ours["status"], ours["body"]), (cms["status"], cms["body"]))
