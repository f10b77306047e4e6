/**
 * Distances between named regions, as the one-way delays that links are set to.
 *
 * The delay between two regions is the same both ways: a quarter of the sum of the two round trips that
 * were measured from either end, so that a link there and back gives their mean.
 */
import { REGION_RTT_MS, REGION_RTT_SOURCE, REGIONS } from './region-rtt.js';

export interface RegionMatrix {
  readonly name: RegionMatrixName;
  /** Where the figures are from. */
  readonly source: string;
  readonly regions: readonly string[];
  /** One-way delay, milliseconds; 0 within a region. Throws RangeError for a region it does not have. */
  oneWayMs(from: string, to: string): number;
}

/** `three`: three regions of equal distance. `world`: ten cloud regions. */
export type RegionMatrixName = 'three' | 'world';

/** Throws RangeError for an unknown name. */
export function regionMatrix(name: RegionMatrixName): RegionMatrix {
  switch (name) {
    case 'three':
      return matrix(name, 'made up: equal distances', ['eu', 'us', 'ap'], () => THREE_ONE_WAY_MS);
    case 'world':
      return matrix(
        name,
        REGION_RTT_SOURCE,
        REGIONS,
        (from, to) => (worldRttMs(from, to) + worldRttMs(to, from)) / 4,
      );
    default:
      throw new RangeError(`no such region matrix: ${String(name)} (three, world)`);
  }
}

function matrix(
  name: RegionMatrixName,
  source: string,
  regions: readonly string[],
  oneWayMs: (fromIndex: number, toIndex: number) => number,
): RegionMatrix {
  const indexOf = (region: string): number => {
    const index = regions.indexOf(region);
    if (index < 0) throw new RangeError(`no such region: ${region} (${regions.join(', ')})`);
    return index;
  };
  return {
    name,
    source,
    regions,
    oneWayMs: (from, to) => {
      const [fromIndex, toIndex] = [indexOf(from), indexOf(to)];
      return fromIndex === toIndex ? 0 : oneWayMs(fromIndex, toIndex);
    },
  };
}

function worldRttMs(fromIndex: number, toIndex: number): number {
  return REGION_RTT_MS[fromIndex]![toIndex]!;
}

const THREE_ONE_WAY_MS = 40;
