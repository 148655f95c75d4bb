// {{name}}: a verify step, which judges artifacts. Replace what `judge` does; the rest stays.

import { step } from 'drydock:plugin/configuration@0.1.0';
import { answering, wrong } from './errors.js';

export const verifyStep = answering({
  checkConfig() {
    config();
    return [];
  },

  // `plain` holds the bytes, to be looked at in pieces of at most 1 MiB. It is undefined when
  // a run is taken up after a crash; the facts were kept.
  judge(facts, plain) {
    const most = config().maxBytes;
    const size = Number(facts.get('artifact.size').val);
    if (size > most) {
      const message = `it has ${size} bytes, more than the ${most} allowed`;
      return { pass: false, findings: [{ level: 'failure', code: 'too-long', message }] };
    }
    const message = `it has ${size} bytes`;
    return { pass: true, findings: [{ level: 'note', code: 'size', message }] };
  },
});

// The step's `config:`.
function config() {
  const { maxBytes, ...others } = JSON.parse(step());
  if (typeof maxBytes !== 'number' || Object.keys(others).length > 0) {
    throw wrong('bad-configuration', 'the step\'s config takes `maxBytes`, and nothing else');
  }
  return { maxBytes };
}
