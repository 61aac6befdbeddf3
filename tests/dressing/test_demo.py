"""The local page: what it shows, what it answers, and, where gradio is installed, the page itself."""

import asyncio
import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request

import numpy as np
import pytest
from PIL import Image

import cagan_theano
from cagan_theano.dressing import demo, guard
from cagan_theano.weights import child_environment


@pytest.fixture(scope="module")
def model():
    return cagan_theano.load("dress_128x96", backend="jax", device="cpu")


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("me", "shirt", "coat"):
        Image.fromarray(rng.integers(0, 256, (40, 30, 3), dtype=np.uint8)).save(tmp_path / f"{name}.png")
    return tmp_path


def test_each_garment_is_put_on(model, files):
    garments = [files / "shirt.png", files / "coat.png"]
    (before, after), mask, each, _ = demo.dress(model, files, files / "me.png", garments)
    assert {Image.open(path).size for path in (before, after, mask)} == {(30, 40)}
    assert [caption for _, caption in each] == ["shirt", "coat"] and each[0][0] == after
    expected = model.dress(files / "me.png", garments[1])
    np.testing.assert_array_equal(Image.open(each[1][0]), expected.image)


def test_advice_names_the_garments_that_it_is_about(model, files):
    Image.new("RGB", (120, 120), "white").save(files / "plain.png")
    advice = demo.dress(model, files, files / "me.png", [files / "shirt.png", files / "plain.png"])[-1]
    person, article = advice.splitlines()
    assert person.startswith("- the photo of the person is less than")
    assert article.startswith("- shirt: the photo of the article is less than")


ODD = {  # mode -> (what is written, the color of the first pixel in the page)
    "RGBA": (Image.new("RGBA", (30, 40)), (255, 255, 255)),
    "LA": (Image.new("LA", (30, 40)), (255, 255, 255)),
    "I;16": (Image.fromarray(np.full((40, 30), 128 * 257, np.uint16)), (128, 128, 128)),
    "1": (Image.new("1", (30, 40), 1), (255, 255, 255)),
}


@pytest.mark.parametrize("mode", ODD)
def test_photos_of_every_mode_are_shown_as_they_are(model, files, mode):
    image, color = ODD[mode]
    image.save(files / "odd.png")
    (path, _), *_ = demo.dress(model, files, files / "odd.png", [files / "shirt.png"])
    before = Image.open(path)
    assert before.mode == "RGB" and before.getpixel((0, 0)) == color


@pytest.mark.parametrize("human, garments, fault", [
    (None, ["shirt.png"], "Add a photo of a person and at least one garment"),
    ("me.png", [], "Add a photo of a person and at least one garment"),
    ("bad.png", ["shirt.png"], r"bad\.png: not an image of a known format"),
    ("me.png", ["bad.png"], r"bad\.png: not an image of a known format")])  # fmt: skip
def test_missing_and_unreadable_photos_are_told_without_folders(model, files, human, garments, fault):
    (files / "bad.png").write_text("no image")
    with pytest.raises(ValueError, match=f"^{fault}") as caught:
        demo.dress(model, files, human and files / human, [files / name for name in garments])
    assert str(files) not in str(caught.value)


OWN = {"host": "127.0.0.1:7860", "origin": "http://127.0.0.1:7860", "sec-fetch-site": "same-origin"}
SENT = OWN | {"content-length": "1000"}
REFUSED = {
    "another name": ("GET", "/", OWN | {"host": "evil.example:7860"}, 403),
    "no name": ("GET", "/", {}, 403),
    "a name that begins like ours": ("GET", "/", {"host": "127.0.0.1.evil.example"}, 403),
    "another origin": ("POST", guard.UPLOAD, SENT | {"origin": "http://evil.example"}, 403),
    "another port": ("POST", guard.UPLOAD, SENT | {"origin": "http://127.0.0.1:8888"}, 403),
    "no origin": ("POST", guard.UPLOAD, SENT | {"origin": "null"}, 403),
    "another site": ("GET", "/config", {"host": "localhost", "sec-fetch-site": "cross-site"}, 403),
    "a form of another site": (
        "POST", guard.UPLOAD, {**SENT, "sec-fetch-site": "same-site", "sec-fetch-mode": "navigate"}, 403),
    "an address": ("GET", "/gradio_api/file=http://evil.example/a.png", OWN, 403),
    "a proxy": ("GET", "/gradio_api/proxy=evil.hf.space", OWN, 403),
    "another function": ("POST", "/gradio_api/run/swap", SENT, 405),
    "another method": ("DELETE", guard.UPLOAD, SENT, 405),
    "no length": ("POST", guard.UPLOAD, OWN, 411),
    "chunks": ("POST", guard.UPLOAD, SENT | {"transfer-encoding": "chunked"}, 411),
    "too long": ("POST", guard.UPLOAD, SENT | {"content-length": str(guard.MAX_UPLOAD + 1)}, 413),
    "a long question": ("POST", guard.JOIN, SENT | {"content-length": "2000000"}, 413),
    "more than there is room for": ("POST", guard.UPLOAD, SENT | {"content-length": "1000001"}, 507),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_the_page_answers_only_itself(case):
    method, path, headers, status = REFUSED[case]
    refusal = guard.refuse(method, path, headers, 1_000_000)
    assert refusal is not None and refusal[0] == status


def test_the_page_answers_itself():
    link = {"host": "localhost:7860", "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    own = [("GET", "/", link), ("GET", "/config", OWN), ("GET", "/", {"host": "localhost"})]
    for request in [*own, *(("POST", path, SENT) for path in (*guard.POSTS, guard.EXAMPLES))]:
        assert guard.refuse(*request, 1_000_000) is None


def test_uploads_under_way_count_as_stored(tmp_path, monkeypatch):
    monkeypatch.setattr(guard, "MAX_FOLDER", 3_000_000)
    (tmp_path / "photo").write_bytes(bytes(1_000_000))
    headers = [(name.encode(), value.encode()) for name, value in SENT.items()]
    headers[-1] = (b"content-length", b"1500000")
    scope = {"type": "http", "method": "POST", "path": guard.UPLOAD, "headers": headers}
    statuses = []

    async def send(message):
        if message["type"] == "http.response.start":
            assert (b"content-security-policy", guard.POLICY.encode()) in message["headers"]
            statuses.append(message["status"])

    async def app(scope, receive, answer):
        if not statuses:
            await guarded(scope, receive, send)  # a second one, while the first is being received
        await answer({"type": "http.response.start", "status": 200, "headers": []})

    guarded = guard.Guard(app, tmp_path)
    asyncio.run(guarded(scope, None, send))
    asyncio.run(guarded(scope, None, send))
    assert statuses == [507, 200, 200]


def test_websockets_are_closed(tmp_path):
    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(guard.Guard(None, tmp_path)({"type": "websocket"}, None, send))
    assert sent == [{"type": "websocket.close"}]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_the_folder_goes_when_the_page_is_stopped(number, tmp_path):
    """Also if the signal comes twice, as from a terminal and its shell."""
    code = """if True:
        import signal, sys, time
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
        from cagan_theano.dressing import demo
        from cagan_theano.io.command import main
        demo.weights.load_model = demo.import_gradio = lambda *_: None
        demo.provenance.note = lambda *_: ""
        def serve(gradio, model, folder, *_):
            for k in range(2000):
                (folder / f"{k}").touch()
            print("open", flush=True)
            time.sleep(60)
        demo.serve = serve
        main(demo.command, [])
    """
    environment = child_environment() | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout.readline() == b"open\n"
        assert len(list(tmp_path.glob("cagan_demo_*/*"))) == 2000
        process.send_signal(number)
        process.send_signal(number)
        assert process.wait(30) == 128 + number
    assert not list(tmp_path.iterdir())


def test_the_page_itself(tmp_path):
    """Upload a cutout over HTTP, dress it, stop the page; with a proxy in the environment."""
    pytest.importorskip("gradio", reason="needs gradio: pip install '.[demo]'")
    rgba = np.zeros((40, 30, 4), np.uint8)
    rgba[10:30, 10:20] = 200, 60, 60, 255
    Image.fromarray(rgba).save(tmp_path / "cut.png")
    folder = tmp_path / "temporary"
    folder.mkdir()
    nowhere = "http://127.0.0.1:9"
    environment = child_environment() | {"TMPDIR": str(folder), "HTTP_PROXY": nowhere, "http_proxy": nowhere}
    command = [sys.executable, "-m", "cagan_theano", "demo"]
    command += ["--checkpoint", "dress_128x96", "--device", "cpu"]
    open_url = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as process:
        try:
            address = process.stdout.readline().split()[1].rstrip("/")

            def post(path, content, kind="application/json"):
                request = urllib.request.Request(address + path, content, {"content-type": kind})
                return json.load(open_url(request, timeout=60))

            def upload(name, content):
                head = f'--edge\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'
                body = head.encode() + content + b"\r\n--edge--\r\n"
                (path,) = post(guard.UPLOAD, body, "multipart/form-data; boundary=edge")
                return {"path": path, "orig_name": name, "meta": {"_type": "gradio.FileData"}}

            config = json.load(open_url(f"{address}/config"))
            (swap,) = (each["id"] for each in config["dependencies"] if len(each["outputs"]) == 4)

            def dress(human, garment, session):
                data = [human, [{"image": garment, "caption": None}], None]
                question = {"data": data, "fn_index": swap, "session_hash": session}
                post(guard.JOIN, json.dumps(question).encode())
                for line in open_url(f"{address}/gradio_api/queue/data?session_hash={session}", timeout=60):
                    if b"process_completed" in line:
                        return json.loads(line.removeprefix(b"data:"))["output"]

            question = json.dumps({"data": [0], "session_hash": "e"}).encode()
            (example,) = post(guard.EXAMPLES, question)["data"]
            assert "person_1.png" in str(example)
            cut, bad = upload("cut.png", (tmp_path / "cut.png").read_bytes()), upload("bad.png", b"no image")
            before, _ = dress(cut, cut, "a")["data"][0]
            shown = Image.open(open_url(before["url"]))
            assert shown.getpixel((0, 0)) == (255, 255, 255) and shown.getpixel((15, 20)) == (200, 60, 60)
            assert dress(bad, cut, "b")["error"].startswith("bad.png: not an image of a known format")
            remote = cut | {"path": "http://photos.invalid/a.png"}
            assert "addresses are not opened" in dress(remote, cut, "c")["error"]
            foreign = urllib.request.Request(address, headers={"Host": "evil.example"})
            with pytest.raises(urllib.error.HTTPError, match="403"):
                open_url(foreign)
            assert list(folder.iterdir())
        finally:
            process.terminate()
        assert process.wait(60) == 128 + signal.SIGTERM
    assert not list(folder.iterdir())
