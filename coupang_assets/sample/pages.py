"""HTML of the loopback shop, in the forms the real shop has had.

Belongs here: what a page looks like. Does not: which page a product has, or serving it (`shop.py`).

2025: breadcrumb list, JSON-LD with everything after home in an inner array, and the page's data as escaped JSON pushed
in a script, `leafCategoryInfo` among it. Until 2023: an empty placeholder, the breadcrumb fetched separately.
"""

import json
from collections.abc import Sequence
from html import escape

HOME = "쿠팡 홈"
CAMPAIGN_CATEGORY = "510691"

Crumb = tuple[str, str]
"""Category id in the shop's address and name, top first, home not included."""

_SITE = "https://www.coupang.com"
_ARROW = (
    '<svg class="breadcrumb-arrow-icon twc-mx-[4px]" width="12" height="13" viewBox="0 0 12 13" fill="none" '
    'xmlns="http://www.w3.org/2000/svg"><path d="M4.5 2.1L8.8 6.1L4.5 10.9" fill="#AAB5C0"></path></svg>'
)
_ITEM = "twc-flex twc-items-center twc-pb-[16px] twc-pt-[12px]"
_LINK = "hover:twc-text-[#008cff] hover:twc-underline"
_CLICK = '{"hitType":"event", "eventCategory":"breadcrumb", "eventAction":"click", "eventLabel":"", "eventValue":0}'
_NOT_FOUND = "주소가 잘못 입력 되었거나, 판매 종료 또는 중지되어 해당 상품을 찾을 수 없습니다."

NOT_FOUND = "<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head><body>404 Not Found</body></html>\n"
ROBOTS = """User-agent: *
Allow: /vp/products/
Disallow: /np/search
Disallow: /np/products
Disallow: /cartView.pang
Disallow: /login
"""


def product_2025(product_id: str, title: str, shown: Sequence[Crumb], true_path: Sequence[Crumb]) -> str:
    """Product page of the 2025 layout.

    Args:
        product_id: the product.
        title: its name.
        shown: the breadcrumb, a campaign's name above the true top included; empty for a page without one.
        true_path: the path without campaign, which `leafCategoryInfo` carries leaf first.
    """
    name = escape(title)
    product = {"@context": "https://schema.org", "@type": "Product", "sku": product_id, "name": title}
    head = [f'<script type="application/ld+json">{_script_json(product)}</script>']
    crumbs, payload = "", f'"productId":{product_id},"title":{_script_json(title)}'
    if shown:
        head.append(f'<script type="application/ld+json">{_script_json(_json_ld(shown))}</script>')
        crumbs = _breadcrumb_2025(shown)
    if true_path:
        category_id, leaf = true_path[-1]
        info = {
            "categoryId": int(category_id),
            "componentId": None,
            "name": leaf,
            "parentsCategoryNames": [*(parent for _, parent in reversed(true_path[:-1])), "KAN", "HOME"],
        }
        payload += f',"leafCategoryInfo":{_script_json(info)}'
    pushed = _script_json([1, f"5:[{{{payload}}}]\n"])
    return f"""<!DOCTYPE html>
<html lang="ko"><head><meta charset="utf-8"><title>{name} - 쿠팡!</title>
<link rel="canonical" href="{_SITE}/vp/products/{product_id}">
{chr(10).join(head)}
</head><body>
<div class="twc-mx-auto">{crumbs}</div>
<h1 class="product-title"><span>{name}</span></h1>
<script>self.__next_f.push({pushed})</script>
</body></html>
"""


def product_legacy(product_id: str, title: str) -> str:
    """Product page until 2023: its breadcrumb is an empty placeholder filled by a second request."""
    name = escape(title)
    return f"""<!DOCTYPE html>
<html lang="ko"><head><meta charset="utf-8"><title>쿠팡! | {name}</title></head>
<body>
<div id="breadcrumb-wrap" class="breadcrumb-wrap" data-product-id="{product_id}"></div>
<section id="contents" class="prod-atf"><h2 class="prod-buy-header__title">{name}</h2></section>
</body></html>
"""


def breadcrumb_legacy(path: Sequence[Crumb]) -> str:
    """The older layout's separate breadcrumb; of a product without category only home is left."""
    items = []
    for position, (category_id, name) in enumerate(path):
        arrow = "&nbsp;&gt;" if position < len(path) - 1 else ""
        items.append(f"""
		<li>
			<a href="/np/categories/{category_id}" class="breadcrumb-link"
         title="{escape(name)}"
         data-gaclick='{_CLICK}'>
            {escape(name)}
            </a>
			{arrow}
		</li>
	""")
    return f"""<div>
    <ul id="breadcrumb">
	<li><a href="/" class="breadcrumb-link">{HOME}</a> &nbsp;&gt;</li>
	{"".join(items)}
</ul>
</div>
"""


def off_sale() -> str:
    """What both layouts show for a product that is no longer sold."""
    return f"""<!DOCTYPE html>
<html lang="ko"><head><meta charset="utf-8"><title>쿠팡!</title></head><body>
<div class="prod-not-find-unknown">
<strong class="prod-not-find-unknown__title">상품을 찾을 수 없습니다.</strong>
<a class="prod-not-find-unknown__p" href="/">{_NOT_FOUND}</a>
</div></body></html>
"""


def refusal(path: str) -> str:
    """The short page of the shop's outer gate, served with status 403."""
    address = "".join(
        f"&#{ord(sign)};" if sign in ":/.?" else escape(sign) for sign in f"http://www.coupang.com{path}?"
    )
    return f"""<HTML><HEAD>
<TITLE>Access Denied</TITLE>
</HEAD><BODY>
<H1>Access Denied</H1>
 
You don't have permission to access "{address}" on this server.<P>
Reference&#32;&#35;18&#46;cb3a6f3d&#46;1781513731&#46;6cde5df1
<P>https&#58;&#47;&#47;errors&#46;edgesuite&#46;net&#47;18&#46;cb3a6f3d&#46;1781513731&#46;6cde5df1</P>
</BODY>
</HTML>
"""


def _breadcrumb_2025(shown: Sequence[Crumb]) -> str:
    items = [f'<li class="{_ITEM}"><a href="{_SITE}" class="{_LINK}">{HOME}</a>{_ARROW}</li>']
    for position, (category_id, name) in enumerate(shown):
        arrow = _ARROW if position < len(shown) - 1 else ""
        items.append(
            f'<li class="{_ITEM}"><a class="{_LINK}" title="{escape(name)}" '
            f'href="/np/categories/{category_id}?eventCategory=breadcrumb">{escape(name)}</a>{arrow}</li>'
        )
    return f'<ul class="breadcrumb twc-flex twc-items-center twc-text-[12px] twc-flex-wrap">{"".join(items)}</ul>'


def _json_ld(shown: Sequence[Crumb]) -> dict[str, object]:
    home = {"@type": "ListItem", "position": 1, "name": HOME, "item": _SITE}
    rest = [
        {"@type": "ListItem", "position": position, "name": name, "item": f"{_SITE}/np/categories/{category_id}"}
        for position, (category_id, name) in enumerate(shown, start=2)
    ]
    return {"@context": "https://schema.org", "@type": "BreadcrumbList", "itemListElement": [home, rest]}


def _script_json(value: object) -> str:
    """JSON that is safe inside a script element: no `<` can close it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
