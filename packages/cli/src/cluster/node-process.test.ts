import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { NODE_FLAGS } from './node-process.js';

test('a node that is started by its program has the flags of one that is started by a cluster', () => {
  const [first] = readFileSync(new URL('../../bin/causeway.js', import.meta.url), 'utf8').split('\n');
  expect(first).toBe(`#!/usr/bin/env -S node ${NODE_FLAGS.join(' ')}`);
});
