"""Copying a file while hashing it: one pass over the bytes, whatever their number."""

from __future__ import annotations

import errno
import os
import stat
import threading
from array import array

from pannier.core.digest import LEGACY, MD5
from pannier.core.hashes import md5
from pannier.core.typed import TypeAlias
from pannier.disk import faults, fsio
from pannier.disk.anchor import Anchor, folder_of_prefixes
from pannier.disk.hashing import CHUNK, OnBytes, digest_of_fd, looks_like_text
from pannier.disk.link import CANNOT, clone_fd

WHOLE_MAX = 4 << 20
"""Up to so many bytes are read with one call, and hashed by the thread that reads them."""

_PIECE = CHUNK // 2
"""What one thread reads and another hashes: half a megabyte stays in the caches of most machines,
and took a tenth less time than a whole one where this was measured."""
_BUFFERS = 8
OBJECT_MODE = 0o444
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK

BIG = -1
"""The code of a file that is too big for a batch: it is worth threads of its own."""

_AGAIN = -2

Item: TypeAlias = tuple[str, str, str]
"""(source, target that does not exist, expected md5 hex or "")."""

Odd: TypeAlias = tuple[int, str, str]
"""(index, md5 hex where it is not the expected one, path that an error is about)."""

Copies: TypeAlias = tuple[bytes, bytes, list[Odd]]
"""(errno, 0 or BIG each, as an array of "i"; sizes in bytes, as an array of "q"; odd ones)."""

Copied: TypeAlias = tuple[str, int, int, str]
"""(md5 hex, size in bytes, errno or 0, path that the error is about)."""


def copy_hashing(
    source: int,
    target: int,
    size: int,
    target_path: str,
    algorithm: str = MD5,
    clone: bool = False,
    on_bytes: OnBytes | None = None,
) -> bytes:
    """Copies an open file into another, both at their start; returns the digest (16 bytes).

    The digest is of the bytes that were written. size: what fstat said of the source. clone: share
    blocks where the file system can (then the clone is read and hashed), else copy. target_path:
    for the crash points and messages only. on_bytes: told of every chunk of a big file; of a small
    one nothing, it costs more than it tells.
    """
    if clone:
        try:
            faults.point("clone", target_path)
            clone_fd(source, target)
        except OSError:
            pass  # this file system cannot: copy
        else:
            return digest_of_fd(target, size, algorithm)[0]
    if size <= WHOLE_MAX:
        data = os.read(source, size + 1)
        if len(data) == size:
            if data:
                fsio.write_all(target, data, target_path)
            return _Hasher(algorithm).update(data).digest()
        os.lseek(source, 0, os.SEEK_SET)
    return _copy_big(source, target, target_path, algorithm, on_bytes)


class _Hasher:
    def __init__(self, algorithm: str) -> None:
        self._md5 = md5()
        self._legacy = algorithm == LEGACY

    def update(self, data: bytes | memoryview) -> _Hasher:
        """data: whole chunks of CHUNK bytes, the last one shorter (the legacy rule needs them)."""
        if self._legacy:
            for start in range(0, len(data), CHUNK):
                chunk = bytes(data[start : start + CHUNK])
                text = looks_like_text(chunk)
                self._md5.update(chunk.replace(b"\r\n", b"\n") if text else chunk)
        else:
            self._md5.update(data)
        return self

    def digest(self) -> bytes:
        return self._md5.digest()


def _copy_big(
    source: int, target: int, target_path: str, algorithm: str, on_bytes: OnBytes | None
) -> bytes:
    """Reads and writes here while another thread hashes: costs the slower of the two, not the sum.

    _BUFFERS chunks are in flight, so memory stays bounded.
    """
    hasher = _Hasher(algorithm)
    from queue import SimpleQueue  # few files are so big

    full: SimpleQueue[memoryview | None] = SimpleQueue()
    free: SimpleQueue[memoryview] = SimpleQueue()
    for _ in range(_BUFFERS):
        free.put(memoryview(bytearray(CHUNK if algorithm == LEGACY else _PIECE)))

    def consume() -> None:
        while (filled := full.get()) is not None:
            hasher.update(filled)
            free.put(memoryview(filled.obj))

    thread = threading.Thread(target=consume)
    thread.start()
    try:
        while True:
            buffer = free.get()
            count = _fill(source, buffer)
            if not count:
                break
            fsio.write_all(target, buffer[:count], target_path)
            full.put(buffer[:count])
            if on_bytes is not None:
                on_bytes(count)
    finally:
        full.put(None)
        thread.join()
    return hasher.digest()


def _fill(fd: int, buffer: memoryview) -> int:
    """Reads until the buffer is full or the file ends: chunk borders count in the legacy digest."""
    total = 0
    while total < len(buffer) and (count := os.readv(fd, [buffer[total:]])):
        total += count
    return total


def second_name(source: str, target: str) -> None:
    """Makes a file's bytes last under a second path: by one more name, which copies nothing.

    A copy, flushed, where the file cannot have one (another file system), or is a link itself.
    """
    if not os.path.islink(source):
        try:
            fsio.link(source, target)
            return
        except OSError as error:
            if error.errno not in CANNOT:
                raise
    fd = os.open(source, _READ)
    try:
        found = os.fstat(fd)
        out = fsio.create_new(target, 0o600)
        try:
            copy_hashing(fd, out, found.st_size, target, clone=True)
            fsio.fchmod(out, stat.S_IMODE(found.st_mode))
            fsio.sync_fd(out, target)
        finally:
            os.close(out)
    finally:
        os.close(fd)


def copy_batch(batch: list[Item], mode: int) -> Copies:
    """Copies small files; what they hold is hashed on the way.

    mode: of the targets. Bytes whose digest is not the expected one get no file. Takes and returns
    only what marshal knows: `pool` runs it in its workers.
    """
    if faults.traced or not batch:
        return _careful_batch(batch, mode)
    codes, sizes, odd = array("i"), array("q"), list[Odd]()
    chmod = None if mode == OBJECT_MODE else False  # None: the first file tells
    try:
        sources = Anchor(folder_of_prefixes(batch[0][0]))
    except OSError:
        return _careful_batch(batch, mode)
    with sources:
        for index, (source, target, expected) in enumerate(batch):
            look = chmod is not False
            code, size, found_md5, made = _copy_plain(
                sources.short(source), sources.fd, target, expected, mode, look
            )
            if code == _AGAIN:
                code, size, found = _copy_carefully(source, target, expected, mode)
                if found != ("", ""):
                    odd.append((index, *found))
            elif found_md5 != expected:
                odd.append((index, found_md5, ""))
            elif chmod is None:
                chmod = made != mode
            codes.append(code)
            sizes.append(size)
    return codes.tobytes(), sizes.tobytes(), odd


def _careful_batch(batch: list[Item], mode: int) -> Copies:
    rows = [_copy_carefully(*item, mode) for item in batch]
    odd = [(index, *found) for index, (_, _, found) in enumerate(rows) if found != ("", "")]
    codes = array("i", [code for code, _, _ in rows])
    return codes.tobytes(), array("q", [size for _, size, _ in rows]).tobytes(), odd


_NOT_PLAIN = (_AGAIN, 0, "", 0)


def _copy_plain(
    source: str, anchor: int, target: str, expected: str, mode: int, look: bool
) -> tuple[int, int, str, int]:
    """The common case in as few system calls as there can be: (0, size, md5, mode of the target).

    _NOT_PLAIN where it is another case; nothing is left of it then. source: below the folder
    anchor. look: at the mode of the target, which the umask may have narrowed.
    """
    try:
        fd = os.open(source, _READ, dir_fd=anchor)
    except OSError:
        return _NOT_PLAIN
    try:
        found = os.fstat(fd)
        size = found.st_size
        if not stat.S_ISREG(found.st_mode) or size > WHOLE_MAX:
            return _NOT_PLAIN
        data = os.read(fd, size + 1)
    except OSError:
        return _NOT_PLAIN
    finally:
        os.close(fd)
    found_md5 = md5(data).hexdigest()
    if len(data) != size or (expected and found_md5 != expected):
        return _NOT_PLAIN
    try:
        out = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    except OSError:
        return _NOT_PLAIN
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(out, view[: fsio.WRITE_MAX]) :]
        whole = True
        made = stat.S_IMODE(os.fstat(out).st_mode) if look else mode
        if made != mode and mode == OBJECT_MODE:
            _try_fchmod(out, mode)
    except OSError:
        whole, made = False, mode
    finally:
        os.close(out)
    if not whole:
        fsio.remove_if_there(target)
        return _NOT_PLAIN
    return 0, size, found_md5, made


def _copy_carefully(
    source: str, target: str, expected: str, mode: int
) -> tuple[int, int, tuple[str, str]]:
    """(code, size, (digest found where it is not the expected one, path of an error))."""
    try:
        if os.stat(source).st_size > WHOLE_MAX:
            return BIG, 0, ("", "")
    except OSError:
        pass  # told when it is opened
    digest, size, code, path = copy_object(source, target, expected, mode)
    return code, size, ("" if digest == expected else digest, path)


def copy_object(
    source: str, target: str, expected: str, mode: int, on_bytes: OnBytes | None = None
) -> Copied:
    """Copies one file of any size. A copy whose digest is not the expected one is removed; its row
    holds the digest found."""
    try:
        fd = os.open(source, _READ)
    except OSError as error:
        return "", 0, error.errno or errno.EIO, source
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            return "", 0, errno.EISDIR, source
        try:
            out = fsio.create_new(target, mode)
        except OSError as error:
            return "", 0, error.errno or errno.EIO, target
        try:
            digest = copy_hashing(fd, out, found.st_size, target, on_bytes=on_bytes).hex()
            made = os.fstat(out)
            if mode == OBJECT_MODE and stat.S_IMODE(made.st_mode) != mode:
                _try_fchmod(out, mode)
        except BaseException:
            fsio.remove_if_there(target)
            raise
        finally:
            os.close(out)
    except OSError as error:
        return "", 0, error.errno or errno.EIO, target
    finally:
        os.close(fd)
    if expected and digest != expected:
        fsio.unlink(target)
    return digest, made.st_size, 0, ""


def _try_fchmod(fd: int, mode: int) -> None:
    """The umask took rights away. File systems without modes (CIFS, vfat) refuse: then so be it."""
    try:
        fsio.fchmod(fd, mode)
    except OSError:
        pass
