// {{name}}: a backup step, which makes artifacts. Replace what `run` does; the rest stays.

import { Output } from 'drydock:plugin/artifact@0.1.0';
import { step } from 'drydock:plugin/configuration@0.1.0';
import { answering, wrong } from './errors.js';

export const backupStep = answering({
  checkConfig() {
    config();
    return [];
  },

  run() {
    const output = Output.create('{{name}}.txt', 'public');
    // At most 1 MiB in one call.
    output.write(new TextEncoder().encode(config().text));
    output.finish();
    return { degraded: false, findings: [] };
  },
});

// The step's `config:`.
function config() {
  const { text, ...others } = JSON.parse(step());
  if (typeof text !== 'string' || Object.keys(others).length > 0) {
    throw wrong('bad-configuration', 'the step\'s config takes `text`, and nothing else');
  }
  return { text };
}
