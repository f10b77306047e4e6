import { expect, test } from 'vitest';
import { type Random, seededRandom } from './random.js';
import { type Peer, startRig } from './testing/rig.js';

/** Does one thing that a program may do to its end of a connection. */
function disturb(peer: Peer, random: Random): void {
  const { socket } = peer;
  const draw = random();
  if (socket.destroyed) return;
  if (draw < 0.02) socket.resetAndDestroy();
  else if (draw < 0.04) socket.destroy();
  else if (draw < 0.08) socket.end();
  else if (draw < 0.12) socket.pause();
  else if (draw < 0.3) socket.resume();
  else if (socket.writable && draw < 0.6) socket.write(Buffer.alloc(Math.floor(random() * 100_000)));
}

test.each([1, 2, 3])(
  'whatever its ends and its links go through, nothing is left of a connection (seed %i)',
  async (seed) => {
    const random = seededRandom(seed);
    const { link, dial, arrival, arrived } = await startRig({
      delayMs: 1,
      jitterMs: 1,
      queueBytesMax: 100_000,
      seed,
    });
    const peers: Peer[] = [];
    for (let round = 0; round < 1000; round++) {
      if (round % 10 === 0) peers.push(await dial());
      while (arrived() > 0) peers.push(await arrival());
      for (const peer of peers) disturb(peer, random);
      const draw = random();
      if (draw < 0.02) link.cut({ direction: draw < 0.01 ? 'both' : 'up' });
      else if (draw < 0.023) link.cut({ mode: 'reset' });
      else if (draw < 0.08) link.heal();
      else if (draw < 0.1) link.set({ delayMs: random() * 4, bytesPerSecond: random() < 0.5 ? 0 : 1e8 });
      else if (draw < 0.105) link.reset();
      await new Promise(setImmediate);
    }
    await link.close();
    expect(link.stats()).toMatchObject({ open: 0, up: { bytesQueued: 0 }, down: { bytesQueued: 0 } });
  },
);
