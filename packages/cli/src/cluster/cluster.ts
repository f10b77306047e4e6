/**
 * Several regions on this machine: node processes with wide-area links between each two of them, which live in this
 * process. What the demo shows and the tests with real processes run on.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LinkSettings } from '@causeway/wan-link';
import { Mesh } from './mesh.js';
import { NodeProcess } from './node-process.js';
import { areEqual, type NodeStatus } from './node-status.js';
import { type PollOptions, until } from './poll.js';
import { freePorts } from './ports.js';

export interface ClusterOptions {
  /** Different names of regions, one node each. */
  readonly regions: readonly string[];
  /** Those of them that are not started with the others: they join when the caller starts them. */
  readonly later?: readonly string[];
  /** One-way delay of every link, or of each by the regions that it connects. Milliseconds, default 0. */
  readonly delayMs?: number | ((from: string, to: string) => number);
  /** Further settings of every link. */
  readonly link?: LinkSettings;
  /** Where the regions keep their data; default a temporary directory that `stop` removes. */
  readonly directory?: string;
  /** Ports of client and admin port, in the order of the regions; default any free ones. */
  readonly ports?: readonly { readonly client: number; readonly admin: number }[];
  /** Further flags of `causeway start`, for all or by region. */
  readonly flags?: readonly string[] | ((region: string) => readonly string[]);
  /** Flags of Node.js itself for the nodes, for all or by region. */
  readonly nodeFlags?: readonly string[] | ((region: string) => readonly string[]);
  /** Script that takes the part of bin/causeway.js. */
  readonly program?: string | undefined;
}

export interface Cluster {
  readonly nodes: readonly NodeProcess[];
  readonly links: Mesh;
  readonly directory: string;
  /** Throws RangeError for a region that is not there. */
  node(region: string): NodeProcess;
  /** Resolves when every node that runs is ready. */
  untilReady(options?: PollOptions): Promise<NodeStatus[]>;
  /**
   * Resolves when every node that runs holds the same transactions and the same live records, with nothing under way.
   * The error of the time-out tells how far they were.
   */
  untilEqual(options?: PollOptions): Promise<NodeStatus[]>;
  /** Ends every process and link, and removes the temporary directory. Can be called again. */
  stop(): Promise<void>;
}

/** Starts all regions at once, but for those that come later; resolves when their ports are open, and `untilReady` when they take requests. */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const { regions, later = [], directory, flags = [], nodeFlags = [], program } = options;
  const ports = await portsOf(options);
  const peers = regions.map((region, index) => ({
    region,
    peerAddress: `127.0.0.1:${ports[index]!.peer}`,
  }));
  const links = await Mesh.open(peers, settingsOf(options));
  const root = directory ?? (await mkdtemp(join(tmpdir(), 'causeway-')));
  const nodes = regions.map(
    (region, index) =>
      new NodeProcess({
        region,
        data: join(root, region),
        ports: ports[index]!,
        // A seed that is not there yet would keep an empty node waiting.
        peers: links.seedsOf(region, later.includes(region) ? [] : later),
        advertise: links.advertisedBy(region),
        flags: typeof flags === 'function' ? flags(region) : flags,
        nodeFlags: typeof nodeFlags === 'function' ? nodeFlags(region) : nodeFlags,
        program,
      }),
  );
  const cluster = new LocalCluster(nodes, links, root, directory === undefined);
  try {
    await Promise.all(nodes.map((node) => !later.includes(node.region) && node.start()));
  } catch (error) {
    await cluster.stop();
    throw error;
  }
  return cluster;
}

class LocalCluster implements Cluster {
  constructor(
    readonly nodes: readonly NodeProcess[],
    readonly links: Mesh,
    readonly directory: string,
    private readonly temporary: boolean,
  ) {}

  node(region: string): NodeProcess {
    const found = this.nodes.find((node) => node.region === region);
    if (found === undefined) throw new RangeError(`no such region: ${region}`);
    return found;
  }

  untilReady(options?: PollOptions): Promise<NodeStatus[]> {
    return this.untilAll('every region to be ready', (all) => all.every(({ ready }) => ready), options);
  }

  untilEqual(options?: PollOptions): Promise<NodeStatus[]> {
    return this.untilAll('every region to hold the same', areEqual, options);
  }

  async stop(): Promise<void> {
    // Links that are cut would make the nodes wait for acknowledgements that cannot come.
    for (const link of this.links.all()) link.heal();
    await Promise.all(this.nodes.map((node) => node.stop()));
    await this.links.close();
    if (this.temporary) await rm(this.directory, { recursive: true, force: true });
  }

  private async untilAll(
    what: string,
    condition: (statuses: NodeStatus[]) => boolean,
    options?: PollOptions,
  ): Promise<NodeStatus[]> {
    let seen: NodeStatus[] = [];
    const look = async () => {
      seen = await Promise.all(this.nodes.filter(({ running }) => running).map((node) => node.status()));
      return condition(seen) && seen;
    };
    try {
      return await until(what, look, options);
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${seen.map(describe).join('\n')}`, { cause: error });
    }
  }
}

function describe({ region, ready, reasons, settled, digest, versionVector, peers }: NodeStatus): string {
  const state = ready ? (settled ? 'ready' : 'unsettled') : `not ready (${reasons.join(', ')})`;
  const links = peers.map((peer) => `${peer.region} ${peer.state}`).join(', ');
  return `${region}: ${state}, digest ${digest.root}, ${JSON.stringify(versionVector)}, ${links}`;
}

async function portsOf({
  regions,
  ports,
}: ClusterOptions): Promise<{ client: number; peer: number; admin: number }[]> {
  const free = await freePorts(3 * regions.length);
  return regions.map((_, index) => {
    const [client = 0, peer = 0, admin = 0] = free.slice(3 * index);
    return { client, admin, ...ports?.[index], peer };
  });
}

function settingsOf({ delayMs = 0, link }: ClusterOptions) {
  return (from: string, to: string): LinkSettings => ({
    ...link,
    delayMs: typeof delayMs === 'number' ? delayMs : delayMs(from, to),
  });
}
