/**
 * Other systems beside Causeway, in one run: the same loops, keys, values and links load both, in turn, and what counts is the
 * ratio of a pair. What an acknowledgement of each survives is told in a note, and what cannot be compared is not measured.
 */
import { defineSuite } from '../harness/suite.js';
import { PEERS } from '../peers/index.js';
import type { Peer } from '../peers/peer.js';
import { Attempts } from './peers-attempts.js';
import { measureHeal } from './peers-heal.js';
import { measureLag } from './peers-lag.js';
import { measureThroughput } from './peers-throughput.js';

const PARTS = ['throughput', 'lag', 'heal'] as const;

export const peers = defineSuite({
  name: 'peers',
  title: 'Side by side with others',
  about:
    'Redis, etcd, NATS, PouchDB, Yjs, TinyBase, Automerge and GUN beside Causeway: whichever are installed',
  isQuick: false,
  options: {
    peers: { about: 'which of them', value: PEERS.map(({ id }) => id) },
    parts: { about: `of ${PARTS.join(', ')}`, value: [...PARTS] as string[] },
    shapes: {
      about: 'connections x operations in flight on each',
      value: ['1x64', '1x256', '50x1'] as string[],
    },
    pairs: { about: 'measurements of throughput, in turn', value: 6, quick: 3 },
    seconds: { about: 'length of one', value: 2, quick: 0.7 },
    keys: { about: 'keys that are there', value: 10_000, quick: 2_000 },
    rate: { about: 'lag: writes per second at the first place', value: 1_000 },
    'lag-seconds': { about: 'lag: length of a measurement', value: 10, quick: 3 },
    'lag-pairs': { about: 'lag: measurements, in turn', value: 3, quick: 1 },
    'delay-ms': { about: 'one-way delay of a link, for lag and heal', value: 40 },
    cut: { about: 'heal: length of a partition, seconds', value: 10, quick: 5 },
    modes: { about: 'heal: silence, reset or both', value: ['silence', 'reset'] as string[] },
    'heal-keys': { about: 'heal: new keys of each side', value: 10_000, quick: 2_000 },
    'heal-pairs': { about: 'heal: measurements, in turn', value: 3, quick: 1 },
  },
  run: async (options, recorder) => {
    const chosen = PEERS.filter(({ id }) => options.peers.includes(id));
    const here: Peer[] = [];
    for (const peer of chosen) {
      const missing = await peer.missing();
      if (missing === undefined) here.push(peer);
      else recorder.note(`${peer.id} is skipped: ${missing}.`);
    }
    if (here.length === 0) return;
    const attempts = new Attempts();
    if (options.parts.includes('throughput')) {
      const { shapes, pairs, seconds, keys } = options;
      await measureThroughput(here, { shapes, pairs, seconds, keys }, recorder, attempts);
    }
    if (options.parts.includes('lag')) {
      const { rate, 'lag-seconds': seconds, 'lag-pairs': pairs, 'delay-ms': delayMs } = options;
      await measureLag(here, { rate, seconds, pairs, delayMs }, recorder, attempts);
    }
    if (options.parts.includes('heal')) {
      const { cut: cutSeconds, modes, 'heal-keys': keys, 'heal-pairs': pairs, 'delay-ms': delayMs } = options;
      await measureHeal(here, { cutSeconds, modes, keys, pairs, delayMs }, recorder, attempts);
    }
    for (const { id, remark, ...parts } of here) {
      const not = PARTS.flatMap((part) => {
        const { [part]: how } = parts;
        return 'not' in how && options.parts.includes(part) ? `No ${part}: ${how.not}.` : [];
      });
      recorder.note([`${id}: ${remark}`, ...not].join(' '));
    }
    recorder.note(
      'Keys of 20 bytes, values of 100. Links, load and all systems share this machine. A link delivers what a silent cut has ' +
        'held back, as TCP does, also to connections that were given up meanwhile: those bytes count, for all alike.',
    );
    attempts.end();
  },
});
