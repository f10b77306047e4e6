/**
 * The link between two regions is cut while a third one is linked to both: its neighbour's writes go through it.
 *
 * What must hold on any machine is held here: every write once and in order, over the detour and back. The times are
 * bounded generously, since the machine may be busy; `node bench/dist/reroute.js` holds them to what is promised.
 */
import { expect, test } from 'vitest';
import { measureReroute } from '../bench/suites/reroute.js';
import { startCluster } from './support/cluster.js';

const DELAY_MS = 20;
const WRITES = 60;
const VALUE_BYTES = 1_024;

test.each([
  { mode: 'reset', noticedMs: 500 },
  { mode: 'silence', noticedMs: 3_000 },
] as const)(
  'a cut by $mode: writes take the detour, come back after the heal, and hardly any come twice',
  async ({ mode, noticedMs }) => {
    const cluster = await startCluster({ regions: ['a', 'b', 'c'], delayMs: DELAY_MS });
    const { direct, detour, healed, ...report } = await measureReroute({
      cluster,
      mode,
      writes: WRITES,
      everyMs: 20,
    });
    await cluster.untilEqual();

    expect(report.noticedMs).toBeLessThan(noticedMs + 2_000);
    expect(report.resumedMs).toBeLessThan(noticedMs + 4_000);
    expect(direct.p50).toBeGreaterThan(DELAY_MS - 2);
    expect(detour.p50).toBeGreaterThan(2 * DELAY_MS - 2);
    expect(detour.p50).toBeLessThan(2 * DELAY_MS + 200);
    // The bytes tell which way the values came.
    expect(direct.bytesFromA).toBeGreaterThan(WRITES * VALUE_BYTES);
    expect(detour.bytesFromA).toBe(0);
    expect(detour.bytesFromC).toBeGreaterThan(WRITES * VALUE_BYTES);
    expect(healed.bytesFromA).toBeGreaterThan(WRITES * VALUE_BYTES);
    expect(healed.bytesFromC).toBeLessThan(WRITES * VALUE_BYTES * 0.5);
    expect(report.duplicates).toBeLessThan(20);
  },
);
