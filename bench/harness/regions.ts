/** Regions of a suite, and the clusters that it starts: which names, how far apart, and of which build. */
import { rmSync } from 'node:fs';
import { type Cluster, type ClusterOptions, startCluster } from '@causeway/cli';
import { type RegionMatrixName, regionMatrix } from '@causeway/wan-link';
import { PROGRAM } from './paths.js';

export interface Layout {
  readonly regions: readonly string[];
  /** Milliseconds, one way. */
  delayMs(from: string, to: string): number;
}

/** Of the world matrix, so that few regions are on several continents. */
const WORLD_ORDER = ['washington', 'frankfurt', 'tokyo', 'sydney', 'sao-paulo'];

/**
 * `count` regions of a matrix. `three` has as many regions as are asked for, all at its one distance; `world` begins with
 * Washington, Frankfurt, Tokyo, Sydney and São Paulo. Throws RangeError for more than there are.
 */
export function layout(links: string, count: number): Layout {
  const matrix = regionMatrix(links as RegionMatrixName);
  if (matrix.name === 'three') {
    const [a = '', b = ''] = matrix.regions;
    const more = Array.from({ length: count }, (_, index) => `r${index + 1}`);
    const regions = count <= matrix.regions.length ? matrix.regions.slice(0, count) : more;
    return { regions, delayMs: () => matrix.oneWayMs(a, b) };
  }
  const ordered = [...WORLD_ORDER, ...matrix.regions.filter((region) => !WORLD_ORDER.includes(region))];
  if (count > ordered.length) throw new RangeError(`${links} has ${ordered.length} regions`);
  return { regions: ordered.slice(0, count), delayMs: (from, to) => matrix.oneWayMs(from, to) };
}

/** All pairs of regions, each once in each direction. */
export function directions({ regions }: Layout): [from: string, to: string][] {
  return regions.flatMap((from) =>
    regions.filter((to) => to !== from).map((to): [string, string] => [from, to]),
  );
}

/** Starts the regions and waits until they take requests. */
export async function startRegions(options: ClusterOptions): Promise<Cluster> {
  const cluster = await startCluster({ program: PROGRAM, ...options });
  if (directories.size === 0) process.once('exit', removeDirectories);
  directories.add(cluster.directory);
  try {
    await cluster.untilReady();
    return cluster;
  } catch (error) {
    await cluster.stop();
    throw error;
  }
}

/** Of clusters that were started: one that is interrupted cannot remove its own. */
const directories = new Set<string>();

function removeDirectories(): void {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
}

/** TCP payload that all links between regions have delivered since the start, both directions. */
export function bytesDelivered(cluster: Cluster): number {
  return cluster.links
    .all()
    .map((link) => link.stats())
    .reduce((sum, { up, down }) => sum + up.bytesDelivered + down.bytesDelivered, 0);
}
