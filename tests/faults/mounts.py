"""Mounts that only one process and its children see: small file systems, read-only folders."""

import ctypes
import os
import traceback

NEW_MOUNTS, NEW_USER = 0x00020000, 0x10000000  # unshare(2)
READ_ONLY, REMOUNT, BIND, PRIVATE, RECURSIVE = 1, 32, 4096, 1 << 18, 16384  # mount(2)


def libc(name, *arguments) -> None:
    """Call a function of the C library; OSError when it fails."""
    library = ctypes.CDLL(None, use_errno=True)
    if getattr(library, name)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)


def mount(source, target, kind, flags, options) -> None:
    """mount(2)."""
    texts = [None if t is None else os.fsencode(t) for t in (source, target, kind, options)]
    libc("mount", texts[0], texts[1], texts[2], ctypes.c_ulong(flags), texts[3])


def tmpfs(path, options) -> None:
    """Mount a file system in memory on a folder, or ("remount,...") change the one that is there."""
    words = options.split(",")
    flags = REMOUNT if "remount" in words else 0
    mount("tmpfs", path, "tmpfs", flags, ",".join(w for w in words if w != "remount"))


def read_only(path) -> None:
    """Make a folder read-only, for the superuser as well."""
    mount(path, path, None, BIND, None)
    mount(None, path, None, BIND | REMOUNT | READ_ONLY, None)


def privately(work):
    """Call work() in a child whose mounts no one else sees.

    Returns None where mounts are not permitted, "" when the work was done, else what was wrong.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        text = "ended early"
        try:
            text = _in_own_mounts(work)
        except BaseException as error:
            traceback.print_exc()
            text = f"{type(error).__name__}: {error}"
        finally:
            os.write(writer, text.encode()[:4000])
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        outcome = pipe.read().decode(errors="replace")
    os.waitpid(child, 0)
    return None if outcome == "not permitted" else outcome


def _in_own_mounts(work) -> str:
    """Call work() after leaving the others' mounts; "not permitted" where that is refused."""
    user, group = os.getuid(), os.getgid()
    try:
        libc("unshare", NEW_MOUNTS | (0 if user == 0 else NEW_USER))
        if user:
            for name, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"),
                               ("gid_map", f"0 {group} 1")):  # fmt: skip
                with open(f"/proc/self/{name}", "w") as file:
                    file.write(text)
        mount(None, "/", None, PRIVATE | RECURSIVE, None)
    except OSError:
        return "not permitted"
    work()
    return ""
