"""Self-contained HTML pages from templates; every inserted value is escaped."""

import base64
from pathlib import Path

import jinja2


def render(template: Path, values: dict) -> str:
    """The page of a template file; an error for a name that `values` lacks."""
    loader, undefined = jinja2.FileSystemLoader(template.parent), jinja2.StrictUndefined
    environment = jinja2.Environment(loader=loader, undefined=undefined, autoescape=True, trim_blocks=True)
    return environment.get_template(template.name).render(values)


def data_uri(content: bytes, kind: str) -> str:
    """The bytes of an image as a data URI; kind: "png" or "webp"."""
    return f"data:image/{kind};base64," + base64.b64encode(content).decode()
