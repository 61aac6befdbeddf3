"""The persistent compilation cache: JAX's own, in a folder of this package.

The user's cache folder holds one folder for each combination of processor model and versions of this
package, jax and jaxlib, since the entries are machine code.  The folders can be deleted at any time.
Without a folder that is safe to use, one in the temporary folder takes its place.
"""

import contextlib
import functools
import hashlib
import logging
import os
import platform
import stat
import sys
import tempfile
import warnings
from pathlib import Path
from types import ModuleType

VARIABLE = "CAGAN_THEANO_CACHE"  # another cache folder, or "off"; --no-cache sets "off"
MARK = "compiled"  # prefix of the folders' names
SHORTEST = 0.3  # seconds of compilation above which a function is cached
# fields of /proc/cpuinfo that identify a processor, on x86 and on Arm
FIELDS = ("vendor_id", "cpu family", "model", "model name", "stepping", "flags", "Features",
         "CPU implementer", "CPU part", "CPU variant", "CPU revision")  # fmt: skip


def turn_on(jax: ModuleType) -> Path | None:
    """Enable jax's persistent compilation cache; returns its folder, or None if it stays off.

    A folder that the user has configured (JAX_COMPILATION_CACHE_DIR) is left in place, unless the cache
    is off.
    """
    # a damaged entry or a full disk only costs a compilation; the user need not know
    warnings.filterwarnings("ignore", "Error (reading|writing) persistent compilation cache")
    theirs = jax.config.jax_compilation_cache_dir
    if theirs and not is_ours(theirs) and user_folder() is not None:
        return Path(theirs)
    folder = ready_folder(jax)
    if str(folder or "") != (theirs or ""):
        use(jax, folder)
    return folder


def use(jax: ModuleType, folder: Path | None) -> None:
    """Set jax's cache folder (None: no cache); also works after jax has compiled something."""
    from jax.experimental.compilation_cache import compilation_cache

    jax.config.update("jax_compilation_cache_dir", None if folder is None else str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", SHORTEST)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    compilation_cache.reset_cache()


def version_folder(jax: ModuleType) -> Path | None:
    """The cache folder for these versions and this processor; None if the cache is off."""
    import jaxlib

    from cagan_theano import __version__

    root = user_folder()
    name = f"{MARK}-{__version__}-jax-{jax.__version__}-{jaxlib.__version__}-{processor()}"
    return None if root is None else root / name


def is_ours(folder: str) -> bool:
    """Whether `turn_on` chose this folder."""
    return Path(folder).name.startswith(f"{MARK}-")


def user_folder() -> Path | None:
    """This package's folder in the user's cache folder, by platform convention; None if off."""
    wanted = os.environ.get(VARIABLE)
    if wanted:
        return None if wanted == "off" else Path(wanted).absolute()
    home = Path(os.path.expanduser("~"))
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "cagan_theano"
    # the XDG base directory specification: relative paths are ignored
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (base if base.is_absolute() else home / ".cache") / "cagan_theano"


def ready_folder(jax: ModuleType) -> Path | None:
    """The cache folder, created if missing, or one in the temporary folder; None if the cache is off."""
    folder = version_folder(jax)
    found = prepare(folder)
    if folder and not found and os.name == "posix":
        with contextlib.suppress(OSError):
            spare = Path(tempfile.gettempdir()) / f"cagan_theano-{os.geteuid()}"
            found = prepare(spare / folder.name)
            if spare.is_symlink():  # which anybody may make, and change later
                found = None
    return found


def prepare(folder: Path | None) -> Path | None:
    """The folder, created if missing; None unless only this user can write to it.

    Cached code is executed, so no other user may be able to add files or to replace the folder or one
    of its parents.  A warning says why a folder is not used.
    """
    if folder is None or not folder.is_absolute():  # relative: a user without a home
        return None
    try:
        # check both the path as given and the path that its links lead to
        why = create(folder) or create(folder.resolve())
        why = why or ("" if os.access(folder, os.W_OK) else f"{folder} is not writable")
    except (OSError, ValueError, RuntimeError) as error:
        why = getattr(error, "strerror", "") or str(error)
    if not why:
        return folder
    tell(
        f"{folder}: not used as compilation cache: {why}; a temporary one is used until this is fixed or "
        f"{VARIABLE} names another folder"
    )
    return None


def create(folder: Path) -> str:
    """Create a folder and its parents with mode 700; returns why it is unsafe, or ""."""
    for place in (*reversed(folder.parents), folder):
        place.mkdir(0o700, exist_ok=True)
        found = danger(place.stat(), last=place == folder) if os.name == "posix" else ""
        if found:
            return f"{place} {found}"
    return ""


def danger(found: os.stat_result, last: bool) -> str:
    """Why other users could change a file or a folder's contents; "" if only this user and root can.

    last: True for the cache folder itself, whose whole contents must be trustworthy.  False for a parent, of
    which only the next folder matters: with the sticky bit, as on /tmp, only its owner can replace it.
    """
    # in a container with mapped users, root's folders may have another owner: that of /
    owners = {os.geteuid()} if last else {os.geteuid(), 0, os.stat("/").st_uid}
    if found.st_uid not in owners:
        return "belongs to another user"
    if found.st_mode & 0o022 and (last or not found.st_mode & stat.S_ISVTX):
        return "is writable by other users (chmod go-w)"
    return ""


@functools.cache
def tell(text: str) -> None:
    """Log a warning about the cache or the C++ kernels, once per process."""
    logging.getLogger("cagan_theano").warning("%s", " ".join(text.split()))


def processor() -> str:
    """A short digest of the processor's model and instruction sets."""
    values = [platform.machine(), platform.processor()]
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
        first = dict(line.split(":", 1) for line in reversed(lines) if ":" in line)
        values += [value for key, value in sorted(first.items()) if key.strip() in FIELDS]
    return hashlib.sha256("\n".join(values).encode()).hexdigest()[:12]
