"""The links of a built site: each must lead to a file that is there, and no page may fetch anything from a network.

`python docs/links.py FOLDER`
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

FETCHED = {("script", "src"), ("img", "src"), ("link", "href"), ("iframe", "src"), ("source", "src")}
FOLLOWED = {("a", "href")}


class Page(HTMLParser):
    """What a page fetches, where it leads, and the anchors that it has."""

    def __init__(self, path: Path):
        super().__init__()
        self.fetched: list[str] = []
        self.followed: list[str] = []
        self.anchors: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "link" and given.get("rel") in ("canonical", "author", "index", "search", "next", "prev"):
            return
        for name, value in given.items():
            if (tag, name) in FETCHED:
                self.fetched.append(value)
            elif (tag, name) in FOLLOWED:
                self.followed.append(value)


def broken(site: Path) -> list[str]:
    """Returns one line per link of a site that leads nowhere or out of it, or is fetched from a network; sorted."""
    root = site.resolve()
    own = (path for path in root.rglob("*.html") if "_static" not in path.parts)  # there lie the theme's templates
    pages = {path: Page(path) for path in own}
    found = []
    for path, page in pages.items():
        here = path.relative_to(root)
        for link in page.fetched:
            if urlsplit(link).scheme in ("http", "https") or link.startswith("//"):
                found.append(f"{here}: fetched from a network: {link}")
        for link in {*page.fetched, *page.followed}:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or not link:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.is_file():
                found.append(f"{here}: nothing is at {link}")
            elif not target.is_relative_to(root):
                found.append(f"{here}: outside of the site: {link}")
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
                found.append(f"{here}: no such place: {link}")
    return sorted(found)


if __name__ == "__main__":
    lines = broken(Path(sys.argv[1]))
    print("\n".join(lines) or "all links lead somewhere")
    sys.exit(bool(lines))
