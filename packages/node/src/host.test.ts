import type { Send } from '@causeway/replica';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createHost, type NodeHost } from './host.js';
import type { LevelStorage } from './level-storage.js';
import type { PeerLinks } from './peer-links.js';
import type { SessionHub } from './session-hub.js';

const calls: unknown[][] = [];
const record =
  (name: string) =>
  (...given: unknown[]) => {
    calls.push([name, ...given]);
  };
const links = { send: record('send'), dial: record('dial'), close: record('close') };
const hub = { dispatch: (sends: readonly Send[]) => calls.push(['dispatch', sends.length]) };

function host(): NodeHost {
  return createHost(
    {} as unknown as LevelStorage,
    links as unknown as PeerLinks,
    hub as unknown as SessionHub,
    () => undefined,
  );
}

describe('The alarm of a host', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  const ringsAfter = (set: (host: NodeHost, ring: () => void) => void, upToMs = 200_000): number[] => {
    const from = performance.now();
    const rings: number[] = [];
    set(host(), () => rings.push(performance.now() - from));
    vi.advanceTimersByTime(upToMs);
    return rings;
  };
  const inMs = (ms: number) => performance.now() + ms;

  test('rings once, at its time', () => {
    expect(ringsAfter(({ wake }, ring) => wake(inMs(30), ring))).toEqual([30]);
  });

  test('rings at once for a time that has passed', () => {
    expect(ringsAfter(({ wake }, ring) => wake(inMs(-5), ring), 1)).toHaveLength(1);
  });

  test('rings at the time that was set last, when that is earlier', () => {
    const rings = ringsAfter(({ wake }, ring) => {
      wake(inMs(50), ring);
      wake(inMs(20), ring);
    });
    expect(rings).toEqual([20]);
  });

  test('rings at the time that was set last, when that is later', () => {
    const rings = ringsAfter(({ wake }, ring) => {
      wake(inMs(20), ring);
      wake(inMs(50), ring);
    });
    expect(rings).toEqual([50]);
  });

  test('sleeps as long as it is told, also beyond what one timer can', () => {
    expect(ringsAfter(({ wake }, ring) => wake(inMs(150_000), ring))).toEqual([150_000]);
    expect(ringsAfter(({ wake }, ring) => wake(Number.POSITIVE_INFINITY, ring))).toEqual([]);
  });

  test('can be set anew while it rings', () => {
    const rings = ringsAfter(({ wake }, ring) => {
      wake(inMs(10), () => {
        ring();
        wake(inMs(15), ring);
      });
    });
    expect(rings).toEqual([10, 25]);
  });

  test('is silent once the host stops', () => {
    const rings = ringsAfter((made, ring) => {
      made.wake(inMs(10), ring);
      made.stop();
      made.wake(inMs(10), ring);
    });
    expect(rings).toEqual([]);
  });
});

describe('The sends of a host', () => {
  test('go to the links in order, and as a whole to the hub', () => {
    calls.length = 0;

    host().send([
      { type: 'dial', link: 2, address: 'ws://a:1' },
      { type: 'reply', session: 1, request: 1, results: [] },
      { type: 'message', link: 1, message: { type: 'bye' } },
      { type: 'close', link: 1, reason: 'enough' },
    ]);

    expect(calls).toEqual([
      ['dial', 2, 'ws://a:1'],
      ['send', 1, { type: 'bye' }],
      ['close', 1, 'enough'],
      ['dispatch', 4],
    ]);
  });
});
