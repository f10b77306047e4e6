/** What the demo shows: its regions, the distances between them, and how long each part takes. */
import { regionMatrix } from '@causeway/wan-link';

export interface DemoRegion {
  readonly name: string;
  /** Of the published matrix: the distances are those of this place. */
  readonly place: string;
}

export const REGIONS: readonly DemoRegion[] = [
  { name: 'eu-west', place: 'london' },
  { name: 'us-east', place: 'washington' },
  { name: 'ap-south', place: 'sydney' },
];
/** Region that is cut off. */
export const FAR = 'ap-south';

const matrix = regionMatrix('world');
export const DELAYS_SOURCE = matrix.source;

/** One-way delay between two regions of the demo. Milliseconds. */
export function oneWayMs(from: string, to: string): number {
  return matrix.oneWayMs(placeOf(from), placeOf(to));
}

/** A little of what real links have. Milliseconds. */
export const JITTER_MS = 1;

export const PORTS = REGIONS.map((_, index) => ({ client: 7400 + index, admin: 7600 + index }));

export type Phase = 'start' | 'work' | 'cut' | 'heal' | 'settle' | 'done';
export const PHASES: readonly Phase[] = ['start', 'work', 'cut', 'heal', 'settle'];

/** Milliseconds. */
export const DURATIONS = { work: 8_000, cut: 9_000, afterHeal: 5_000 } as const;

function placeOf(region: string): string {
  const found = REGIONS.find(({ name }) => name === region);
  if (found === undefined) throw new RangeError(`no such region: ${region}`);
  return found.place;
}

/** As people write it. */
export function placeName(region: string): string {
  const place = placeOf(region);
  return place.charAt(0).toUpperCase() + place.slice(1);
}
