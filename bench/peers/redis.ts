/** Redis by ioredis with its automatic pipelining. Two places are a primary and its asynchronous replica. */
import { until } from '@causeway/cli';
import type { Target, TargetClient, TargetKind } from '../harness/target.js';
import {
  library,
  missingLibraries,
  missingProgram,
  versionOfLibrary,
  versionOfProgram,
} from './installed.js';
import type { Peer } from './peer.js';
import { Site } from './site.js';

/** Holds the writes of a partition many times over; with the 1 MB of the defaults everything would be copied. */
const BACKLOG = '64mb';

interface Client {
  set(key: string, value: Uint8Array): Promise<unknown>;
  getBuffer(key: string): Promise<Uint8Array | null>;
  config(action: 'SET', name: string, value: string): Promise<unknown>;
  info(section: string): Promise<string>;
  psubscribe(pattern: string): Promise<unknown>;
  on(event: 'pmessage', listener: (pattern: string, channel: string) => void): void;
  on(event: 'error', listener: (error: Error) => void): void;
  disconnect(): void;
}
interface Library {
  readonly Redis: new (options: object) => Client;
}

export const redisAlways = redis('redis-always', 'always', 'fsync on one node');
export const redisEverysec = redis('redis-everysec', 'everysec', 'memory of one node; fsync within a second');

function redis(id: string, fsync: string, durability: string): Peer {
  return {
    id,
    throughput: { placeCount: 1 },
    lag: { placeCount: 2 },
    heal: { placeCount: 2 },
    remark:
      'One primary takes the writes; a replica follows asynchronously, and what it lacked is lost when it takes over. ' +
      `After the heal one side has something to send. Backlog ${BACKLOG}; its other settings are the defaults.`,
    missing: async () => missingProgram('redis-server', 'redis-server') ?? missingLibraries('ioredis'),
    start: (options) => start(fsync, durability, options),
  };
}

function start(
  fsync: string,
  durability: string,
  options: Parameters<TargetKind['start']>[0],
): Promise<Target> {
  const { placeCount, delayMs } = options;
  if (placeCount > 2) throw new RangeError('Redis is measured with one replica at most');
  return Site.build(async (site) => {
    const { Redis } = await library<Library>('ioredis');
    const [primary = 0, replica = 0] = await site.ports(2);
    const common = ['--bind', '127.0.0.1', '--appendonly', 'yes', '--appendfsync', fsync, '--save', ''];
    const replicating = ['--repl-backlog-size', BACKLOG, '--repl-diskless-sync-delay', '0'];
    await site.program(
      'redis-server',
      ['--port', String(primary), ...common, ...(placeCount === 2 ? replicating : [])],
      primary,
    );
    if (placeCount === 2) {
      const link = await site.link(primary, delayMs, true);
      const args = ['--replicaof', '127.0.0.1', String(link)];
      await site.program(
        'redis-server',
        ['--port', String(replica), ...common, ...replicating, ...args],
        replica,
      );
      const client = new Redis({ port: replica });
      await until('the replica to be in step', async () =>
        (await client.info('replication')).includes('master_link_status:up'),
      );
      client.disconnect();
    }
    const connect = async (placeIndex = 0): Promise<TargetClient> =>
      clientOf(() => new Redis({ port: placeIndex === 0 ? primary : replica, enableAutoPipelining: true }));
    const version = await versionOfProgram('redis-server');
    return {
      name: `Redis ${version} appendfsync ${fsync}, ioredis ${versionOfLibrary('ioredis')}`,
      durability,
      pids: site.pids,
      placeCount,
      writePlaces: [0],
      network: site.network,
      connect,
      stop: () => site.clear(),
    };
  });
}

function clientOf(open: () => Client): TargetClient {
  const clients = [open()];
  const [client] = clients as [Client];
  return {
    put: async (key, value) => void (await client.set(key, asBuffer(value))),
    get: async (key) => (await client.getBuffer(key)) ?? undefined,
    watch: async (prefix, onChange) => {
      // A connection that is subscribed does nothing else.
      const subscriber = open();
      clients.push(subscriber);
      // They cost a little, so they are on where somebody asks only.
      await client.config('SET', 'notify-keyspace-events', 'K$');
      const channel = '__keyspace@0__:';
      subscriber.on('pmessage', (_, at) => onChange(at.slice(channel.length)));
      await subscriber.psubscribe(`${channel}${prefix}*`);
    },
    close: async () => {
      for (const each of clients) each.disconnect();
    },
  };
}

function asBuffer(value: Uint8Array): Buffer {
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}
