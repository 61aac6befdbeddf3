"""Self-contained HTML pages from templates; every inserted value is escaped."""

import base64
from pathlib import Path

import jinja2


def render(template: Path, values: dict, undefined=jinja2.StrictUndefined) -> str:
    """The page of a template file; undefined: jinja2's class for names that `values` lacks."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(template.parent),
        autoescape=True,
        undefined=undefined,
        trim_blocks=True,
    )
    return environment.get_template(template.name).render(values)


def data_uri(content: bytes, kind: str) -> str:
    """The bytes of an image as a data URI; kind: "png" or "webp"."""
    return f"data:image/{kind};base64," + base64.b64encode(content).decode()
