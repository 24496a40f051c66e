"""``policyc rotate`` on the firewall: it holds both certificates while the servers change."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from policyc.backends.panos import TARGET
from policyc.compiler.certificates import read_certificates
from policyc.compiler.loopback import pki
from policyc.compiler.loopback.pki import leaf
from policyc.compiler.rotation import Order, Rotation, Step

from .lab import Compiled, Lab, backend, behind, certificates, compiled, edge, key_pair
from .rulebase import Rules

CERTIFICATES = "type/ssl-inbound-inspection/certificates"


def renewed(lab: Lab, done: Compiled, new: str, name: str = "shop") -> tuple[Rotation, Order]:
    (found,) = (one for one in done.plan.backends if one.name == name)
    written = done.loaded.policy.backends[name].tls if done.loaded.policy else None
    files = (written.certificate or []) if written else []
    rotation = Rotation(found, read_certificates(str(lab.folder / f"{new}.pem")), f"{new}.pem", tuple(files))
    return rotation, TARGET.rotation(done.plan, done.settings, rotation)


def always(key: ec.EllipticCurvePrivateKey) -> Callable[[ec.EllipticCurve], ec.EllipticCurvePrivateKey]:
    """In place of what makes keys: the same one every time."""
    return lambda _: key


def text(steps: tuple[Step, ...]) -> str:
    return "\n".join(line for step in steps for line in (step.what, *step.how))


def in_between(document: dict[str, Any], *files: str) -> dict[str, Any]:
    document["backends"]["shop"]["tls"]["certificate"] = [f"{file}.pem" for file in files]
    return document


@pytest.mark.parametrize("panorama", [False, True])
def test_behind_a_proxy(lab: Lab, panorama: bool) -> None:
    lab.put("new-app", leaf(["app.internal"], lab.internal, common_name="app.internal"))
    location = {"location": {"device_group": "DG", "template": "T"}} if panorama else {}
    done = compiled(lab.folder, behind(**location))
    rotation, order = renewed(lab, done, "new-app")
    old_name = f"lab_app-internal_{rotation.old[0].sha256[:8]}"
    new_name = f"lab_app-internal_{rotation.new.sha256[:8]}"
    assert [step.what.partition(",")[0] for step in order.before] == [
        "in the policy",
        "import the new one",
        "load and commit: lab_192-0-2-10-8443 then holds both",
    ]
    assert order.before[0].how == ("backends.shop.tls.certificate: [app.pem, new-app.pem]",)
    assert f"--key {new_name}=FILE" in order.before[1].what
    assert order.after[0].how == ("backends.shop.tls.certificate: new-app.pem",)
    place = 'device-group "DG" pre-rulebase' if panorama else "rulebase"
    assert order.after[1].how == (
        f'delete {place} decryption rules "lab_192-0-2-10-8443" type ssl-inbound-inspection certificates {old_name}',
    )
    above = 'template "T" config shared' if panorama else "shared"
    assert order.after[2].how == (f'delete {above} certificate "{old_name}"',)
    # What it says is what is then built: both, and in the end the new one alone, under the name that was told.
    both = compiled(lab.folder, in_between(behind(**location), "app", "new-app"))
    assert not both.errors()
    assert [finding.severity.value for finding in both.of("certificate-rotation")] == ["info"]
    files = both.bundle().files
    held = Rules(files["panos.xml"], "decryption").members("lab_192-0-2-10-8443", CERTIFICATES)
    assert held == sorted([old_name, new_name])
    assert set(certificates(files)) == {old_name, new_name}
    last = compiled(lab.folder, in_between(behind(**location), "new-app"))
    assert Rules(last.bundle().files["panos.xml"], "decryption").members("lab_192-0-2-10-8443", CERTIFICATES) == [
        new_name
    ]
    assert not last.of("certificate-rotation")


def test_at_the_edge(lab: Lab) -> None:
    lab.seen("new-shop", "shop.example.com", "www.shop.example.com")
    rotation, order = renewed(lab, compiled(lab.folder, edge()), "new-shop")
    assert not order.problems
    new_name = f"lab_shop_{rotation.new.sha256[:8]}"
    assert f"--key {new_name}=FILE" in text(order.before)
    assert "public_certificates.shop: {cert: new-shop.pem, key: its key}" in text(order.after)
    both = compiled(lab.folder, in_between(edge(), "shop", "new-shop"))
    assert not both.errors()
    assert both.of("certificate-rotation")
    assert not both.of("backend-certificate-mismatch")
    held = Rules(both.bundle().files["panos.xml"], "decryption").members("lab_192-0-2-10-443", CERTIFICATES)
    assert held == sorted([new_name, f"lab_shop_{rotation.old[0].sha256[:8]}"])
    after = in_between(edge(), "new-shop")
    after["public_certificates"]["shop"] = key_pair("new-shop")
    last = compiled(lab.folder, after)
    assert Rules(last.bundle().files["panos.xml"], "decryption").members("lab_192-0-2-10-443", CERTIFICATES) == [
        new_name
    ]


def test_one_that_visitors_would_refuse_is_no_successor(lab: Lab) -> None:
    lab.seen("strange", "strange.example.com")
    _, order = renewed(lab, compiled(lab.folder, edge()), "strange")
    assert "visitors of `shop` will be shown it, and it does not carry `shop.example.com`" in order.problems
    done = compiled(lab.folder, in_between(edge(), "shop", "strange"))
    (told,) = done.of("backend-certificate-mismatch")
    assert told.severity.value == "warning"
    held = Rules(done.bundle().files["panos.xml"], "decryption").members("lab_192-0-2-10-443", CERTIFICATES)
    assert len(held) == 1


def test_a_renewed_certificate_for_the_same_key_is_a_mismatch_too(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    monkeypatch.setattr(pki.ec, "generate_private_key", always(key))
    lab.seen("same-a", "shop.example.com")
    lab.seen("same-b", "shop.example.com")
    document = edge()
    document["public_certificates"]["shop"] = key_pair("same-a")
    document["backends"]["shop"] = backend("192.0.2.10:443", "same-b", server_name="shop.example.com")
    (told,) = compiled(lab.folder, document).of("backend-certificate-mismatch")
    assert told.severity.value == "error"
    assert any("same key is a mismatch too" in note for note in told.notes)


def test_before_10_2_there_is_no_in_between(lab: Lab) -> None:
    lab.put("new-app", leaf(["app.internal"], lab.internal, common_name="app.internal"))
    _, order = renewed(lab, compiled(lab.folder, behind(version="10.1")), "new-app")
    assert "choose a time at which sessions may end" in order.before[0].what
    assert "at once load and commit" in order.after[0].what
    assert "delete rulebase" not in text(order.after)
    done = compiled(lab.folder, in_between(behind(version="10.1"), "app", "new-app"))
    assert "too-many-certificates" in done.errors()


def test_no_room_for_one_more(lab: Lab) -> None:
    document = behind()
    del document["backends"]["shop"]
    for number in range(12):
        lab.put(f"app{number}", leaf([f"app{number}.internal"], lab.internal))
        document["backends"][f"b{number}"] = backend(
            "192.0.2.10:8443", f"app{number}", "internal", server_name=f"app{number}.internal"
        )
        document["sites"][f"s{number}"] = {
            "hostnames": [f"s{number}.apps.example.com"],
            "public_certificate": "apps",
            "backend": f"b{number}",
        }
    del document["sites"]["shop"], document["public_certificates"]["shop"]
    document["public_certificates"]["apps"] = key_pair("apps")
    lab.put("new-app", leaf(["app0.internal"], lab.internal))
    done = compiled(lab.folder, document)
    assert not done.errors()
    _, order = renewed(lab, done, "new-app", "b0")
    (why,) = order.problems
    assert "holds 12 certificates" in why
    document["targets"]["panos"]["decryption_rules"] = "per_site"
    _, order = renewed(lab, compiled(lab.folder, document), "new-app", "b0")
    assert not order.problems


def test_nothing_to_do_for_what_is_not_decrypted(lab: Lab) -> None:
    document = behind()
    document["sites"]["shop"] = {"hostnames": ["shop.example.com"], "decrypt": False, "backend": "shop"}
    lab.put("new-app", leaf(["app.internal"], lab.internal))
    _, order = renewed(lab, compiled(lab.folder, document), "new-app")
    assert (order.before, order.after) == ((), ())
    assert order.because == "it decrypts no session of this backend"


def test_a_key_that_it_cannot_decrypt_with(lab: Lab) -> None:
    key = ec.generate_private_key(ec.SECP521R1())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pki.ec, "generate_private_key", always(key))
        lab.put("odd", leaf(["app.internal"]))
    _, order = renewed(lab, compiled(lab.folder, behind()), "odd")
    assert order.problems == ("the firewall is not known to decrypt with its key, EC of 521 bits",)
    assert "undecryptable-key" in compiled(lab.folder, in_between(behind(), "odd")).errors()


def test_pins_get_both(lab: Lab) -> None:
    lab.put("new-app", leaf(["app.internal"], lab.internal, common_name="app.internal"))
    document = behind()
    plain = compiled(lab.folder, document)
    tls = plain.plan.backends[0].tls
    assert tls is not None
    document["backends"]["shop"]["tls"]["pins"] = [f"sha256:{tls.leaves[0].sha256}"]
    rotation, order = renewed(lab, compiled(lab.folder, document), "new-app")
    assert order.before[0].how[1] == f"backends.shop.tls.pins: and sha256:{rotation.new.sha256}"
    document["backends"]["shop"]["tls"]["pins"] = [f"sha256:{'0' * 64}"]
    assert "pin-matches-no-certificate" in compiled(lab.folder, document).errors()


def test_the_chain_of_a_backends_file_is_imported(lab: Lab, tmp_path: Path) -> None:
    below = pki.authority("Below", lab.internal)
    lab.put("chained-app", leaf(["app.internal"], below))
    document = in_between(behind(), "chained-app")
    done = compiled(lab.folder, document)
    assert not done.of("backend-chain-unknown")
    files = done.bundle().files
    (name,) = certificates(files)
    assert files[f"certs/{name}.pem"].count(b"BEGIN CERTIFICATE") == 2
    (lab.folder / "chained-app.pem").write_bytes(leaf(["app.internal"], below).pem)
    assert compiled(lab.folder, document).of("backend-chain-unknown")
