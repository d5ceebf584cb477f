"""Product pages a person saved from a browser, HTML or MHTML.

Belongs here: which product a file shows, and its text. Does not: what the text says (`parsers.py`).
"""

from __future__ import annotations

import email
import email.policy
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from parsel import Selector
from w3lib.encoding import html_to_unicode

from coupang_assets.crawling.journal import Answer
from coupang_assets.crawling.parsers import PARSERS_VERSION, parse_page
from coupang_assets.errors import CoupangAssetsError

PAGE_SUFFIXES: Final = (".html", ".htm", ".mhtml", ".mht")

_MAX_BYTES: Final = 32 * 1024 * 1024
_STEM: Final = re.compile(r"[0-9]{1,20}")
_ADDRESS: Final = re.compile(r"/vp/products/([0-9]{1,20})(?![0-9])")
_SAVED_FROM: Final = re.compile(r"<!--\s*saved from url=\(\d+\)(\S{1,2000})")


@dataclass(frozen=True, slots=True)
class SavedPage:
    """One saved page: its product and what it says; the answer's url is "saved: " and the file's name."""

    product_id: str
    answer: Answer


def read_page(path: Path) -> SavedPage:
    """Read a saved page.

    The product is told by the file's name when that is a number, otherwise by the canonical link, `og:url`, or the
    address the browser noted while saving.

    Raises:
        CoupangAssetsError: it is too large, no page, or shows no product.
    """
    size = path.stat().st_size
    if not 0 < size <= _MAX_BYTES:
        raise CoupangAssetsError(f"{path} has {size:,} bytes", f"give pages of 1 to {_MAX_BYTES:,} bytes")
    data = path.read_bytes()
    text, address = _mhtml(path, data) if path.suffix.lower() in {".mhtml", ".mht"} else (_decoded(data), "")
    page = parse_page(text)
    return SavedPage(
        _product_id(path, text, address),
        Answer(
            outcome=page.outcome,
            url=f"saved: {path.name}",
            parser=page.parser,
            parsers_version=PARSERS_VERSION,
            names=page.names,
            alternatives=page.alternatives,
            campaign=page.campaign,
            content_hash=hashlib.sha256(data).hexdigest(),
            error=page.reason,
        ),
    )


def _mhtml(path: Path, data: bytes) -> tuple[str, str]:
    """Text of the page within an MHTML file, and the address it was saved from."""
    message = email.message_from_bytes(data, policy=email.policy.default)
    for part in message.walk():
        if part.get_content_type() == "text/html":
            body = part.get_payload(decode=True)
            if isinstance(body, bytes) and body.strip():
                address = message.get("Snapshot-Content-Location") or part.get("Content-Location") or ""
                return _decoded(body, part.get_content_charset()), str(address)
    raise CoupangAssetsError(f"{path} holds no page: it is no MHTML, or was cut off", "save the page again")


def _decoded(data: bytes, charset: str | None = None) -> str:
    return html_to_unicode(f"text/html; charset={charset}" if charset else None, data)[1]


def _product_id(path: Path, text: str, address: str) -> str:
    if _STEM.fullmatch(path.stem):
        return path.stem
    page = Selector(text=text.encode("utf-8", "replace").decode(), type="html", huge_tree=False)
    saved_from = _SAVED_FROM.search(text[:5_000])
    addresses = [
        page.css("link[rel=canonical]::attr(href)").get(""),
        page.css('meta[property="og:url"]::attr(content)').get(""),
        address,
        saved_from[1] if saved_from else "",
    ]
    for one in addresses:
        if found := _ADDRESS.search(one):
            return found[1]
    raise CoupangAssetsError(f"{path} does not tell its product", "name the file by the product id: 12345678.html")
