/**
 * A job: work of the executor itself, of which each step of housekeeping is one.
 */
import type { Now } from '../environment.js';
import type { Slot } from './slot.js';

/** Bytes of one scan of a step. */
export const SCAN_BYTES = 1 << 20;

export interface Job {
  readonly slots: readonly Slot[];
  /** Called when all of `slots` are loaded. */
  run(now: Now): void;
}

export type Schedule = (job: Job) => void;
