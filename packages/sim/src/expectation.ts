/**
 * What a read may answer, derived from the calls alone: nothing here knows how the engine works.
 *
 * For every earlier call the evidence says that the read sees its effects, may see them, or does not
 * (history.ts). A value is right when some choice of the open ones explains it; the bounds are narrow, since a
 * node tells what it has made durable before and after each call, and closed where all have settled.
 */
import { compareReadings, compareStamps, type Stamp } from '@causeway/crdt';
import { type Call, type Certainty, type History, nameOf, sees } from './history.js';
import { show } from './violation.js';

/** Something that took a while at a node: a call, as a rule. */
export type Span = Pick<Call, 'node' | 'invokedAt' | 'answeredAt'>;

/** What the wall clocks said, as far as a span is concerned. Milliseconds. */
export interface Walls {
  /** The range of the node's clock meanwhile. */
  during(span: Span): { readonly least: number; readonly most: number };
  /**
   * The latest time by which something may have expired for the node before the answer: what has expired once stays so.
   * That its own clock has shown, or, up to its last repair, the clock of another node: what had expired where the state
   * was taken from, and was dropped there, has never come.
   */
  latest(span: Span): number;
}

/** Sums that are told apart one by one; with more open increments than this only the range is checked. */
const OPEN_INCREMENTS_MAX = 16;

/** Undefined when the value is right, else why not. */
export function checkRegister(
  history: History,
  read: Call,
  key: string,
  got: { readonly value?: Uint8Array; readonly stamp?: Stamp },
  walls: Walls,
): string | undefined {
  const writers = history
    .writersOf(`register ${key}`)
    .map((call) => ({ call, seen: sees(read, call), write: registerWrite(call, key) }));
  const sets = writers.filter(({ write }) => write.op === 'register.set');
  const deletes = writers.filter(({ write }) => write.op === 'register.delete');
  const surely = sets.filter(({ seen, write }) => seen === 'yes' && write.stamp !== undefined);
  const newest = surely.reduce<(typeof surely)[number] | undefined>(
    (best, one) => (best === undefined || isAbove(one.write.stamp, best.write.stamp) ? one : best),
    undefined,
  );
  const expired = (set: (typeof sets)[number]): boolean =>
    set.write.ttlMs !== undefined && walls.during(set.call).least + set.write.ttlMs <= walls.latest(read);
  const mayBeGone =
    newest !== undefined &&
    (expired(newest) ||
      deletes.some(({ call, seen }) => seen !== 'no' && sees(newest.call, call) !== 'yes') ||
      sets.some((set) => set.seen !== 'no' && expired(set) && !isAbove(newest.write.stamp, set.write.stamp)));
  if (got.value === undefined) {
    if (newest === undefined || mayBeGone) return undefined;
    return `absent, although call ${newest.call.id} set it and nothing removed it`;
  }
  const { value } = got;
  const source = sets.find(({ write }) => write.value !== undefined && sameBytes(write.value, value));
  if (source === undefined) return 'a value that no call has written';
  if (source.seen === 'no')
    return `the value of call ${source.call.id} (${source.call.outcome}), which cannot be visible here`;
  if (
    source.write.stamp !== undefined &&
    got.stamp !== undefined &&
    // Issued again under another name it keeps its time.
    (source.call.doubtful ? compareReadings : compareStamps)(source.write.stamp, got.stamp) !== 0
  ) {
    return `the value of call ${source.call.id} with stamp ${show(got.stamp)} instead of ${show(source.write.stamp)}`;
  }
  // A cluster may have dropped the evidence that it is gone before it met another, where the older one was written.
  const metNothing =
    mayBeGone && history.clustersHaveMet && newest && sees(newest.call, source.call) !== 'yes';
  if (
    newest !== undefined &&
    !metNothing &&
    got.stamp !== undefined &&
    isAbove(newest.write.stamp, got.stamp)
  ) {
    return `the value of call ${source.call.id}, older than that of call ${newest.call.id}`;
  }
  const deleted = deletes.find(({ call, seen }) => seen === 'yes' && sees(call, source.call) === 'yes');
  if (deleted !== undefined)
    return `the value of call ${source.call.id}, which call ${deleted.call.id} deleted`;
  const { ttlMs } = source.write;
  if (ttlMs !== undefined && walls.during(source.call).most + ttlMs < walls.during(read).least) {
    return `the value of call ${source.call.id}, which has expired`;
  }
  return undefined;
}

export function checkElements(
  history: History,
  read: Call,
  key: string,
  got: ReadonlySet<string>,
): string | undefined {
  const expected = expectedElements(history, read, key);
  for (const element of got) {
    if ((expected.get(element) ?? 'no') === 'no') return `element ${element}, which cannot be visible here`;
  }
  for (const [element, certainty] of expected) {
    if (certainty === 'yes' && !got.has(element))
      return `no element ${element}, which was added and not removed`;
  }
  return undefined;
}

/** Elements that the read may see, named by their bytes; those that it cannot see are missing or 'no'. */
export function expectedElements(history: History, read: Call, key: string): Map<string, Certainty> {
  const writers = history
    .writersOf(`set ${key}`)
    .map((call) => ({ call, seen: sees(read, call), effects: elementEffects(call, key) }));
  const visible = writers.filter(({ seen }) => seen !== 'no');
  const expected = new Map<string, Certainty>();
  for (const { call, seen, effects } of visible) {
    for (const [element, effect] of effects.elements) {
      if (!effect.adds || expected.get(element) === 'yes') continue;
      const removers = visible.filter(
        (other) =>
          other.call !== call &&
          (other.effects.clears || other.effects.elements.get(element)?.removes === true),
      );
      const gone = removers.some((other) => other.seen === 'yes' && sees(other.call, call) === 'yes');
      const safe = removers.every((other) => sees(other.call, call) === 'no');
      if (!gone) expected.set(element, seen === 'yes' && safe ? 'yes' : 'maybe');
    }
  }
  return expected;
}

/** `own`: what the reading call has itself added before. */
export function checkCounter(
  history: History,
  read: Call,
  key: string,
  got: bigint,
  own: bigint,
): string | undefined {
  const writers = history
    .writersOf(`counter ${key}`)
    .map((call) => ({ call, seen: sees(read, call), write: counterWrite(call, key) }));
  const resets = writers.filter(({ seen, write }) => seen !== 'no' && write.resets);
  let sure = own;
  const open: bigint[] = [];
  for (const { call, seen, write } of writers) {
    if (seen === 'no' || write.by === 0n) continue;
    if (resets.some((reset) => reset.seen === 'yes' && sees(reset.call, call) === 'yes')) continue;
    if (seen === 'yes' && resets.every((reset) => sees(reset.call, call) === 'no')) sure += write.by;
    else open.push(write.by);
  }
  if (isSumOf(got - sure, open)) return undefined;
  return `${got} instead of ${sure}${open.length > 0 ? ` plus any of ${open.join(', ')}` : ''}`;
}

function isSumOf(target: bigint, amounts: readonly bigint[]): boolean {
  if (amounts.length > OPEN_INCREMENTS_MAX) {
    const least = amounts.reduce((sum, amount) => (amount < 0n ? sum + amount : sum), 0n);
    const most = amounts.reduce((sum, amount) => (amount > 0n ? sum + amount : sum), 0n);
    return least <= target && target <= most;
  }
  let sums = new Set([0n]);
  for (const amount of amounts) sums = new Set([...sums, ...[...sums].map((sum) => sum + amount)]);
  return sums.has(target);
}

interface RegisterWrite {
  readonly op: 'register.set' | 'register.delete' | undefined;
  readonly value?: Uint8Array;
  readonly ttlMs?: number | undefined;
  /** Known when the call was acknowledged. */
  readonly stamp?: Stamp | undefined;
}

/** The call's last write of the register. */
function registerWrite(call: Call, key: string): RegisterWrite {
  const index = call.operations.findLastIndex(
    (operation) =>
      operation.key === key && operation.op !== 'register.get' && nameOf(operation).startsWith('register'),
  );
  const operation = call.operations[index];
  if (operation?.op === 'register.delete') return { op: operation.op };
  if (operation?.op !== 'register.set') return { op: undefined };
  const result = call.results[index];
  return {
    op: operation.op,
    value: operation.value,
    ttlMs: operation.ttlMs,
    stamp: result?.op === 'register.set' ? result.stamp : undefined,
  };
}

interface ElementEffects {
  /** Removes every element that it had seen. */
  readonly clears: boolean;
  readonly elements: ReadonlyMap<string, { adds: boolean; removes: boolean }>;
}

const effectsOf = new WeakMap<Call, Map<string, ElementEffects>>();

/** What the call leaves of its additions and removals, all its operations together. */
export function elementEffects(call: Call, key: string): ElementEffects {
  const known = effectsOf.get(call) ?? new Map<string, ElementEffects>();
  effectsOf.set(call, known);
  const cached = known.get(key);
  if (cached !== undefined) return cached;
  let clears = false;
  const elements = new Map<string, { adds: boolean; removes: boolean }>();
  for (const operation of call.operations) {
    if (operation.key !== key) continue;
    if (operation.op === 'set.clear') {
      clears = true;
      for (const effect of elements.values()) effect.adds = false;
    } else if (operation.op === 'set.update') {
      for (const bytes of operation.remove) elements.set(nameOfBytes(bytes), { adds: false, removes: true });
      for (const bytes of operation.add) {
        const name = nameOfBytes(bytes);
        elements.set(name, { adds: true, removes: elements.get(name)?.removes ?? false });
      }
    }
  }
  const effects = { clears, elements };
  known.set(key, effects);
  return effects;
}

function counterWrite(call: Call, key: string): { by: bigint; resets: boolean } {
  let by = 0n;
  let resets = false;
  for (const operation of call.operations) {
    if (operation.key !== key) continue;
    if (operation.op === 'counter.increment') by += BigInt(operation.by);
    else if (operation.op === 'counter.reset') {
      by = 0n;
      resets = true;
    }
  }
  return { by, resets };
}

/** Of long values the beginning and the length will do: they begin with the name of their writer. */
const NAME_BYTES = 64;

/** Bytes as text, one code unit each: for maps. */
export function nameOfBytes(bytes: Uint8Array): string {
  let text = '';
  const end = Math.min(bytes.length, NAME_BYTES);
  for (let index = 0; index < end; index++) text += String.fromCharCode(bytes[index] as number);
  return end < bytes.length ? `${text}+${bytes.length}` : text;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let index = 0; index < a.length; index++) if (a[index] !== b[index]) return false;
  return true;
}

/** An unknown stamp is not known to be above anything. */
function isAbove(a: Stamp | undefined, b: Stamp | undefined): boolean {
  return a !== undefined && b !== undefined && compareStamps(a, b) > 0;
}
