"""Keeps objects as plain files in a folder of the node, in Python.

    FOLDER/objects/<key>          finished objects, whole
    FOLDER/uploads/<id>/session   what an open upload is for
    FOLDER/uploads/<id>/data      its bytes so far

The host starts a fresh interpreter for every call, so nothing is kept in variables. An
object appears by a link, which fails where the name is taken; that one call decides
between two uploads of one name. A crash leaves at most an upload's folder, which
`list_sessions` tells of and `abort` removes.
"""

import hashlib
import json
import re

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.store_step import (
    Acknowledgement,
    Checksum,
    ObjectPage,
    ObjectStat,
    PassedOver,
    SessionInfo,
    SessionKeeping_Listed,
    SessionPage,
    StoreLayout,
)
from wit_world.imports import clock, target
from wit_world.imports.artifact import DigestAlgorithm
from wit_world.imports.files import Folder
from wit_world.imports.types import Certainty, Error, ErrorClass, Finding, Level

OBJECTS = "objects/"
UPLOADS = "uploads/"

# A session is at most this long; the contract allows no more.
SESSION_BYTES_MAX = 4096


class StoreStep(exports.StoreStep):
    def check_config(self):
        configured_folder()
        return []

    def check(self):
        free = open_folder().free()
        return [Finding(Level.NOTE, "free-space", f"there is room for {free} bytes")]

    def layout(self):
        return StoreLayout(
            part_min=1,
            part_max=1 << 30,
            parts_max=10_000,
            parallel_max=2,
            equal_parts=False,
            object_max=1 << 26,
            part_checksum=None,
            sessions=SessionKeeping_Listed(),
            retain=False,
        )

    def make_place(self):
        open_folder(create=True)

    def put_object(self, object, bytes, retain_until):
        """An upload of one part, which is listed should it be cut off."""
        if retain_until is not None:
            raise no_locks()
        sha256 = bytes.digest(DigestAlgorithm.SHA256)
        session = self.begin(object, bytes.size(), bytes.size())
        folder, upload = open_folder(), parse(session)
        try:
            folder.write_at(path(upload, "data"), 0, bytes)
            folder.sync(path(upload, "data"))
            return finish(folder, upload, bytes.size(), sha256)
        except Err:
            discard(folder, upload)
            raise

    def begin(self, object, size_max, part_size):
        folder = open_folder()
        # The host refuses a key that would be no path, before anything is written.
        size_of(folder, OBJECTS + object)
        upload = {"id": new_id(object), "object": object}
        session = json.dumps(upload).encode()
        claim = path(upload, "claim")
        folder.write_bytes_at(claim, 0, session)
        folder.sync(claim)
        # Fails where the id is taken, so that no two uploads ever share their bytes.
        folder.publish(claim, path(upload, "session"))
        folder.remove(claim)
        return session

    def put_part(self, session, number, offset, bytes):
        folder, upload = open_folder(), parse(session)
        if size_of(folder, path(upload, "session")) is None:
            raise gone(upload)
        folder.write_at(path(upload, "data"), offset, bytes)
        folder.sync(path(upload, "data"))
        return Acknowledgement(json.dumps([offset, bytes.size()]).encode(), None)

    def complete(self, session, receipts, size, sha256, whole):
        folder, upload = open_folder(), parse(session)
        if not receipts:
            folder.write_bytes_at(path(upload, "data"), 0, b"")
        if not covers([json.loads(part.receipt) for part in receipts], size):
            raise permanent("parts-missing", f"the parts are not {size} bytes in a row")
        return finish(folder, upload, size, sha256)

    def retain(self, object, until):
        raise no_locks()

    def abort(self, session):
        discard(open_folder(), parse(session))

    def list_sessions(self, prefix, cursor):
        folder = open_folder()
        page = folder.list(UPLOADS, cursor)
        if page.passed_over:
            raise Err(page.passed_over[0].why)
        found = []
        for entry in page.entries:
            if entry.path.endswith("/session"):
                session = folder.read_bytes(entry.path, 0, SESSION_BYTES_MAX)
                upload = opened(session)
                if upload is not None and upload["object"].startswith(prefix):
                    found.append(SessionInfo(upload["object"], session))
        return SessionPage(found, page.next)

    def list(self, prefix, cursor):
        page = open_folder().list(OBJECTS + prefix, cursor)
        name = len(OBJECTS)
        stats = [ObjectStat(found.path[name:], found.size, None, None) for found in page.entries]
        passed = [PassedOver(found.path[name:], True, found.why.message) for found in page.passed_over]
        return ObjectPage(stats, passed, page.next)

    def stat(self, object):
        return ObjectStat(object, open_folder().size(OBJECTS + object), None, None)

    def get_range(self, object, offset, length, into):
        open_folder().read_range(OBJECTS + object, offset, length, into)

    def delete(self, object):
        open_folder().remove(OBJECTS + object)


def finish(folder, upload, size, sha256):
    """Compares what came to rest with what was sent, and gives it the object's name."""
    name = OBJECTS + upload["object"]
    done = ObjectStat(upload["object"], size, Checksum(DigestAlgorithm.SHA256, sha256), None)
    if holds(folder, name, size, sha256):
        # An earlier call got further than its answer did.
        discard(folder, upload)
        return done
    if size_of(folder, path(upload, "session")) is None:
        raise gone(upload)
    if not holds(folder, path(upload, "data"), size, sha256):
        message = f"other bytes of {upload['object']} came to rest than were sent"
        raise permanent("corrupt", message)
    folder.publish(path(upload, "data"), name)
    discard(folder, upload)
    return done


def no_locks():
    return permanent("no-retention", "this store locks no objects")


def permanent(code, message):
    return Err(Error(ErrorClass.PERMANENT, Certainty.NOT_DONE, code, message, [], None))


def gone(upload):
    message = f"the upload of {upload['object']} is not there any more: begin it again"
    return permanent("not-found", message)


def configured_folder():
    """The target's only key. A wrong one is named, so that a typo is not passed over."""
    config = json.loads(target.config())
    folder = config.pop("folder", None)
    owner = f"the config of target {target.name()}"
    if config:
        message = f"{owner} has the key `{min(config)}`; it takes only `folder`"
        raise permanent("bad-configuration", message)
    if not isinstance(folder, str) or not folder.startswith("/"):
        message = f"{owner} needs `folder`, an absolute path"
        raise permanent("bad-configuration", message)
    return folder


def open_folder(create=False):
    """Only `make_place` may make a folder that is not there."""
    return Folder.open(configured_folder(), create)


def new_id(object):
    """Of the key and the clocks. The interpreter's own random numbers are those that it
    had when the component was built, the same in every call."""
    seed = f"{object} {clock.now()} {clock.monotonic()}"
    return hashlib.sha256(seed.encode()).hexdigest()[:32]


def parse(session):
    """Sessions come back from the host's journal; the id becomes a path, so it is checked."""
    upload = json.loads(session)
    if not re.fullmatch("[0-9a-f]{32}", upload["id"]):
        raise permanent("bad-session", "this session was not made by this plugin")
    return upload


def opened(session):
    """None for a file that a crash cut short: its session was never handed out."""
    try:
        return parse(session)
    except ValueError:
        return None


def path(upload, name):
    return f"{UPLOADS}{upload['id']}/{name}"


def discard(folder, upload):
    """`session` goes last: what a crash leaves is still listed."""
    folder.remove(path(upload, "claim"))
    folder.remove(path(upload, "data"))
    folder.remove(path(upload, "session"))


def size_of(folder, name):
    try:
        return folder.size(name)
    except Err as error:
        if error.value.code == "not-found":
            return None
        raise


def holds(folder, name, size, sha256):
    return size_of(folder, name) == size and folder.sha256(name) == sha256


def covers(parts, size):
    end = 0
    for offset, length in sorted(parts):
        if offset != end:
            return False
        end += length
    return end == size
