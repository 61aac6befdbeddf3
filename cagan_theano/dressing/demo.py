"""A local page to drag photos into: cagan demo

It listens on this machine alone, loads nothing from the network, sends nothing, and keeps photos only in
a temporary folder that goes when the page is stopped.
"""

import os
import tempfile
from pathlib import Path

import click

from cagan_theano import options, weights
from cagan_theano.dressing.samples import write_samples
from cagan_theano.evaluation import provenance
from cagan_theano.io.command import Command

HOST = "127.0.0.1"
MAX_FILE = "50mb"
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; frame-ancestors 'none'"
)
"""Content-Security-Policy of the page: the browser refuses whatever comes from another host."""

TITLE = "Dress a photo"
INTRODUCTION = (
    "Drop in a photo of one person on a plain ground, upright, from the head to the hips, and one or more "
    "product photos of upper-body garments. Nothing leaves this machine."
)
CSS = (
    ".gradio-container {max-width: min(1100px, 100vw) !important; min-width: 0 !important; margin: auto} "
    ".gradio-container > .main {min-width: 0; max-width: 100%} footer {display: none !important}"
)


def import_gradio():
    """The module gradio, without its telemetry; ValueError, with the cure, where it is missing."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_OFFLINE"] = "1"
    try:
        import gradio
    except ModuleNotFoundError as error:
        raise ValueError(f"{error}; install it in the clone with: pip install '.[demo]'") from error
    return gradio


def dress(model, human, garments, worn=None):
    """What the page shows for uploaded files: (before, after), mask, [(image, caption)] and advice.

    human, worn: paths or None.  garments: paths, the first of which is shown large.
    Raises ValueError for missing and unreadable files, with what to do.
    """
    if not human or not garments:
        raise ValueError("Add a photo of a person and at least one garment.")
    dressed = model.dress(human, list(garments), worn)
    captions = [Path(path).stem for path in garments]
    subjects: dict[str, list] = {}
    for caption, result in zip(captions, dressed):
        for line in result.advice:
            subjects.setdefault(line, []).append(caption)
    advice = "\n".join(
        f"- {line}" if len(of) == len(dressed) else f"- {', '.join(of)}: {line}"
        for line, of in subjects.items()
    )
    before, results = dressed[0].photos["human"].open(), [(d.image, c) for d, c in zip(dressed, captions)]
    return (before, dressed[0].image), dressed[0].mask, results, advice


def page(gradio, model, samples: Path, note: str):
    """The page as Gradio `Blocks`."""

    def swap(human, garments, worn):
        try:
            return dress(model, human, [path for path, _ in garments or []], worn)
        except (ValueError, OSError) as error:
            raise gradio.Error(str(error), print_exception=False) from error

    people, articles = (sorted(map(str, (samples / name).iterdir())) for name in ("people", "shop"))
    upload = {"sources": ["upload", "clipboard"]}
    examples = "or one of these renderings"
    with gradio.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(60, 600)) as blocks:
        gradio.Markdown(f"# {TITLE}\n{INTRODUCTION}")
        with gradio.Row():
            with gradio.Column(min_width=300):
                human = gradio.Image(type="filepath", label="Person", height=320, **upload)
                gradio.Examples([[path] for path in people], human, label=examples)
                garments = gradio.Gallery(
                    label="Garments", columns=4, height=200, object_fit="contain", interactive=True,
                    file_types=["image"], **upload,
                )  # fmt: skip
                gradio.Examples([[[path]] for path in articles], garments, label=examples)
                with gradio.Accordion("A photo of the garment worn (optional)", open=False):
                    worn = gradio.Image(type="filepath", label="Worn", height=200, **upload)
                button = gradio.Button("Dress", variant="primary")
            with gradio.Column(min_width=300):
                png = {"format": "png"}
                slider = gradio.ImageSlider(label="Before and after", type="pil", max_height=520, **png)
                advice = gradio.Markdown()
                each = gradio.Gallery(
                    label="Each garment", columns=3, height=280, object_fit="contain", **png
                )
                with gradio.Accordion("Mask: white where painted", open=False):
                    mask = gradio.Image(label="Mask", type="pil", show_label=False, **png)
        gradio.Markdown(f"<small>{note}</small>")
        button.click(swap, [human, garments, worn], [slider, mask, each, advice], concurrency_limit=4)
    return blocks


class Policy:
    """ASGI middleware that adds the Content-Security-Policy to every response."""

    HEADERS = (b"content-security-policy", POLICY.encode()), (b"referrer-policy", b"no-referrer")

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        async def with_policy(message):
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *self.HEADERS]}
            await send(message)

        await self.app(scope, receive, with_policy if scope["type"] == "http" else send)


def serve(gradio, model, folder: Path, note: str, port=None, wait: bool = True) -> str:
    """Write the samples, compile the swap and serve the page; everything it writes is within a folder.

    Returns the page's address, at once or, with wait, when it is stopped.
    """
    from starlette.middleware import Middleware

    os.environ["GRADIO_TEMP_DIR"] = str(folder / "uploads")
    samples = folder / "samples"
    write_samples(samples, 4, 6)
    model.dress(next((samples / "people").iterdir()), next((samples / "shop").iterdir()))
    blocks = page(gradio, model, samples, note)
    theme = gradio.themes.Default(font=["system-ui", "sans-serif"], font_mono=["monospace"])
    _, address, _ = blocks.launch(
        server_name=HOST, server_port=port, share=False, quiet=True, show_error=True,
        max_file_size=MAX_FILE, theme=theme, css=CSS, footer_links=[], run_history=False,
        prevent_thread_lock=True, mcp_server=False, ssr_mode=False, enable_monitoring=False,
        app_kwargs={"middleware": [Middleware(Policy)], "openapi_url": None},
    )  # fmt: skip
    click.echo(f"open {address} (Ctrl-C stops it)")
    if wait:
        blocks.block_thread()
    return address


@click.command(cls=Command)
@click.option("--port", type=click.IntRange(1024, 65535), help="Port on this machine.  [default: a free one]")
@options.checkpoint_option("256x192", "dress")
@options.backend_option
@options.device_option
def command(port, checkpoint, backend, device):
    """Open a local page that dresses photos."""
    gradio = import_gradio()
    model = weights.load_model(checkpoint, backend, device)
    with tempfile.TemporaryDirectory(prefix="cagan_demo_") as folder:
        serve(gradio, model, Path(folder), provenance.note(checkpoint, model), port)
