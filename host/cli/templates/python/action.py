"""{{name}}: an action, which changes the world and takes that back. Replace what its calls
do; the rest stays."""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.action_step import Probed
from wit_world.imports import configuration, outcome, plan
from wit_world.imports.files import Folder
from wit_world.imports.types import Certainty, Error, ErrorClass, Value_Text


class ActionStep(exports.ActionStep):
    def check_config(self):
        config()
        return []

    def plan(self):
        plan.line(f"would write {file()} in {config()['folder']}")

    def run(self):
        """May come again with the same key, so it ends the same way when it does."""
        folder = Folder.open(config()["folder"], False)
        folder.write_bytes_at(file(), 0, config()["text"].encode())
        folder.sync(file())
        outcome.output("file", Value_Text(file()))

    def probe(self):
        """Asked of an action that says `repeat: keyed` or `hold: state` only."""
        return Probed.OTHER

    def undo(self):
        Folder.open(config()["folder"], False).remove(file())

    def forget(self, kept):
        raise wrong("keeps-nothing", "this step keeps nothing elsewhere")


def file():
    """Named by the key, which is the same in all attempts of the step, and in its undo."""
    return f"{{name}}-{configuration.key()}.txt"


def config():
    """The step's `config:`."""
    found = json.loads(configuration.step())
    if set(found) != {"folder", "text"}:
        raise wrong("bad-configuration", "the step's config takes `folder` and `text`, and nothing else")
    return found


def wrong(code, message):
    """An error is raised, never returned. `NOT_DONE`: nothing had been changed by then."""
    return Err(Error(ErrorClass.PERMANENT, Certainty.NOT_DONE, code, message, [], None))
