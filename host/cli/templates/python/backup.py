"""{{name}}: a backup step, which makes artifacts. Replace what `run` does; the rest stays."""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.backup_step import Report
from wit_world.imports import configuration
from wit_world.imports.artifact import Output, Sensitivity
from wit_world.imports.types import Certainty, Error, ErrorClass


class BackupStep(exports.BackupStep):
    def check_config(self):
        config()
        return []

    def run(self):
        output = Output.create("{{name}}.txt", Sensitivity.PUBLIC)
        # At most 1 MiB in one call.
        output.write(config()["text"].encode())
        output.finish()
        return Report(degraded=False, findings=[])


def config():
    """The step's `config:`."""
    found = json.loads(configuration.step())
    if set(found) != {"text"}:
        raise wrong("the step's config takes `text`, and nothing else")
    return found


def wrong(message):
    """An error is raised, never returned. `NOT_DONE`: nothing had been changed by then."""
    return Err(Error(ErrorClass.PERMANENT, Certainty.NOT_DONE, "bad-configuration", message, [], None))
