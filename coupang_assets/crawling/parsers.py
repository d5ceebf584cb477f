"""From the text of a page to category names; pure functions that never raise on any text.

Belongs here: everything known about the shop's markup, 2025 and older, and what is believed when sources disagree.
Does not: requests, decoding of bytes, the journal. Source: specification step 3 (names of depth 1-5, home excluded).

Order of trust: JSON-LD BreadcrumbList, `ul.breadcrumb li a`, `leafCategoryInfo`, `#breadcrumb .breadcrumb-link`.
A breadcrumb can start with a campaign instead of the real top category (쿠팡수입 > 가전디지털 > …). `leafCategoryInfo`
is free of campaigns: when its top name stands in the breadcrumb after the first position, what precedes it is a
campaign and dropped.
"""

from __future__ import annotations

import html
import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from parsel import Selector
from w3lib.html import remove_tags, remove_tags_with_content

from coupang_assets.crawling.outcomes import Outcome

PARSERS_VERSION: Final = 1
"""Raised whenever these parsers find names on pages they found none on before: such pages are then asked for again."""

MAX_LEVELS: Final = 5
MAX_NAME_LENGTH: Final = 200

JSON_LD: Final = "json_ld"
UL_BREADCRUMB: Final = "ul_breadcrumb"
LEAF_CATEGORY_INFO: Final = "leaf_category_info"
LEGACY_BREADCRUMB: Final = "legacy_breadcrumb"

_REFUSING_STATUSES: Final = frozenset({401, 403, 429})
_REFUSAL_MAX_LENGTH: Final = 5_000
_ACCESS_DENIED: Final = re.compile(r"<(title|h1)[^<>]{0,200}>\s*access\s+denied\s*</\1", re.IGNORECASE)

_RAW_NAME_MAX_LENGTH: Final = 20 * MAX_NAME_LENGTH
_LEAF_INFO_KEY: Final = re.compile(r'"leafCategoryInfo"\s*:\s*(?=\{)')
_LEAF_INFO_TRIES: Final = 8
_FLIGHT_PUSH: Final = "__next_f.push("
_LEAF_INFO_ROOTS: Final = frozenset({"KAN", "HOME"})
_HOME_NAMES: Final = frozenset({"쿠팡 홈", "쿠팡홈", "홈", "home"})
_DECODER: Final = json.JSONDecoder(strict=False)


class _Disbelieved(Exception):
    """A source carries something that cannot be a category name, so none of its names is used."""


@dataclass(frozen=True, slots=True)
class ParsedPage:
    """What one page says.

    Attributes:
        outcome: never `Outcome.FAILED` with status 200.
        names: top to leaf, at most `MAX_LEVELS`, home and campaign excluded; empty unless `outcome` is named.
        parser: the source `names` come from.
        alternatives: names by source, for each other source on the page that says something different.
        campaign: the names dropped in front of `names`.
        needs_fragment: the page is of the older layout, whose breadcrumb is a separate request.
        reason: why there are no names.
    """

    outcome: Outcome
    names: tuple[str, ...] = ()
    parser: str | None = None
    alternatives: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    campaign: tuple[str, ...] = ()
    needs_fragment: bool = False
    reason: str | None = None


def parse_page(text: str, status: int = 200) -> ParsedPage:
    """Read a product page, or the breadcrumb fragment of the older layout.

    Args:
        text: the decoded body; any text at all.
        status: the HTTP status it came with; 200 for a saved page.
    """
    if is_refusal(text, status):
        return ParsedPage(Outcome.REFUSED, reason=f"HTTP {status}" if status != 200 else "Access Denied page")
    page = Selector(text=text.encode("utf-8", "replace").decode(), type="html", huge_tree=False)
    if page.css(".prod-not-find-unknown"):
        return ParsedPage(Outcome.OFF_SALE, reason="off sale")
    if status != 200:
        return ParsedPage(Outcome.FAILED, reason=f"HTTP {status}")

    sources = _sources(page)
    if not sources:
        return ParsedPage(
            Outcome.NO_BREADCRUMB, needs_fragment=bool(page.css("#breadcrumb-wrap")), reason="no breadcrumb on the page"
        )
    parser, found = next(iter(sources.items()))
    leaf_path = sources.get(LEAF_CATEGORY_INFO, ())
    campaign, names = split_campaign(found, leaf_path)
    alternatives = {
        other: path[:MAX_LEVELS]
        for other, path in ((other, split_campaign(path, leaf_path)[1]) for other, path in sources.items())
        if path[:MAX_LEVELS] != names[:MAX_LEVELS]
    }
    return ParsedPage(Outcome.NAMED, names[:MAX_LEVELS], parser, alternatives, campaign)


def is_refusal(text: str, status: int = 200) -> bool:
    """Whether the shop declined: by status, or by a short page headed "Access Denied" whatever its status."""
    if status in _REFUSING_STATUSES:
        return True
    return len(text) <= _REFUSAL_MAX_LENGTH and _ACCESS_DENIED.search(text) is not None


def split_campaign(path: tuple[str, ...], leaf_path: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Split a breadcrumb into (campaign, category path); see the module's docstring for the rule."""
    if leaf_path and leaf_path[0] in path:
        top = path.index(leaf_path[0])
        return path[:top], path[top:]
    return (), path


def clean_name(raw: object) -> str:
    """Text of a name: entities decoded, markup and control characters removed, NFC, whitespace collapsed.

    What is no text becomes the empty string. The length is not bounded here.
    """
    if not isinstance(raw, str):
        return ""
    text = html.unescape(raw)
    if "<" in text:
        text = remove_tags(remove_tags_with_content(text, which_ones=("script", "style")))
    visible = "".join(_visible(character) for character in text)
    return " ".join(unicodedata.normalize("NFC", visible).split())


def _visible(character: str) -> str:
    match unicodedata.category(character):
        case "Cc":
            return " "
        # Surrogates cannot be written as UTF-8; format characters make two names differ that look the same.
        case "Cf" | "Cs" | "Co":
            return ""
    return character


def _sources(page: Selector) -> dict[str, tuple[str, ...]]:
    """Paths of names, top to leaf without home, by source in order of trust; sources without names are left out."""
    scripts = page.xpath("//script/text()").getall()
    readers: dict[str, Callable[[], tuple[str, ...]]] = {
        JSON_LD: lambda: _json_ld(page),
        UL_BREADCRUMB: lambda: _links(page.css("ul.breadcrumb li a"), text_first=True),
        LEAF_CATEGORY_INFO: lambda: _leaf_category_info(scripts),
        LEGACY_BREADCRUMB: lambda: _links(page.css("#breadcrumb .breadcrumb-link"), text_first=False),
    }
    found = {}
    for source, read in readers.items():
        try:
            if path := read():
                found[source] = path
        except _Disbelieved:
            continue
    return found


def _path(entries: Iterable[tuple[object, str | None]]) -> tuple[str, ...]:
    """Names of (raw name, link) entries, without a leading home and without empty names."""
    names: list[str] = []
    for position, (raw, link) in enumerate(entries):
        if isinstance(raw, str) and len(raw) > _RAW_NAME_MAX_LENGTH:
            raise _Disbelieved
        name = clean_name(raw)
        if len(name) > MAX_NAME_LENGTH:
            raise _Disbelieved
        if name and not (position == 0 and _is_home(name, link)):
            names.append(name)
    return tuple(names)


def _is_home(name: str, link: str | None) -> bool:
    if name.casefold() in _HOME_NAMES:
        return True
    if not link:
        return False
    try:
        return urlsplit(link.strip()).path in {"", "/"}
    except ValueError:
        return False


def _links(links: Iterable[Selector], *, text_first: bool) -> tuple[str, ...]:
    entries = []
    for link in links:
        text = "".join(link.xpath(".//text()[not(ancestor::script or ancestor::style)]").getall())
        title = link.attrib.get("title", "")
        preferred, other = (text, title) if text_first else (title, text)
        entries.append((preferred if preferred.strip() else other, link.attrib.get("href")))
    return _path(entries)


def _json_ld(page: Selector) -> tuple[str, ...]:
    for script in page.xpath("//script[contains(@type, 'ld+json')]"):
        try:
            document = json.loads("".join(script.xpath("./text()").getall()), strict=False)
        except (ValueError, RecursionError):
            continue
        for breadcrumb in _breadcrumb_lists(document):
            if path := _path(_list_items(breadcrumb.get("itemListElement"))):
                return path
    return ()


def _breadcrumb_lists(document: Any) -> Iterator[dict[str, Any]]:
    pending = [document]
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            kind = node.get("@type")
            if kind == "BreadcrumbList" or (isinstance(kind, list) and "BreadcrumbList" in kind):
                yield node
            else:
                pending.extend(reversed(node.values()))
        elif isinstance(node, list):
            pending.extend(reversed(node))


def _list_items(elements: Any) -> Iterator[tuple[object, str | None]]:
    """(name, link) of ListItems in document order; the shop nests everything after home in an inner array."""
    pending = [elements]
    while pending:
        node = pending.pop()
        if isinstance(node, list):
            pending.extend(reversed(node))
        elif isinstance(node, dict):
            item = node.get("item")
            target = item if isinstance(item, dict) else {"@id": item}
            link = target.get("@id") or target.get("url")
            yield node.get("name") or target.get("name"), link if isinstance(link, str) else None


def _leaf_category_info(scripts: list[str]) -> tuple[str, ...]:
    text = _embedded_text(scripts)
    for match, _ in zip(_LEAF_INFO_KEY.finditer(text), range(_LEAF_INFO_TRIES), strict=False):
        try:
            info, _ = _DECODER.raw_decode(text, match.end())
        except (ValueError, RecursionError):
            continue
        parents = info.get("parentsCategoryNames")
        path = list(_path((name, None) for name in [info.get("name"), *(parents if isinstance(parents, list) else ())]))
        while path and path[-1].upper() in _LEAF_INFO_ROOTS:
            path.pop()
        if path:
            return tuple(reversed(path))
    return ()


def _embedded_text(scripts: list[str]) -> str:
    """The scripts' text with the strings of Next.js flight data (`self.__next_f.push([1, "…"])`) decoded and joined.

    One JSON document of the page is cut over several pushes, anywhere, even inside a key.
    """
    flight: list[str] = []
    plain: list[str] = []
    for script in scripts:
        position = script.find(_FLIGHT_PUSH)
        if position < 0:
            plain.append(script)
        while position >= 0:
            try:
                pushed, end = _DECODER.raw_decode(script, position + len(_FLIGHT_PUSH))
            except (ValueError, RecursionError):
                break
            if isinstance(pushed, list):
                flight.extend(part for part in pushed if isinstance(part, str))
            position = script.find(_FLIGHT_PUSH, end)
    return "\n".join(["".join(flight), *plain])
