"""
## What it does
A header edit is lost: the same edit sets and removes the header, or names it twice; or a later rule sets or removes it
for every request that this one applies to.

## Why it is bad
What was written never arrives. Within an edit the order is remove, set, add; rules follow each other.

## Example
```yaml
inspection_rules:
  web:
    - {when: {path: {prefix: /shop}}, response_headers: {set: {Cache-Control: no-store}}}
    - {response_headers: {set: {Cache-Control: max-age=600}}}
```

## Use instead
The general edit first, the special one behind it.
```yaml
inspection_rules:
  web:
    - {response_headers: {set: {Cache-Control: max-age=600}}}
    - {when: {path: {prefix: /shop}}, response_headers: {set: {Cache-Control: no-store}}}
```

## Targets
All.

## References
https://www.rfc-editor.org/rfc/rfc9110#section-5.1
"""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostics import Diagnostic, Location, Severity, rule
from ...plan import EditHeaders, Rule
from .. import Context
from ..walks import Places, Walk, ends_walk


@rule("header-edit-without-effect", Severity.WARNING)
def header_edit_without_effect(context: Context) -> Iterator[Diagnostic]:
    for one, places in context.walks.rules():
        for edit in (action for action in one.actions if isinstance(action, EditHeaders)):
            key = "response_headers" if edit.response else "request_headers"
            sites = list(dict.fromkeys(site.name for walk, _ in places for site in walk.sites))
            for name, again in _within_itself(edit):
                yield header_edit_without_effect.found(
                    f"`{name}` is {again} in the same edit",
                    Location((*one.path, key), of="key"),
                    help=["`set` takes the place of what was there: once is enough"],
                    sites=sites,
                )
            for kind, entries in (("set", edit.set), ("add", edit.add)):
                for name, _ in entries:
                    later = _overwritten(name.lower(), edit.response, places)
                    if later is not None:
                        yield header_edit_without_effect.found(
                            f"this `{name}` is lost: a later rule sets or removes it for the same requests",
                            Location((*one.path, key, kind, name), of="key"),
                            related=[Location((*later.path, key), "this one decides", of="key")],
                            help=["put the general edit first, and the special one behind it"],
                            sites=sites,
                        )


def _within_itself(edit: EditHeaders) -> Iterator[tuple[str, str]]:
    names = [name for name, _ in edit.set]
    for name in names:
        if name.lower() in edit.remove:
            yield name, "set and removed"
        elif [other.lower() for other in names].index(name.lower()) != names.index(name):
            yield name, "set twice"


def _overwritten(name: str, response: bool, places: Places) -> Rule | None:
    """The later rule that sets or removes the header wherever this one stands."""
    found: Rule | None = None
    for walk, index in places:
        found = _overwriting(name, response, walk, index)
        if found is None:
            return None
    return found


def _overwriting(name: str, response: bool, walk: Walk, index: int) -> Rule | None:
    step = walk.steps[index]
    if ends_walk(step.rule):
        return None
    for later in walk.steps[index + 1 :]:
        for action in later.rule.actions:
            if not isinstance(action, EditHeaders) or action.response is not response:
                continue
            replaced = {*(other.lower() for other, _ in action.set), *action.remove}
            if name in replaced and walk.within(step, later):
                return later.rule
        if ends_walk(later.rule) and walk.overlap(step, later):
            return None
    return None
