"""A local page to drag photos into: cagan demo

It answers this machine alone, loads nothing from the network, sends nothing, and keeps photos only in a
temporary folder that goes when the page is stopped.
"""

import os
import tempfile
from pathlib import Path

import click

from cagan_theano import options, weights
from cagan_theano.dressing.guard import FULL, HOST, MAX_FILE, MAX_FOLDER, Guard, measure_folder
from cagan_theano.dressing.samples import write_samples
from cagan_theano.evaluation import provenance
from cagan_theano.io.command import Command
from cagan_theano.io.image import encode_image
from cagan_theano.io.signals import Signals
from cagan_theano.io.text import one_line
from data_prep.picture import ROOM

SAMPLES = ("people", "shop")
UPLOADS = "uploads"
TITLE = "Dress a photo"
INTRODUCTION = (
    "Drop in a photo of one person on a plain ground, upright, from the head to the hips, and one or more "
    "product photos of upper-body garments. Nothing leaves this machine."
)
CSS = (
    ".gradio-container {max-width: min(1100px, 100vw) !important; min-width: 0 !important; margin: auto} "
    ".gradio-container > .main {min-width: 0; max-width: 100%} footer {display: none !important}"
)


def import_gradio(folder: Path):
    """The module gradio, without telemetry, and with all that it writes in a folder.

    Settings and proxies of the environment are removed from this process: the page needs none, and with a
    proxy gradio does not reach it.  Raises ValueError, with the cure, where gradio is missing.
    """
    for name in list(os.environ):
        if name.startswith("GRADIO_") or name.lower().endswith("_proxy"):
            del os.environ[name]
    os.environ |= {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1"}
    os.environ |= {"GRADIO_TEMP_DIR": str(folder / UPLOADS), "GRADIO_EXAMPLES_CACHE": str(folder)}
    tempfile.tempdir = str(folder)
    try:
        import gradio
    except ModuleNotFoundError as error:
        raise ValueError(f"{error}; install it in the clone with: pip install '.[demo]'") from error
    return gradio


def dress(model, folder: Path, human, garments, worn=None):
    """What the page shows for uploaded files: (before, after), mask, [(image, caption)] and advice.

    folder: for the images, which are returned as paths, so that one at a time is in memory.
    human, worn: paths or None.  garments: paths, the first of which is shown large.
    Raises ValueError for missing and unreadable files, with what to do; it names files without folders.
    """
    if not human or not garments:
        raise ValueError("Add a photo of a person and at least one garment.")
    try:
        dressed = model.dress(human, list(garments), worn)
        folder = Path(tempfile.mkdtemp(dir=folder))

        def write(name, make):
            path = folder / f"{name}.png"
            with ROOM.shared():
                path.write_bytes(encode_image(make()))
            return str(path)

        before = write("before", dressed[0].photos["human"].open)
        mask = write("mask", lambda: dressed[0].render()[1])
        results = [
            (write(number, lambda each=each: each.render()[0]), Path(path).stem)
            for number, (each, path) in enumerate(zip(dressed, garments))
        ]
    except (ValueError, OSError) as error:
        text = str(error)
        for path in filter(None, (human, worn, *garments)):
            text = text.replace(str(path), Path(path).name)
        raise ValueError(one_line(text)) from error
    subjects: dict[str, list] = {}
    for each, (_, caption) in zip(dressed, results):
        for line in each.advice:
            subjects.setdefault(line, []).append(caption)
    advice = "\n".join(
        f"- {line}" if len(of) == len(dressed) else f"- {', '.join(of)}: {line}"
        for line, of in subjects.items()
    )
    return (before, results[0][0]), mask, results, advice


def path_of(file):
    """The path of an uploaded file as gradio describes it, or None."""
    return file.path if file else None


def refuse_addresses(gradio, component):
    """Let a component open no addresses."""
    move = component.async_move_resource_to_block_cache

    async def move_file(path):
        if "://" in str(path):
            raise gradio.Error("Add a file; addresses are not opened.", print_exception=False)
        return await move(path)

    component.async_move_resource_to_block_cache = move_file


def page(gradio, model, folder: Path, note: str):
    """The page as Gradio `Blocks`; folder: has the samples, and gets the photos and results."""

    def swap(human, garments, worn):
        if measure_folder(folder) > MAX_FOLDER:
            raise gradio.Error(FULL, print_exception=False)
        try:
            return dress(model, folder / UPLOADS, human, garments, worn)
        except ValueError as error:
            raise gradio.Error(str(error), print_exception=False) from error

    def enlarge(shown, results, event: gradio.SelectData):
        return shown[0], results[event.index]

    (folder / UPLOADS).mkdir()
    people, articles = (sorted(map(str, (folder / name).iterdir())) for name in SAMPLES)
    upload = {"sources": ["upload", "clipboard"]}
    examples = "or one of these renderings"
    with gradio.Blocks(title=TITLE, analytics_enabled=False) as blocks:
        gradio.Markdown(f"# {TITLE}\n{INTRODUCTION}")
        with gradio.Row():
            with gradio.Column(min_width=300):
                human = gradio.Image(type="filepath", label="Person", height=320, **upload)
                gradio.Examples([[path] for path in people], human, label=examples)
                garments = gradio.Gallery(
                    label="Garments", columns=4, height=200, object_fit="contain", interactive=True, **upload
                )
                gradio.Examples([[[path]] for path in articles], garments, label=examples)
                with gradio.Accordion("A photo of the garment worn (optional)", open=False):
                    worn = gradio.Image(type="filepath", label="Worn", height=200, **upload)
                button = gradio.Button("Dress", variant="primary")
            with gradio.Column(min_width=300, elem_id="result"):
                slider = gradio.ImageSlider(label="Before and after", max_height=520)
                advice = gradio.Markdown()
                each = gradio.Gallery(
                    label="Each garment; select one to compare it above", columns=3, height=280,
                    object_fit="contain", interactive=False,
                )  # fmt: skip
                with gradio.Accordion("Mask: white where painted", open=False):
                    mask = gradio.Image(label="Mask", show_label=False)
        gradio.Markdown(f"<small>{note}</small>")
        # the files as they are: gradio would convert them to RGB and answer unreadable ones itself
        human.preprocess = worn.preprocess = path_of
        garments.preprocess = each.preprocess = lambda files: [
            path_of(getattr(file, "image", None) or file.video) for file in (files.root if files else ())
        ]
        slider.preprocess = lambda files: [path_of(file) for file in files.root]
        for component in (human, garments, worn, slider, each):
            refuse_addresses(gradio, component)
        swapped = button.click(swap, [human, garments, worn], [slider, mask, each, advice])
        swapped.success(None, js="() => document.getElementById('result').scrollIntoView({block: 'nearest'})")
        each.select(enlarge, [slider, each], slider)
    return blocks


def serve(gradio, model, folder: Path, note: str, port=None) -> None:
    """Write the samples, compile the swap and serve the page until it is stopped."""
    from starlette.middleware import Middleware

    write_samples(folder, 4, 6)
    model.dress(*(next((folder / name).iterdir()) for name in SAMPLES))
    blocks = page(gradio, model, folder, note)
    theme = gradio.themes.Default(font=["system-ui", "sans-serif"], font_mono=["monospace"])
    try:
        _, address, _ = blocks.launch(
            server_name=HOST, server_port=port, share=False, quiet=True, show_error=True,
            max_file_size=MAX_FILE, theme=theme, css=CSS, footer_links=[], run_history=False,
            prevent_thread_lock=True, mcp_server=False, ssr_mode=False, enable_monitoring=False,
            app_kwargs={"middleware": [Middleware(Guard, folder=folder)], "openapi_url": None},
        )  # fmt: skip
        click.echo(f"open {address} (Ctrl-C stops it)")
        blocks.block_thread()
    finally:
        blocks.close(verbose=False)


@click.command(cls=Command)
@click.option("--port", type=click.IntRange(1024, 65535), help="Port on this machine.  [default: a free one]")
@options.checkpoint_option("256x192", "dress")
@options.backend_option
@options.device_option
def command(port, checkpoint, backend, device):
    """Open a local page that dresses photos."""
    temporary = tempfile.TemporaryDirectory(prefix="cagan_demo_", ignore_cleanup_errors=True)
    with Signals(last=True), temporary as folder:
        gradio = import_gradio(Path(folder))
        model = weights.load_model(checkpoint, backend, device)
        serve(gradio, model, Path(folder), provenance.note(checkpoint, model), port)
