/**
 * LWW-register: the write with the highest stamp wins.
 *
 * Invariants
 * - A local write takes its stamp above the register that it replaces (`HybridClock.tickAbove`): a writer
 *   that has seen a value beats it, and only concurrent writes are decided by clocks.
 * - A delete is a write without a value (a tombstone). From `expiresAt` on a register is a tombstone too.
 * - A tombstone may go once its dot is stable and the local clock is at or above its stamp: nothing older
 *   can arrive any more, and nothing that is written here later can lose to a copy of it elsewhere.
 *
 * Johnson, Thomas: The Maintenance of Duplicate Databases, RFC 677, 1975; Shapiro et al.: A Comprehensive
 * Study of Convergent and Commutative Replicated Data Types, INRIA RR-7506, 2011, 3.2.1.
 */
import type { Digest, Hasher } from './digest.js';
import { REGISTER_SEED } from './digest.js';
import { compareDots, type Dot } from './dot.js';
import { type ClockReading, compareReadings, compareStamps, type Stamp } from './hlc.js';

export interface Register {
  readonly stamp: Stamp;
  readonly dot: Dot;
  /** Opaque bytes; absent in a tombstone. */
  readonly value?: Uint8Array;
  /** Wall time from which the register counts as deleted. Milliseconds since 1970. */
  readonly expiresAt?: number;
}

/**
 * The winner: the higher stamp; of equal stamps the higher value bytes (a tombstone is lowest), then the
 * later expiry (none is latest), then the higher dot. Returns `a` itself when the two are equal.
 */
export function joinRegisters(a: Register | undefined, b: Register): Register {
  return a !== undefined && compareRegisters(a, b) >= 0 ? a : b;
}

function compareRegisters(a: Register, b: Register): number {
  return (
    compareStamps(a.stamp, b.stamp) ||
    compareValues(a.value, b.value) ||
    compareExpiry(a.expiresAt, b.expiresAt) ||
    compareDots(a.dot, b.dot)
  );
}

function compareValues(a: Uint8Array | undefined, b: Uint8Array | undefined): number {
  if (a === undefined || b === undefined) return Number(a !== undefined) - Number(b !== undefined);
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    const difference = a[i]! - b[i]!;
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

function compareExpiry(a: number | undefined, b: number | undefined): number {
  const left = a ?? Number.POSITIVE_INFINITY;
  const right = b ?? Number.POSITIVE_INFINITY;
  return left === right ? 0 : left < right ? -1 : 1;
}

/** Whether a reader sees nothing: a tombstone, or expired at `wallMs`. */
export function isDeadRegister(register: Register, wallMs: number): boolean {
  return register.value === undefined || (register.expiresAt ?? Number.POSITIVE_INFINITY) <= wallMs;
}

/**
 * Adds the register to a digest: key, stamp and dot. A tombstone adds nothing, since compaction may drop
 * it. Expiry is the caller's: it must not add an expired register, and takes one out when its time comes.
 */
export function addRegisterDigest(digest: Digest, hasher: Hasher, key: string, register: Register): void {
  if (register.value === undefined) return;
  const { stamp, dot } = register;
  hasher
    .start(REGISTER_SEED)
    .text(key)
    .uint(stamp.physical)
    .uint(stamp.logical)
    .text(stamp.replica)
    .text(dot.replica)
    .uint(dot.seq)
    .addTo(digest);
}

/**
 * The register, or undefined when it may be dropped: dead at `wallMs`, its dot causally stable, its stamp
 * at or below the local clock (`HybridClock.last`, which is persisted, and handed on in a bootstrap).
 */
export function compactRegister(
  register: Register,
  isStable: (dot: Dot) => boolean,
  clock: ClockReading,
  wallMs: number,
): Register | undefined {
  const droppable =
    isDeadRegister(register, wallMs) && compareReadings(register.stamp, clock) <= 0 && isStable(register.dot);
  return droppable ? undefined : register;
}
