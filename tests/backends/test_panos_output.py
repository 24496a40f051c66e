"""What is written for the firewall: both forms, names, order, and the vendor's own specifications."""

from __future__ import annotations

import copy
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from loopback.pki import leaf
from lxml import etree
from policyc.backends.panos.lower import certificate_name, object_name

from .panos_lab import Lab, backend, behind, compiled, edge, key_pair, rich, rich_lab

VERSIONS = ("10.0", "10.1", "10.2", "11.2", "12.1")
LOCATIONS = {
    "vsys1": {"vsys": "vsys1"},
    "vsys2": {"vsys": "vsys2"},
    "panorama": {"device_group": "DG one", "template": "T one"},
}
POSITIONS = ("edge", "behind_proxy")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return rich_lab(tmp_path_factory.mktemp("panos"))


# --- reading both forms back ----------------------------------------------------------------------------------

Values = dict[tuple[str, ...], list[str]]
"""Path of an element below the virtual system or device group → its texts and members. An empty element has none."""


def read_xml(data: bytes) -> tuple[Values, dict[str, list[str]]]:
    """The values, and the order of the rules in each rulebase."""
    place = etree.fromstring(data).find("devices/entry/*/entry")
    assert place is not None
    values: Values = {}
    order: dict[str, list[str]] = {}

    def walk(element: Any, path: tuple[str, ...]) -> None:
        for child in element:
            if child.tag == "entry":
                if path[-1] == "rules":
                    order.setdefault(path[-2], []).append(child.get("name"))
                walk(child, (*path, child.get("name")))
            elif child.tag == "member":
                values.setdefault(path, []).append(child.text)
            elif len(child):
                walk(child, (*path, child.tag))
            else:
                values[(*path, child.tag)] = [child.text] if child.text else []

    walk(place, ())
    return values, order


_HEADS = (
    ("tag",),
    ("address",),
    ("service",),
    ("profiles", "custom-url-category"),
    ("profiles", "decryption"),
    ("rulebase", "decryption", "rules"),
    ("rulebase", "security", "rules"),
    ("pre-rulebase", "decryption", "rules"),
    ("pre-rulebase", "security", "rules"),
)
_NO_VALUE = {"ssl-forward-proxy"}


def read_set(data: bytes, place: list[str]) -> tuple[Values, dict[str, list[str]]]:
    """As `read_xml`. Each command must begin with `place`; ``move`` commands are carried out on the rules' order."""
    values: Values = {}
    order: dict[str, list[str]] = {}
    for line in data.decode().splitlines():
        verb, *words = shlex.split(line)
        assert words[: len(place)] == place, line
        words = words[len(place) :]
        if verb == "move":
            *path, name, after, other = words
            assert after == "after"
            rules = order[path[-2]]
            rules.remove(name)
            rules.insert(rules.index(other) + 1, name)
            continue
        assert verb == "set", line
        assert tuple(words[: 3 if "rules" in words[:3] else 2 if words[0] == "profiles" else 1]) in _HEADS, line
        if "rules" in words[:3] and words[3] not in order.setdefault(words[1], []):
            order[words[1]].append(words[3])
        if words[-1] in _NO_VALUE:
            values[tuple(words)] = []
        else:
            values.setdefault(tuple(words[:-1]), []).append(words[-1])
    return values, order


_SET_PLACES = {"vsys1": [], "vsys2": ["vsys", "vsys2"], "panorama": ["device-group", "DG one"]}


@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("location", LOCATIONS)
@pytest.mark.parametrize("version", VERSIONS)
def test_both_forms_say_the_same(lab: Lab, version: str, location: str, position: str) -> None:
    files = compiled(lab.folder, rich(position, version, LOCATIONS[location])).bundle().files
    xml, xml_order = read_xml(files["panos.xml"])
    commands, set_order = read_set(files["panos.set"], _SET_PLACES[location])
    assert xml == commands
    assert xml_order == set_order
    assert {"decryption", "security"} == set(xml_order)
    assert len(xml) > 100


def test_moves_mend_the_order_of_older_rules(lab: Lab) -> None:
    """What a second run must do: rules that are there already stay in their place unless moved."""
    data = compiled(lab.folder, rich("edge")).bundle().files["panos.set"]
    wanted = read_set(data, [])[1]
    lines = data.decode().splitlines()
    backwards = [line for line in reversed(lines) if line.startswith("set")]
    moves = [line for line in lines if line.startswith("move")]
    assert read_set("\n".join(backwards).encode(), [])[1] != wanted
    assert read_set("\n".join(backwards + moves).encode(), [])[1] == wanted


# --- the vendor's specifications ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def check() -> Callable[..., list[str]]:
    """The findings of the checker beside the repository."""
    shared = Path(__file__).resolve().parents[3] / "shared"
    tool, specs = shared / "tools" / "panos_check.py", shared / "data" / "panos-specs"
    if not tool.exists() or not specs.exists():
        pytest.skip("the checker of PAN-OS configurations is not beside the repository")

    def run(path: Path, version: str, certificates: list[str]) -> list[str]:
        known = [f"certificate={name}" for name in certificates]
        known += ["zone=untrust", "zone=guest net", "zone=dmz", "profile-group=Inbound Strict"]
        known += ["log-forwarding=forward all"]
        command = [sys.executable, str(tool), str(path), "--specs", str(specs), "--panos-version", version]
        command += [word for name in known for word in ("--known", name)]
        ran = subprocess.run([*command, "--strict-names"], capture_output=True, text=True, check=False)
        assert ran.returncode in (0, 1), ran.stderr
        assert bool(ran.stdout) == (ran.returncode == 1)
        return ran.stdout.splitlines()

    return run


def _certificates(files: Any) -> list[str]:
    return [Path(path).stem for path in files if path.startswith("certs/")]


@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("location", LOCATIONS)
@pytest.mark.parametrize("version", VERSIONS)
def test_nothing_to_find_for_the_vendors_specifications(
    lab: Lab, tmp_path: Path, check: Callable[..., list[str]], version: str, location: str, position: str
) -> None:
    files = compiled(lab.folder, rich(position, version, LOCATIONS[location])).bundle().files
    path = tmp_path / "panos.xml"
    path.write_bytes(files["panos.xml"])
    assert check(path, version, _certificates(files)) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<action>decrypt</action>", "<action>decipher</action>"),
        ("keyxchg-algo-ecdhe", "keyxchg-algo-ecdh"),
        ("<member>lab_tcp-443</member>", "<member>lab_tcp-444</member>"),
        ("<rulebase>", "<pre-rulebase>"),
        ("<min-version>tls1-2<", "<min-version>1.2<"),
    ],
)
def test_the_checker_finds_what_is_broken(
    lab: Lab, tmp_path: Path, check: Callable[..., list[str]], old: str, new: str
) -> None:
    files = compiled(lab.folder, rich("edge")).bundle().files
    text = files["panos.xml"].decode()
    assert old in text
    broken = text.replace(old, new).replace(f"</{old[1:]}", f"</{new[1:]}")
    path = tmp_path / "panos.xml"
    path.write_text(broken)
    assert check(path, "11.2", _certificates(files))


# --- what is said ---------------------------------------------------------------------------------------------


class Rules:
    """The rules of one rulebase, by name, in order."""

    def __init__(self, data: bytes, kind: str) -> None:
        root = etree.fromstring(data)
        entries = root.findall(f".//{kind}/rules/entry")
        self.entries: dict[str, Any] = {str(entry.get("name")): entry for entry in entries}

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def members(self, name: str, path: str) -> list[str]:
        return [str(member.text) for member in self.entries[name].findall(f"{path}/member")]

    def text(self, name: str, path: str) -> str:
        return str(self.entries[name].findtext(path))


def test_the_weberlab_case_at_the_edge(lab: Lab) -> None:
    """One decryption rule with the public certificate, and a denial above the permission."""
    document = edge()
    document["inspection_rules"] = {
        "public-web": [
            {
                "when": {"path": {"prefix": "/admin"}},
                "unless": {"source": ["10.0.0.0/8", "2001:db8::/32"]},
                "deny": 403,
            }
        ]
    }
    document["sites"]["shop"] |= {"inspect": ["public-web"], "public_addresses": ["198.51.100.10"]}
    done = compiled(lab.folder, document)
    data = done.bundle().files["panos.xml"]
    leaf_digest = done.plan.certificates[0].leaf.sha256[:8]
    decryption, security = Rules(data, "decryption"), Rules(data, "security")
    assert list(decryption) == ["lab_198-51-100-10-443"]
    (name,) = decryption
    assert decryption.members(name, "type/ssl-inbound-inspection/certificates") == [f"lab_shop_{leaf_digest}"]
    assert decryption.members(name, "destination") == ["lab_host-198-51-100-10"]
    assert decryption.text(name, "description") == "policy.yaml: sites.shop"
    assert list(security) == ["lab_shop_public-web-1", "lab_198-51-100-10-443"]
    deny, allow = security
    assert security.text(deny, "action") == "reset-both"
    assert security.text(deny, "negate-source") == "yes"
    assert security.members(deny, "source") == ["lab_net-10-0-0-0-8", "lab_net-2001-db8---32"]
    assert security.members(deny, "category") == ["lab_shop_public-web-1"]
    assert security.text(deny, "description") == "policy.yaml: sites.shop, inspection_rules.public-web[0]"
    urls = etree.fromstring(data).findall(".//custom-url-category/entry/list/member")
    assert [url.text for url in urls] == ["shop.example.com/admin", "shop.example.com/admin/"]
    assert security.text(allow, "action") == "allow"
    assert security.members(allow, "application") == ["ssl", "web-browsing"]


def test_the_inner_leg_has_the_servers_certificate(lab: Lab) -> None:
    done = compiled(lab.folder, behind())
    assert not done.errors()
    bundle = done.bundle()
    decryption = Rules(bundle.files["panos.xml"], "decryption")
    (name,) = decryption
    tls = done.plan.backends[0].tls
    assert tls is not None
    certificate = f"lab_app-internal_{tls.leaves[0].sha256[:8]}"
    assert decryption.members(name, "type/ssl-inbound-inspection/certificates") == [certificate]
    assert decryption.members(name, "source") == ["lab_host-192-0-2-5"]
    assert decryption.members(name, "destination") == ["lab_host-192-0-2-10"]
    assert decryption.members(name, "service") == ["lab_tcp-8443"]
    assert bundle.files[f"certs/{certificate}.pem"].decode() == tls.leaves[0].pem
    assert bundle.keys == ()  # the policy does not know this key


@pytest.mark.parametrize("version", VERSIONS)
def test_one_certificate_as_text_before_10_2(lab: Lab, version: str) -> None:
    entry = next(iter(Rules(_xml(lab, edge(version=version)), "decryption").entries.values()))
    node = entry.find("type/ssl-inbound-inspection")
    if version in ("10.0", "10.1"):
        assert node.text.startswith("lab_shop_")
        assert len(node) == 0
    else:
        assert [member.text[:9] for member in node.findall("certificates/member")] == ["lab_shop_"]


def _xml(lab: Lab, document: dict[str, Any]) -> bytes:
    return compiled(lab.folder, document).bundle().files["panos.xml"]


def test_sites_at_one_address_share_a_rule_and_denials_come_first(lab: Lab) -> None:
    data = _xml(lab, rich("edge"))
    decryption, security = Rules(data, "decryption"), Rules(data, "security")
    shared = decryption.members("lab_203-0-113-1-443", "type/ssl-inbound-inspection/certificates")
    assert [name.split("_")[1] for name in shared] == ["apps", "shop"]
    alone = decryption.members("lab_2001-db8-1--1-443", "type/ssl-inbound-inspection/certificates")
    assert [name.split("_")[1] for name in alone] == ["shop"]
    actions = [security.text(name, "action") for name in security]
    assert actions == sorted(actions, reverse=True)
    assert set(actions) == {"allow", "reset-both"}
    # The site's address is shared, so that even a rule on the source must say whose it is.
    by_source = next(name for name in security if "net-198-51-100-0-24" in "".join(security.members(name, "source")))
    assert security.members(by_source, "category") != ["any"]


def test_backends_on_one_server_share_a_rule(lab: Lab) -> None:
    lab.inner("second")
    document = behind()
    document["backends"]["second"] = backend(
        ["192.0.2.10:8443", "192.0.2.20:8443"], "second", "internal", server_name="second.internal"
    )
    document["sites"]["shop2"] = {**document["sites"]["shop"], "hostnames": ["www.shop.example.com"]}
    document["sites"]["second"] = {
        "hostnames": ["plain.example.com"],
        "public_certificate": "shop",
        "backend": "second",
    }
    decryption = Rules(_xml(lab, document), "decryption")
    certificates = {
        name: [one.split("_")[1] for one in decryption.members(name, "type/ssl-inbound-inspection/certificates")]
        for name in decryption
    }
    assert certificates == {
        "lab_192-0-2-10-8443": ["app-internal", "second-internal"],
        "lab_192-0-2-20-8443": ["second-internal"],
    }
    description = decryption.text("lab_192-0-2-10-8443", "description")
    assert description == "policy.yaml: backends.shop, sites.shop, sites.shop2, backends.second, sites.second"


def test_what_passes_through_stands_above(lab: Lab) -> None:
    data = _xml(lab, rich("edge"))
    decryption, security = Rules(data, "decryption"), Rules(data, "security")
    actions = [decryption.text(name, "action") for name in decryption]
    assert actions == sorted(actions, reverse=True)
    assert set(actions) == {"decrypt", "no-decrypt"}
    # Alone at an address the SNI does not matter; at a shared one it is all there is.
    assert decryption.members("lab_203-0-113-9-443_passthrough", "category") == ["any"]
    assert decryption.members("lab_203-0-113-1-443_passthrough", "category") == ["lab_203-0-113-1-443_passthrough"]
    assert security.members("lab_203-0-113-9-443", "application") == ["ssl"]


def test_plaintext_behind_a_proxy_is_allowed_and_not_decrypted(lab: Lab) -> None:
    data = _xml(lab, rich("behind_proxy"))
    assert "lab_192-0-2-12-8080" not in list(Rules(data, "decryption"))
    assert Rules(data, "security").members("lab_192-0-2-12-8080", "application") == ["web-browsing"]


_SWITCHES = {
    "modern": ("tls1-3", "tls1-3", set[str]()),
    "intermediate": ("tls1-2", "tls1-3", set[str]()),
    "old": (
        "tls1-0",
        "tls1-3",
        {"keyxchg-algo-rsa", "enc-algo-3des", "enc-algo-aes-128-cbc", "enc-algo-aes-256-cbc", "auth-algo-sha1"},
    ),
}
_ALWAYS = {
    "keyxchg-algo-ecdhe",
    "enc-algo-aes-128-gcm",
    "enc-algo-aes-256-gcm",
    "enc-algo-chacha20-poly1305",
    "auth-algo-sha256",
    "auth-algo-sha384",
}


@pytest.mark.parametrize("profile", _SWITCHES)
def test_tls_profiles_as_switches(lab: Lab, profile: str) -> None:
    document = edge()
    document["listeners"]["public"]["tls"] = {"profile": profile}
    settings = etree.fromstring(_xml(lab, document)).find(".//ssl-protocol-settings")
    assert settings is not None
    low, high, more = _SWITCHES[profile]
    values = {str(child.tag): child.text for child in settings}
    assert (values.pop("min-version"), values.pop("max-version")) == (low, high)
    assert {switch for switch, on in values.items() if on == "yes"} == _ALWAYS | more
    assert set(values.values()) <= {"yes", "no"}
    assert len(values) == 14


def test_what_cannot_be_decrypted_is_blocked(lab: Lab) -> None:
    proxy = etree.fromstring(_xml(lab, edge())).find(".//ssl-inbound-proxy")
    assert proxy is not None
    assert {child.text for child in proxy} == {"yes"}
    assert len(proxy) == 5


# --- names ----------------------------------------------------------------------------------------------------


def _named(data: bytes) -> dict[tuple[str, ...], bytes]:
    """Every entry with a name, by its place."""
    place = etree.fromstring(data).find("devices/entry/*/entry")
    assert place is not None
    found: dict[tuple[str, ...], bytes] = {}
    for entry in place.iter("entry"):
        if entry is not place:
            parent = entry.getparent()
            assert parent is not None
            above = parent.getparent()
            assert above is not None
            found[(str(above.tag), str(parent.tag), str(entry.get("name")))] = etree.tostring(entry, method="c14n")
    return found


def test_names_and_rules_stay_when_other_sites_come(lab: Lab) -> None:
    lab.seen("other")
    before = edge()
    before["inspection_rules"] = {"web": [{"when": {"path": {"prefix": "/admin"}}, "deny": 403}]}
    before["sites"]["shop"]["inspect"] = ["web"]
    after = copy.deepcopy(before)
    after["public_certificates"] = {"other": key_pair("other"), **after["public_certificates"]}
    after["backends"] = {"other": backend("192.0.2.99:443", "other"), **after["backends"]}
    after["sites"] = {
        "other": {"hostnames": ["other.example.com"], "public_certificate": "other", "backend": "other"},
        **after["sites"],
    }
    old, new = _named(_xml(lab, before)), _named(_xml(lab, after))
    assert set(old) < set(new)
    changed = {
        key for key in old if re.sub(rb"sites\.\w+(, )?", b"", old[key]) != re.sub(rb"sites\.\w+(, )?", b"", new[key])
    }
    assert changed == set()


def test_a_rule_keeps_its_name_when_a_site_joins_its_address(lab: Lab) -> None:
    before = rich("edge")
    after = copy.deepcopy(before)
    del before["sites"]["apps"]
    assert "lab_203-0-113-1-443" in list(Rules(_xml(lab, before), "decryption"))
    assert "lab_203-0-113-1-443" in list(Rules(_xml(lab, after), "decryption"))


def test_a_renewed_certificate_has_a_new_name(lab: Lab) -> None:
    lab.seen("shop", "shop.example.com", "www.shop.example.com", "plain.example.com")
    first = _named(_xml(lab, edge()))
    lab.seen("shop", "shop.example.com", "www.shop.example.com", "plain.example.com")
    bundle = compiled(lab.folder, edge()).bundle()
    second = _named(bundle.files["panos.xml"])
    assert set(first) == set(second)
    rules = [key for key in first if first[key] != second[key]]
    assert rules == [("decryption", "rules", "lab_192-0-2-10-443")]
    (name,) = _certificates(bundle.files)
    assert f"<member>{name}</member>".encode() in bundle.files["panos.xml"]
    assert [key.path for key in bundle.keys] == [f"certs/{name}.key"]


_PARTS = ["a", "b", "a_b", "b_c", "c", "a-b", "a.b", "shop.example.com", "x" * 40, "x" * 41, "9", "A"]


@pytest.mark.parametrize("limit", [31, 63])
def test_object_names_are_legal_and_never_the_same(limit: int) -> None:
    inputs = [("lab", one) for one in _PARTS] + [("lab", one, two) for one in _PARTS for two in _PARTS]
    names = {parts: object_name(limit, *parts) for parts in inputs}
    assert all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name) and len(name) <= limit for name in names.values())
    assert len(set(names.values())) == len(inputs)
    assert names["lab", "a", "b"] == "lab_a_b"


def test_certificate_names_suit_panorama(lab: Lab) -> None:
    done = compiled(lab.folder, edge())
    names = {
        certificate_name(policy, label, done.plan.certificates[0].leaf)
        for policy, label in (("lab", "shop"), ("l" * 63, "x"), ("lab", "*.example.com"), ("lab", "ü" * 60))
    }
    assert all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,30}", name) for name in names)


# --- the bundle -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("position", POSITIONS)
def test_same_in_same_out_and_no_key_inside(lab: Lab, position: str) -> None:
    one, two = (compiled(lab.folder, rich(position)).bundle() for _ in range(2))
    assert one == two
    assert not any(b"PRIVATE KEY" in data for data in one.files.values())
    assert not any(str(lab.folder).encode() in data for data in one.files.values())
    assert one.executable == {"import-certificates.sh"}


def test_the_chain_goes_into_the_certificates_file(lab: Lab) -> None:
    from loopback.pki import authority

    intermediate = authority("Public CA 2", lab.public)
    lab.put("chained", leaf(["shop.example.com"], intermediate))
    document = edge()
    document["public_certificates"]["shop"] = key_pair("chained")
    document["backends"]["shop"] = backend("192.0.2.10:443", "chained")
    files = compiled(lab.folder, document).bundle().files
    (name,) = _certificates(files)
    assert files[f"certs/{name}.pem"].count(b"BEGIN CERTIFICATE") == 2


def test_descriptions_fit_and_hold_nothing_that_the_command_line_misreads(lab: Lab) -> None:
    document = edge()
    for number in range(60):
        document["sites"][f"{'long-name-' * 5}{number}"] = {
            **document["sites"]["shop"],
            "hostnames": [f"h{number}.apps.example.com"],
            "public_certificate": "apps",
        }
    document["public_certificates"]["apps"] = key_pair("apps")
    path = lab.folder / 'odd "name" of? a\\policy.yaml'
    compiled(lab.folder, document)
    (lab.folder / "policy.yaml").rename(path)
    from policyc.backends.panos import TARGET
    from policyc.compiler.pipeline import compile_for, load

    from .panos_lab import TARGETS

    files = compile_for(load(str(path), TARGETS), TARGET).files  # pyright: ignore[reportArgumentType]
    path.unlink()
    rules = Rules(files["panos.xml"], "decryption")
    description = rules.text(next(iter(rules)), "description")
    assert 900 < len(description) <= 1024
    assert re.search(r"and \d+ more$", description)
    for line in files["panos.set"].decode().splitlines():
        assert not re.search(r"[?\\']", line)
        assert line.count('"') % 2 == 0
    assert read_xml(files["panos.xml"])[0] == read_set(files["panos.set"], [])[0]
