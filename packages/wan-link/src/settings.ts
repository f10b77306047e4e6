/**
 * What a link is set to, per direction, and the checks of what comes from outside.
 *
 * `up` is from the dialling side to the target, `down` the way back. A setting that stands outside of
 * `up` and `down` is for both; one inside them goes before it.
 */

export interface LineSettings {
  /** One-way delay. Milliseconds, 0..3,600,000. */
  readonly delayMs: number;
  /** The delay is uniform in delayMs ± jitterMs, not below 0. Milliseconds. */
  readonly jitterMs: number;
  /** Bandwidth of the direction, shared by all connections. Bytes per second; 0: no limit. */
  readonly bytesPerSecond: number;
  /**
   * Most bytes of one connection under way in this direction: above it the source is not read, as with a
   * full TCP window. It limits the throughput to queueBytesMax per delay. Bytes, >= 1.
   */
  readonly queueBytesMax: number;
}

/** A change of settings: what is absent stays. */
export interface LinkSettings extends Partial<LineSettings> {
  readonly up?: Partial<LineSettings>;
  readonly down?: Partial<LineSettings>;
}

export type Direction = 'up' | 'down';
export const DIRECTIONS: readonly Direction[] = ['up', 'down'];

export const DEFAULT_LINE: LineSettings = {
  delayMs: 0,
  jitterMs: 0,
  bytesPerSecond: 0,
  queueBytesMax: 8 * 1024 * 1024,
};

const RANGES: Readonly<Record<keyof LineSettings, readonly [min: number, max: number]>> = {
  delayMs: [0, 3_600_000],
  jitterMs: [0, 3_600_000],
  bytesPerSecond: [0, 1e12],
  queueBytesMax: [1, 2 ** 32],
};

/**
 * The settings of both directions after a change. Pure. Throws RangeError for an unknown name or a value
 * out of range, so that a change that is partly wrong changes nothing.
 */
export function changeSettings(
  current: Readonly<Record<Direction, LineSettings>>,
  change: LinkSettings,
): Record<Direction, LineSettings> {
  const { up = {}, down = {}, ...both } = change;
  return {
    up: changeLine(changeLine(current.up, both), up),
    down: changeLine(changeLine(current.down, both), down),
  };
}

function changeLine(current: LineSettings, change: Partial<LineSettings>): LineSettings {
  if (typeof change !== 'object' || change === null) throw new RangeError(`not settings: ${String(change)}`);
  const next: Record<string, number> = { ...current };
  for (const [name, value] of Object.entries(change) as [string, unknown][]) {
    if (value === undefined) continue;
    if (!Object.hasOwn(RANGES, name)) throw new RangeError(`no such setting of a link: ${name}`);
    const [min, max] = RANGES[name as keyof LineSettings];
    if (typeof value !== 'number' || !(value >= min && value <= max)) {
      throw new RangeError(`${name} must be a number from ${min} to ${max}: ${String(value)}`);
    }
    next[name] = value;
  }
  return { ...current, ...next };
}
