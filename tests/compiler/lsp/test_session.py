"""`policyc lsp` as an editor meets it: a real session with its process."""

from __future__ import annotations

import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from ..conftest import GOOD
from .client import Client

# The server's process finds the installed targets: any of them will do.
TARGET = "haproxy"


@pytest.fixture
def client(tmp_path: Path) -> Generator[Client]:
    """A session in an empty folder, ended as the protocol wants it."""
    session = Client(tmp_path)
    try:
        yield session
        session.close()
    finally:
        session.kill()


@pytest.fixture
def good(certificates: Path) -> str:
    """A policy without findings, for the server's process."""
    return GOOD.replace("CERTS", str(certificates)).replace("example: {", f"{TARGET}: {{")


def rules(findings: list[dict[str, Any]]) -> list[str]:
    """The names of findings."""
    return [finding["code"] for finding in findings]


def test_findings_come_while_typing_and_go_when_mended(client: Client, good: str) -> None:
    assert client.open("policy.yaml", good) == []
    broken = good.replace("backend: app", "backend: ap\n    # 🔥 é").replace(
        "hostnames: [shop.example.com]", 'hostnames: ["shop.example.com", "shop.example.com"]'
    )
    found = client.change("policy.yaml", broken)
    assert rules(found) == ["hostname-claimed-twice", "unknown-name"]
    twice, name = found
    assert client.text_in("policy.yaml", name["range"]) == "ap"
    assert (name["severity"], name["source"]) == (1, "policyc")
    assert "did you mean `app`?" in name["message"]
    related = twice["relatedInformation"][0]
    assert related["message"] == "first here"
    assert client.text_in("policy.yaml", related["location"]["range"]) == '"shop.example.com"'
    half = client.change("policy.yaml", good + "  half")
    assert rules(half) == ["invalid-syntax"]
    assert client.change("policy.yaml", good) == []


def test_only_the_last_of_many_changes_is_looked_at(client: Client, good: str) -> None:
    client.open("policy.yaml", good)
    for number in range(20):
        client.change("policy.yaml", good.replace("backend: app", f"backend: a{number}"), wait=False)
    found = client.change("policy.yaml", good.replace("backend: app", "backend: last"))
    assert "`last`" in found[0]["message"]
    time.sleep(0.3)  # whatever waits for a pause in typing has had it
    client.ask("textDocument/hover", client.at("policy.yaml", "sites"))
    assert client.publications <= 1 + 3  # for what was opened; a slow machine may pause in between


def test_columns_are_counted_as_the_editor_counts(client: Client, good: str) -> None:
    text = good.replace("- when: {path: {prefix: /admin}}", '- {name: "🔥🔥 é", wehn: {path: {prefix: /admin}}}')
    text = text.replace("      unless: {source: [10.0.0.0/8]}\n      deny: 403\n", "")
    found = client.open("policy.yaml", text)
    key = next(one for one in found if one["code"] == "unknown-key")
    assert client.text_in("policy.yaml", key["range"]) == "wehn"
    asked: dict[str, Any] = {"textDocument": {"uri": client.uri("policy.yaml")}, "range": key["range"]}
    asked["context"] = {"diagnostics": [key]}
    fix = client.ask("textDocument/codeAction", asked)[0]
    assert client.edited("policy.yaml", fix["edit"]) == text.replace("wehn", "when")


def test_hover(client: Client, good: str) -> None:
    client.open("policy.yaml", good.replace("inspect: [web]", "inspect: [wbe]"))
    key = client.ask("textDocument/hover", client.at("policy.yaml", "server_name", 3))
    assert "The SNI sent and the name that the certificate must carry" in key["contents"]["value"]
    assert client.text_in("policy.yaml", key["range"]) == "server_name"
    name = client.ask("textDocument/hover", client.at("policy.yaml", "backend: app", 10))
    assert "servers: [192.0.2.10:443]" in name["contents"]["value"]
    wrong = client.ask("textDocument/hover", client.at("policy.yaml", "[wbe]", 2))
    assert "# unknown-name" in wrong["contents"]["value"]
    assert "## Why it is bad" in wrong["contents"]["value"]
    assert client.ask("textDocument/hover", client.at("policy.yaml", "inspection_rules:\n", 18)) is None


def test_definition_and_uses(client: Client, good: str) -> None:
    client.open("policy.yaml", good)
    for used, within, defined in (
        ("backend: app", 9, "app"),
        ("inspect: [web]", 11, "web"),
        ("ca: pki", 4, "pki"),
        ("public_certificate: shop", 22, "shop"),
    ):
        found = client.ask("textDocument/definition", client.at("policy.yaml", used, within))
        assert found["uri"] == client.uri("policy.yaml")
        assert client.text_in("policy.yaml", found["range"]) == defined
        there = {"textDocument": {"uri": found["uri"]}, "position": found["range"]["start"]}
        uses = client.ask("textDocument/references", {**there, "context": {"includeDeclaration": False}})
        assert [client.text_in("policy.yaml", use["range"]) for use in uses] == [defined]
    assert client.ask("textDocument/definition", client.at("policy.yaml", "deny: 403", 7)) is None


def labels(client: Client, text: str) -> list[str]:
    """What is offered where a text has the sign ¦."""
    assert text.count("¦") == 1
    client.change("policy.yaml", text, wait=False)
    asked = client.at("policy.yaml", "¦")
    client.change("policy.yaml", text.replace("¦", ""), wait=False)
    return [item["label"] for item in client.ask("textDocument/completion", asked)["items"]]


def test_completion(client: Client, good: str) -> None:
    client.open("policy.yaml", good)
    assert labels(client, good.replace("backend: app", "backend: ¦")) == ["app"]
    assert labels(client, good.replace("[web]", "[w¦]")) == ["web"]
    assert labels(client, good.replace("{ca: pki,", "{ca: p¦,")) == ["pki", "system"]
    keys = labels(client, good.replace("    backend: app\n", "    backend: app\n    pa¦\n"))
    assert "paths" in keys
    assert "backend" not in keys
    assert labels(client, good.replace("tls: {ca: pki,", "tls: {verify: ¦, ca: pki,")) == ["full", "chain", "none"]
    client.change("policy.yaml", good)


def test_accepted_completion_edits_the_word(client: Client, good: str) -> None:
    client.open("policy.yaml", good)
    text = good.replace("    backend: app\n", "    backend: app\n    pa\n")
    client.change("policy.yaml", text, wait=False)
    items = client.ask("textDocument/completion", client.at("policy.yaml", "    pa\n", 6))["items"]
    item = next(item for item in items if item["label"] == "paths")
    edited = client.edited("policy.yaml", {"changes": {client.uri("policy.yaml"): [item["textEdit"]]}})
    assert edited == good.replace("    backend: app\n", "    backend: app\n    paths: \n")
    assert "Opt-ins" in item["documentation"]["value"]


def actions(client: Client, findings: list[dict[str, Any]]) -> dict[str, str]:
    """What is offered at the first finding: title → the text that it gives."""
    asked = {"textDocument": {"uri": client.uri("policy.yaml")}, "range": findings[0]["range"]}
    answered = client.ask("textDocument/codeAction", {**asked, "context": {"diagnostics": findings}})
    assert all(one["kind"] == "quickfix" and one["diagnostics"] for one in answered)
    return {one["title"]: client.edited("policy.yaml", one["edit"]) for one in answered}


def test_quick_fixes(client: Client, good: str) -> None:
    found = client.open("policy.yaml", good.replace("[web]", "[wbe]  # this"))
    offered = actions(client, found)
    assert offered == {"Replace `wbe` by `web`": good.replace("[web]", "[web]  # this")}
    unused = good.replace("    inspect: [web]\n", "")
    offered = actions(client, client.change("policy.yaml", unused))
    assert list(offered) == [
        "Remove `inspection_rules.web`",
        "Accept `unused-definition` (write the reason into `accept`)",
    ]
    removed, accepted = (client.change("policy.yaml", text) for text in offered.values())
    assert removed == []
    assert rules(accepted) == ["undecided-acceptance"]  # until the reason is written


def test_a_policy_of_several_files(client: Client, good: str, tmp_path: Path) -> None:
    start = good.index("sites:")
    (tmp_path / "a.yaml").write_text(good[:start])
    (tmp_path / "b.yml").write_text(good[start:])
    assert client.open("b.yml", good[start:]) == []
    found = client.ask("textDocument/definition", client.at("b.yml", "backend: app", 10))
    assert found["uri"] == client.uri("a.yaml")
    assert client.text_in("a.yaml", found["range"]) == "app"
    # A finding in a file that is not open is told as well, and goes when the open one is mended.
    client.change("b.yml", good[start:].replace("inspect: [web]", "inspect: []"))
    assert rules(client.findings[client.uri("a.yaml")]) == ["unused-definition"]
    client.change("b.yml", good[start:])
    assert client.findings[client.uri("a.yaml")] == []


def test_what_is_no_policy_is_left_alone(client: Client) -> None:
    text = "services:\n  web: {image: nginx}\nversion: '3'\n"
    assert client.open("compose.yaml", text) == []
    assert client.ask("textDocument/hover", client.at("compose.yaml", "services", 2)) is None
    assert client.ask("textDocument/completion", client.at("compose.yaml", "image", 2))["items"] == []


def test_it_says_what_it_can(client: Client) -> None:
    assert client.capabilities["hoverProvider"]
    assert client.capabilities["definitionProvider"]
    assert client.capabilities["completionProvider"]
    assert client.capabilities["codeActionProvider"]["codeActionKinds"] == ["quickfix"]
