/**
 * Which faults strike, when, whom and for how long: all of it drawn before the first event, one Poisson process a
 * kind. So a schedule can be printed, and single faults be left out without another one moving.
 */
import type { Prng } from './prng.js';

export const FAULT_KINDS = [
  'kill',
  'power cut',
  'stop',
  'pause',
  'long pause',
  'silent cut',
  'one-way cut',
  'reset cut',
  'isolation',
  'partition',
  'bridge',
  'flapping',
  'lost connection',
  'slow link',
  'clock step',
  'clock jump',
  'slow disk',
  'failing disk',
  'full disk',
  'failing reads',
  'leave',
  'removal',
  'backup put back',
  'directory copied',
  'directory deleted',
  'bit flipped',
  'record lost',
] as const;

export type FaultKind = (typeof FAULT_KINDS)[number];

export interface FaultRate {
  /** Mean time from one to the next. Milliseconds; Infinity: never. */
  readonly everyMs: number;
  readonly lastsMs: number;
}

export interface FaultProfile {
  readonly rates: Readonly<Record<FaultKind, FaultRate>>;
  /** How far a clock step goes at most, either way. Milliseconds. */
  readonly clockStepMs: number;
  /** However rare each kind is, so many strike. */
  readonly least: number;
}

export interface PlannedFault {
  /** Its place in the plan of its seed. */
  readonly id: number;
  readonly kind: FaultKind;
  /** Since clients and faults began. Milliseconds. */
  readonly at: number;
  readonly lastsMs: number;
  /** Whom it strikes, and of a pair the other one. */
  readonly node: number;
  readonly other: number;
}

/** In order of time. */
export function planFaults(
  prng: Prng,
  profile: FaultProfile,
  nodes: number,
  durationMs: number,
): PlannedFault[] {
  const drawn: Omit<PlannedFault, 'id'>[] = [];
  const draw = (kind: FaultKind, stream: Prng, at: number): void => {
    const node = stream.int(nodes);
    const other = (node + 1 + stream.int(nodes - 1)) % nodes;
    drawn.push({ kind, at, lastsMs: lasting(kind, stream, profile.rates[kind].lastsMs), node, other });
  };
  for (const kind of FAULT_KINDS) {
    const { everyMs } = profile.rates[kind];
    if (!Number.isFinite(everyMs)) continue;
    const stream = prng.split(kind);
    for (let at = stream.exponential(everyMs); at < durationMs; at += stream.exponential(everyMs)) {
      draw(kind, stream, at);
    }
  }
  const more = prng.split('at least');
  while (drawn.length < profile.least) {
    // Early ones, so that they strike while the clients are at work.
    draw(more.pick(SHORT_KINDS), more, more.between(0, durationMs * 0.9));
  }
  return drawn.sort((a, b) => a.at - b.at).map((fault, id) => ({ id, ...fault }));
}

/** Once or twice in a run, and not in every one. */
export const RARE_KINDS: ReadonlySet<FaultKind> = new Set([
  'long pause',
  'clock jump',
  'leave',
  'removal',
  'backup put back',
  'directory copied',
  'directory deleted',
  'bit flipped',
  'record lost',
]);

const SHORT_KINDS = FAULT_KINDS.filter((kind) => !RARE_KINDS.has(kind));

function lasting(kind: FaultKind, stream: Prng, mean: number): number {
  if (kind === 'long pause') return stream.between(60_000, 240_000);
  return stream.exponential(mean);
}

export function textOfFault({ id, kind, at, lastsMs, node, other }: PlannedFault): string {
  const pair = PAIRED.has(kind) ? ` n${other}` : '';
  const [from, length] = [at, lastsMs].map((ms) => `${(ms / 1000).toFixed(3)} s`);
  return `#${id} ${kind} n${node}${pair} at ${from} for ${length}`;
}

const PAIRED: ReadonlySet<FaultKind> = new Set([
  'silent cut',
  'one-way cut',
  'reset cut',
  'bridge',
  'flapping',
  'lost connection',
  'slow link',
]);
