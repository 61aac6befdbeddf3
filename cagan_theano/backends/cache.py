"""Where compiled functions are kept from one start to the next: JAX's own compilation cache.

One folder in the user's cache folder for each version of this package, of jax and of jaxlib and for
each kind of processor, since what is kept is machine code.  Safe to delete at any time; without a
folder that is ours to write, everything works, and compiles anew at each start.
"""

import contextlib
import functools
import hashlib
import logging
import os
import platform
import stat
import sys
import warnings
from pathlib import Path

VARIABLE = "CAGAN_THEANO_CACHE"  # a folder to use instead, or "off"; --no-cache sets the latter
MARK = "compiled"  # how the names of our folders begin
SHORTEST = 0.3  # seconds of compilation from which on a function is worth a file
# what /proc/cpuinfo says of a processor on x86 and on Arm
FACTS = ("vendor_id", "cpu family", "model", "model name", "stepping", "flags", "Features",
         "CPU implementer", "CPU part", "CPU variant", "CPU revision")  # fmt: skip


def turn_on(jax) -> Path | None:
    """Let jax keep what it compiles; returns the folder, None where there is none.

    Nothing changes where the user has given jax a folder (JAX_COMPILATION_CACHE_DIR).
    """
    theirs = jax.config.jax_compilation_cache_dir
    if theirs and not is_ours(theirs):
        return Path(theirs)
    folder = prepared(version_folder(jax))
    if str(folder or "") != (theirs or ""):
        use(jax, folder)
    return folder


def use(jax, folder: Path | None) -> None:
    """Point jax at a folder, or at none; also after it has compiled something."""
    from jax.experimental.compilation_cache import compilation_cache

    jax.config.update("jax_compilation_cache_dir", None if folder is None else str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", SHORTEST)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    # a damaged entry or a full disk costs the compilation and is no news to the user
    warnings.filterwarnings("ignore", "Error (reading|writing) persistent compilation cache")
    compilation_cache.reset_cache()


def version_folder(jax) -> Path | None:
    """The folder for these versions on this processor; None when switched off."""
    import jaxlib

    from cagan_theano import __version__

    root = user_folder()
    name = f"{MARK}-{__version__}-jax-{jax.__version__}-{jaxlib.__version__}-{processor()}"
    return None if root is None else root / name


def is_ours(folder: str) -> bool:
    """Whether a folder is one that `turn_on` chose."""
    return Path(folder).name.startswith(f"{MARK}-")


def user_folder() -> Path | None:
    """The user's cache folder for this package, by the custom of the system; None: switched off."""
    wanted = os.environ.get(VARIABLE)
    if wanted:
        return None if wanted == "off" else Path(wanted).absolute()
    home = Path(os.path.expanduser("~"))
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "cagan_theano"
    # the XDG base directories: a relative path is to be ignored
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (base if base.is_absolute() else home / ".cache") / "cagan_theano"


def prepared(folder: Path | None) -> Path | None:
    """The folder, made where missing; None unless it is this user's alone to write.

    What is read from there runs: so nobody else may be able to put anything there, nor another folder
    in the place of it or of one above it.  Where somebody could, a line says so.
    """
    if folder is None or not folder.is_absolute():  # a user without a home
        return None
    with contextlib.suppress(OSError, ValueError, RuntimeError):
        # a link's own place counts as much as the one that it leads to
        found = made(folder) or made(folder.resolve())
        if found:
            tell(
                f"{folder}: is not used as compile cache, for {found}; everything is compiled anew "
                f"at each start until that is mended, or {VARIABLE} names another folder"
            )
        elif os.access(folder, os.W_OK):
            return folder
    return None


def made(folder: Path) -> str:
    """Make a folder and those above it where missing, for this user alone; what makes it unsafe, or ""."""
    for place in (*reversed(folder.parents), folder):
        place.mkdir(0o700, exist_ok=True)
        found = danger(place.stat(), last=place == folder) if os.name == "posix" else ""
        if found:
            return f"{place} {found}"
    return ""


def danger(found: os.stat_result, last: bool) -> str:
    """Why others could change what is in a folder (or a file), "" where only this user and root can.

    last: whether all in it is to be trusted; else one entry of it, which in a folder like /tmp (with
    the sticky bit) its owner alone can replace.
    """
    # in a container whose users are mapped, root's folders may belong to someone else: / tells whom
    owners = {os.geteuid()} if last else {os.geteuid(), 0, os.stat("/").st_uid}
    if found.st_uid not in owners:
        return "belongs to another user"
    if found.st_mode & 0o022 and (last or not found.st_mode & stat.S_ISVTX):
        return "may be written by others (chmod go-w)"
    return ""


@functools.cache
def tell(text: str) -> None:
    """Say something about the cache or our kernels, once in a process."""
    logging.getLogger("cagan_theano").warning("%s", " ".join(text.split()))


def processor() -> str:
    """A short digest of the processor's model and its instruction sets."""
    facts = [platform.machine(), platform.processor()]
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
        first = dict(line.split(":", 1) for line in reversed(lines) if ":" in line)
        facts += [value for key, value in sorted(first.items()) if key.strip() in FACTS]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:12]
