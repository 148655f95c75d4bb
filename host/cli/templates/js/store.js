// {{name}}: a store, which keeps objects. Only its configuration is written; the other calls
// say that they are not. docs/plugins.md has what each has to hold, and a store to copy.

import { config as targetConfig } from 'drydock:plugin/target@0.1.0';
import { answering, wrong } from './errors.js';

export const storeStep = answering({
  checkConfig() {
    config();
    return [];
  },

  check() {
    return [{ level: 'warning', code: 'unwritten', message: 'this store keeps nothing yet' }];
  },

  layout() {
    return {
      partMin: 1n,
      partMax: BigInt(config().partMebibytes) << 20n,
      partsMax: 10_000,
      parallelMax: 4,
      equalParts: false,
      objectMax: BigInt(config().partMebibytes) << 20n,
      partChecksum: undefined,
      sessions: { tag: 'listed' },
      retain: false,
    };
  },

  makePlace() { throw unwritten('make-place'); },
  putObject(object, bytes, retainUntil) { throw unwritten('put-object'); },

  begin(object, sizeMax, partSize) { throw unwritten('begin'); },
  putPart(session, number, offset, bytes) { throw unwritten('put-part'); },
  complete(session, receipts, size, sha256, whole) { throw unwritten('complete'); },
  retain(object, until) { throw unwritten('retain'); },
  abort(session) { throw unwritten('abort'); },
  listSessions(prefix, cursor) { throw unwritten('list-sessions'); },
  list(prefix, cursor) { throw unwritten('list'); },
  stat(object) { throw unwritten('stat'); },
  getRange(object, offset, length, into) { throw unwritten('get-range'); },
  delete(object) { throw unwritten('delete'); },
});

function unwritten(call) {
  return wrong('unwritten', `${call} of this store is not written yet`);
}

// The target's `config:`.
function config() {
  const { partMebibytes, ...others } = JSON.parse(targetConfig());
  if (typeof partMebibytes !== 'number' || Object.keys(others).length > 0) {
    throw wrong('bad-configuration', 'the target\'s config takes `partMebibytes`, and nothing else');
  }
  return { partMebibytes };
}
