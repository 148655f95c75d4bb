"""{{name}}: a verify step, which judges artifacts. Replace what `judge` does; the rest
stays."""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.verify_step import Verdict
from wit_world.imports import configuration
from wit_world.imports.types import Certainty, Error, ErrorClass, Finding, Level


class VerifyStep(exports.VerifyStep):
    def check_config(self):
        config()
        return []

    def judge(self, facts, plain):
        """`plain` holds the bytes, to be looked at in pieces of at most 1 MiB. It is None when
        a run is taken up after a crash; the facts were kept."""
        most = config()["maxBytes"]
        size = facts.get("artifact.size").value
        if size > most:
            told = f"it has {size} bytes, more than the {most} allowed"
            return Verdict(False, [Finding(Level.FAILURE, "too-long", told)])
        return Verdict(True, [Finding(Level.NOTE, "size", f"it has {size} bytes")])


def config():
    """The step's `config:`."""
    found = json.loads(configuration.step())
    if set(found) != {"maxBytes"}:
        raise wrong("the step's config takes `maxBytes`, and nothing else")
    return found


def wrong(message):
    """An error is raised, never returned. `NOT_DONE`: nothing had been changed by then."""
    return Err(Error(ErrorClass.PERMANENT, Certainty.NOT_DONE, "bad-configuration", message, [], None))
