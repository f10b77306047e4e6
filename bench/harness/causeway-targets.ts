/** Causeway, as a target beside others, and the ceiling that it is measured against. */

import type { Cluster } from '@causeway/cli';
import { type CausewayError, connect, type Database } from '@causeway/client';
import { type Server, startCeiling, startNodeProcess } from './processes.js';
import { bytesDelivered, startRegions } from './regions.js';
import type { Target, TargetClient, TargetKind } from './target.js';

/** One region is a node alone; several are a cluster with links. */
export const causeway: TargetKind = {
  id: 'causeway',
  missing: async () => undefined,
  start: ({ placeCount, delayMs }) =>
    placeCount === 1 ? alone('causeway', startNodeProcess(), clientOf) : clustered(placeCount, delayMs),
};

export const ceiling: TargetKind = {
  id: 'ceiling',
  missing: async () => undefined,
  start: ({ placeCount }) => {
    if (placeCount !== 1) throw new RangeError('the ceiling is one server');
    return alone('ceiling', startCeiling(), registersOf);
  },
};

/** Types that only Causeway has. */
export interface CausewayClient extends TargetClient {
  readonly db: Database;
}

export function isCauseway(client: TargetClient): client is CausewayClient {
  return 'db' in client;
}

const DURABILITY = 'fsync on one node';

async function alone(
  name: string,
  starting: Promise<Server>,
  clientOfDatabase: (db: Database) => TargetClient,
): Promise<Target> {
  const server = await starting;
  return {
    name,
    durability: DURABILITY,
    pids: [server.pid],
    placeCount: 1,
    connect: async () => clientOfDatabase(await connect({ endpoints: [server.url] })),
    stop: () => server.stop(),
  };
}

async function clustered(placeCount: number, delayMs: number): Promise<Target> {
  const regions = Array.from({ length: placeCount }, (_, index) => `r${index + 1}`);
  return clusterTarget(await startRegions({ regions, delayMs }));
}

/** `stop` ends the cluster. */
export function clusterTarget(cluster: Cluster): Target {
  const placeCount = cluster.nodes.length;
  const around = cluster.links.around(cluster.nodes[0]!.region);
  return {
    name: `causeway, ${placeCount} regions`,
    durability: DURABILITY,
    pids: cluster.nodes.map(({ pid }) => pid ?? 0),
    placeCount,
    network: {
      cut: (mode) => around.cut({ mode }),
      heal: () => around.heal(),
      bytesDelivered: () => bytesDelivered(cluster),
    },
    connect: async (placeIndex = 0) =>
      clientOf(await connect({ endpoints: [cluster.nodes[placeIndex]!.urls.client] })),
    stop: () => cluster.stop(),
  };
}

function clientOf(db: Database): CausewayClient {
  return {
    ...registersOf(db),
    db,
    watch: (prefix, onChange) => watch(db, prefix, onChange),
  };
}

/** All that the ceiling has. */
function registersOf(db: Database): TargetClient {
  return {
    put: (key, value) => db.register(key).set(value),
    get: (key) => db.register<Uint8Array>(key).get(),
    close: () => db.close(),
  };
}

async function watch(db: Database, prefix: string, onChange: (key: string) => void): Promise<void> {
  const changes = db.watch({ prefix });
  const follow = async (): Promise<void> => {
    try {
      for await (const { key } of changes) onChange(key);
    } catch (error) {
      // Any other end would be missing in the figures without a trace.
      if ((error as CausewayError).code !== 'CAUSEWAY_CLOSED') throw error;
    }
  };
  void follow();
  await changes.opened;
}
