/**
 * After a partition of the first place from the others, in which both sides have written new keys: time and bytes until each
 * place has been told of every key that it lacked. The same for each peer and Causeway, in turn, with the same places; where
 * one side only can write, Causeway writes there only too.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { causeway } from '../harness/causeway-targets.js';
import { each } from '../harness/load.js';
import type { Series } from '../harness/result.js';
import type { Recorder } from '../harness/suite.js';
import type { Target, TargetClient } from '../harness/target.js';
import type { Peer } from '../peers/peer.js';
import type { Attempts } from './peers-attempts.js';

const LANES = 256;
const KEY_BYTES = 20;
const VALUE_BYTES = 100;
/** Of the cut, in which the writes are spread. */
const WRITING_SHARE = 0.8;
const PATIENCE_MS = 60_000;
const LOOK_EVERY_MS = 5;
/** How many of the keys are read again at the end, everywhere. */
const CHECKED = 50;
/** A process that has never caught up compiles on the way what it does: the first cut of each is a figure of its own. */
const FIRST_CUT_SECONDS = 2;
const YJS_TIME_MAX = 1;
const BYTES_MAX = 1.25;

export interface HealOptions {
  readonly cutSeconds: number;
  readonly modes: readonly string[];
  readonly keys: number;
  readonly pairs: number;
  readonly delayMs: number;
}

interface Healed {
  /** Undefined when it did not within PATIENCE_MS. */
  readonly ms: number | undefined;
  readonly bytes: number;
  readonly payload: number;
  /** Keys that were missing, all places together, over the milliseconds since the heal. */
  readonly missing: readonly (readonly [ms: number, keys: number])[];
}

export async function measureHeal(
  peers: readonly Peer[],
  options: HealOptions,
  recorder: Recorder,
  attempts: Attempts,
): Promise<void> {
  const curves = new Map<string, Series[]>();
  for (const peer of peers) {
    const { id, heal } = peer;
    if ('not' in heal) continue;
    const { placeCount } = heal;
    await attempts.of(`heal of ${id}`, async () => {
      recorder.tell(`starting ${id}`);
      const ours = await causeway.start({ placeCount, delayMs: options.delayMs });
      let theirs: Target | undefined;
      try {
        theirs = await peer.start({ placeCount, delayMs: options.delayMs });
        await firstCuts(peer, theirs, ours, options, recorder);
        for (const mode of options.modes) {
          const series = curves.get(mode) ?? [];
          curves.set(mode, series);
          await compare(peer, theirs, ours, { ...options, mode }, recorder, series);
        }
      } finally {
        await Promise.all([ours.stop(), theirs?.stop()]);
      }
    });
  }
  for (const [mode, series] of curves) {
    recorder.plot(
      `After a cut by ${mode}: keys that places lack (first measurement of each; Causeway beside each)`,
      { label: 'ms after the heal', scale: 'linear' },
      { label: 'keys, all places', scale: 'linear' },
      series,
    );
  }
}

async function firstCuts(
  { id }: Peer,
  theirs: Target,
  ours: Target,
  options: HealOptions,
  recorder: Recorder,
): Promise<void> {
  for (const [target, name] of [
    [theirs, id],
    [ours, `Causeway beside ${id}`],
  ] as const) {
    recorder.tell(`first cut: ${target.name}`);
    const cut = { ...options, mode: 'silence', cutSeconds: FIRST_CUT_SECONDS };
    const { ms } = await partition(target, writePlacesOf(theirs), cut);
    if (ms !== undefined) recorder.figure(`heal after the first cut of new processes, ${name}`, 'ms', ms);
    else if (target === ours) throw new Error(`Causeway did not heal within ${PATIENCE_MS} ms`);
    else recorder.note(`${id} did not heal within ${PATIENCE_MS / 1000} s of its first cut.`);
  }
}

function writePlacesOf({ writePlaces, placeCount }: Target): readonly number[] {
  return writePlaces ?? Array.from({ length: placeCount }, (_, index) => index);
}

async function compare(
  { id }: Peer,
  theirs: Target,
  ours: Target,
  options: HealOptions & { readonly mode: string },
  recorder: Recorder,
  series: Series[],
): Promise<void> {
  const { mode, pairs } = options;
  const writePlaces = writePlacesOf(theirs);
  const take = async (target: Target, pair: number): Promise<Healed> => {
    recorder.tell(`cut by ${mode}, pair ${pair + 1} of ${pairs}: ${target.name}`);
    const healed = await partition(target, writePlaces, options);
    if (pair === 0)
      series.push({ name: target === ours ? `Causeway beside ${id}` : id, points: healed.missing });
    return healed;
  };
  for (let pair = 0; pair < pairs; pair++) {
    const first = await take(pair % 2 === 0 ? theirs : ours, pair);
    const second = await take(pair % 2 === 0 ? ours : theirs, pair);
    const [them, us] = pair % 2 === 0 ? [first, second] : [second, first];
    const at = `heal after a cut by ${mode}`;
    if (us.ms === undefined) throw new Error(`Causeway did not heal within ${PATIENCE_MS} ms`);
    recorder.figure(`${at}, Causeway beside ${id}`, 'ms', us.ms, { better: 'lower' });
    recorder.figure(`${at}, bytes ÷ payload, Causeway beside ${id}`, '×', us.bytes / us.payload, {
      better: 'lower',
      aim: { atMost: BYTES_MAX },
    });
    if (them.ms === undefined) {
      const lacks = them.missing.at(-1)?.[1];
      recorder.note(
        `${id} did not heal within ${PATIENCE_MS / 1000} s of a cut by ${mode}: ${lacks} keys were missing.`,
      );
      // It would not the next time either, and is in no state to be compared.
      return;
    }
    recorder.figure(`${at}, ${id}`, 'ms', them.ms);
    recorder.figure(`${at}, Causeway ÷ ${id}`, '×', us.ms / them.ms, {
      better: 'lower',
      ...(id === 'yjs' && { aim: { atMost: YJS_TIME_MAX } }),
    });
    recorder.figure(`${at}, bytes ÷ payload, ${id}`, '×', them.bytes / them.payload);
  }
}

let partitions = 0;

async function partition(
  target: Target,
  writePlaces: readonly number[],
  { mode, cutSeconds, keys }: HealOptions & { readonly mode: string },
): Promise<Healed> {
  const { network, placeCount } = target;
  if (network === undefined) throw new Error(`${target.name} has no links`);
  const clients = await Promise.all(Array.from({ length: placeCount }, (_, index) => target.connect(index)));
  const prefix = `heal${String(partitions++).padStart(3, '0')}:`;
  const keyOf = (side: number, index: number) => `${prefix}${side}:${String(index).padStart(10, '0')}`;
  const sides = [writePlaces.filter((place) => place === 0), writePlaces.filter((place) => place > 0)];
  const seen = await follow(clients, prefix);
  const values = new Map<string, Uint8Array>();

  network.cut(mode as 'silence' | 'reset');
  const cutAt = performance.now();
  await Promise.all(
    sides.map((places, side) =>
      each(places.length === 0 ? 0 : keys, LANES, async (index) => {
        const dueAt = cutAt + (index / keys) * cutSeconds * 1000 * WRITING_SHARE;
        if (dueAt > performance.now()) await sleep(dueAt - performance.now());
        // One of its own for each key, or systems that compress would send little.
        const value = crypto.getRandomValues(new Uint8Array(VALUE_BYTES));
        values.set(keyOf(side, index), value);
        await clients[places[index % places.length]!]!.put(keyOf(side, index), value);
      }),
    ),
  );
  await sleep(Math.max(0, cutAt + cutSeconds * 1000 - performance.now()));

  const bytesBefore = network.bytesDelivered();
  const written = sides.filter((places) => places.length > 0).length * keys;
  const missing: [number, number][] = [];
  network.heal();
  const healedAt = performance.now();
  let ms: number | undefined;
  for (;;) {
    const lacking = seen.reduce((sum, { keys }) => sum + written - keys.size, 0);
    missing.push([performance.now() - healedAt, lacking]);
    if (lacking === 0) {
      ms = Math.max(...seen.map(({ lastAt }) => lastAt)) - healedAt;
      break;
    }
    if (performance.now() - healedAt > PATIENCE_MS) break;
    await sleep(LOOK_EVERY_MS);
  }
  const bytes = network.bytesDelivered() - bytesBefore;
  if (ms !== undefined) await check(clients, values, target);
  await Promise.all(clients.map((client) => client.close()));
  // What one side wrote has to come once to each place of the other.
  const arrivals = (sides[0]!.length > 0 ? placeCount - 1 : 0) + (sides[1]!.length > 0 ? 1 : 0);
  return { ms, bytes, payload: keys * (KEY_BYTES + VALUE_BYTES) * arrivals, missing };
}

interface Seen {
  readonly keys: Set<string>;
  lastAt: number;
}

/** Keys that each place has been told of, its own included. */
function follow(clients: readonly TargetClient[], prefix: string): Promise<Seen[]> {
  return Promise.all(
    clients.map(async (client): Promise<Seen> => {
      if (client.watch === undefined) throw new Error('this target cannot tell of changes');
      const seen: Seen = { keys: new Set(), lastAt: 0 };
      await client.watch(prefix, (key) => {
        seen.keys.add(key);
        seen.lastAt = performance.now();
      });
      return seen;
    }),
  );
}

async function check(
  clients: readonly TargetClient[],
  values: ReadonlyMap<string, Uint8Array>,
  { name }: Target,
): Promise<void> {
  const keys = [...values.keys()].filter((_, index) => index % Math.ceil(values.size / CHECKED) === 0);
  for (const client of clients) {
    for (const key of keys) {
      const found = await client.get(key);
      if (found === undefined || Buffer.compare(found, values.get(key)!) !== 0) {
        throw new Error(`${name} lost ${key}`);
      }
    }
  }
}
