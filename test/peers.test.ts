/**
 * Systems that the benchmark measures, each started for real, written, read, watched and ended, with every number of places
 * that it is measured with. A peer that is not installed is skipped: `npm run bench -- peers` tells how to get it.
 */
import { until } from '@causeway/cli';
import { expect, onTestFinished, test } from 'vitest';
import { causeway } from '../bench/harness/causeway-targets.js';
import type { Target } from '../bench/harness/target.js';
import { PEERS } from '../bench/peers/index.js';

const KEYS = 20;
const CASES = [
  { kind: causeway, placeCount: 1 },
  { kind: causeway, placeCount: 2 },
  ...PEERS.flatMap((kind) =>
    [...new Set([kind.throughput, kind.lag, kind.heal].map((part) => ('not' in part ? 0 : part.placeCount)))]
      .filter((placeCount) => placeCount > 0)
      .map((placeCount) => ({ kind, placeCount })),
  ),
].map((each) => ({ ...each, id: each.kind.id }));

test.for(CASES)(
  '$id with $placeCount places: what is put at one can be read at another',
  {
    timeout: 240_000,
  },
  async ({ kind, placeCount }, { skip }) => {
    const missing = await kind.missing();
    if (missing !== undefined) skip(missing);
    const target = await kind.start({ placeCount, delayMs: 5 });
    onTestFinished(async () => {
      await target.stop();
      expect(target.pids.some(isRunning), 'a process is left').toBe(false);
    });
    expect(target.placeCount).toBe(placeCount);
    expect(target.pids.every(isRunning)).toBe(true);
    await writeAndRead(target);
  },
);

async function writeAndRead(target: Target): Promise<void> {
  const here = await target.connect(0);
  const there = await target.connect(target.placeCount - 1);
  const seen = new Set<string>();
  const canWatch = there.watch !== undefined;
  await there.watch?.('probe:', (key) => seen.add(key));
  const keys = Array.from({ length: KEYS }, (_, index) => `probe:0:${String(index).padStart(12, '0')}`);
  const valueOf = (key: string) => Uint8Array.from(key, (_, index) => (key.charCodeAt(index) * 7) % 256);
  await here.put('other:key', Uint8Array.of(1));
  await Promise.all(keys.map((key) => here.put(key, valueOf(key))));
  if (canWatch) await until('all keys to be told', () => seen.size >= KEYS);
  for (const key of keys) {
    const value = await until(`${key} to be readable`, () => there.get(key));
    expect(Buffer.from(value)).toEqual(Buffer.from(valueOf(key)));
  }
  if (canWatch) expect([...seen].toSorted()).toEqual(keys);
  // Over the value that is there.
  await here.put(keys[0]!, Uint8Array.of(255, 0, 1));
  await until('the new value', async () => (await there.get(keys[0]!))?.length === 3);
  expect(await there.get('probe:none')).toBeUndefined();
  await Promise.all([here.close(), there.close()]);
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
