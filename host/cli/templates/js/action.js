// {{name}}: an action, which changes the world and takes that back. Replace what its calls
// do; the rest stays.

import { key, step } from 'drydock:plugin/configuration@0.1.0';
import { Folder } from 'drydock:plugin/files@0.1.0';
import { output } from 'drydock:plugin/outcome@0.1.0';
import { line } from 'drydock:plugin/plan@0.1.0';
import { answering, wrong } from './errors.js';

export const actionStep = answering({
  checkConfig() {
    config();
    return [];
  },

  plan() {
    line(`would write ${file()} in ${config().folder}`);
  },

  // May come again with the same key, so it ends the same way when it does.
  run() {
    const folder = Folder.open(config().folder, false);
    folder.writeBytesAt(file(), 0n, new TextEncoder().encode(config().text));
    folder.sync(file());
    output('file', { tag: 'text', val: file() });
  },

  // Asked of an action that says `repeat: keyed` or `hold: state` only.
  probe() {
    return 'other';
  },

  undo() {
    Folder.open(config().folder, false).remove(file());
  },

  forget() {
    throw wrong('keeps-nothing', 'this step keeps nothing elsewhere');
  },
});

// Named by the key, which is the same in all attempts of the step, and in its undo.
function file() {
  return `{{name}}-${key()}.txt`;
}

// The step's `config:`.
function config() {
  const { folder, text, ...others } = JSON.parse(step());
  if (typeof folder !== 'string' || typeof text !== 'string' || Object.keys(others).length > 0) {
    throw wrong('bad-configuration', 'the step\'s config takes `folder` and `text`, and nothing else');
  }
  return { folder, text };
}
