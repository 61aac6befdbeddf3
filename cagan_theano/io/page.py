"""Self-contained HTML pages, and other texts, from templates."""

import base64
from pathlib import Path

import jinja2


def render(template: Path, values: dict) -> str:
    """The text of a template file, in which HTML escapes every inserted value.

    Raises an error for a name that `values` lacks.
    """
    loader, undefined = jinja2.FileSystemLoader(template.parent), jinja2.StrictUndefined
    escape = template.suffix == ".html"
    environment = jinja2.Environment(loader=loader, undefined=undefined, autoescape=escape, trim_blocks=True)
    return environment.get_template(template.name).render(values)


def data_uri(content: bytes, kind: str) -> str:
    """The bytes of an image as a data URI; kind: "png" or "webp"."""
    return f"data:image/{kind};base64," + base64.b64encode(content).decode()
