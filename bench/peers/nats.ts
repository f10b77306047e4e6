/** A key-value bucket of NATS JetStream: one server, or three that each hold it. */
import { until } from '@causeway/cli';
import type { Target, TargetClient } from '../harness/target.js';
import {
  library,
  missingLibraries,
  missingProgram,
  versionOfLibrary,
  versionOfProgram,
} from './installed.js';
import type { Peer } from './peer.js';
import { Site } from './site.js';

const BUCKET = 'bench';

interface Bucket {
  put(key: string, value: Uint8Array): Promise<unknown>;
  get(key: string): Promise<{ readonly value: Uint8Array } | null>;
  watch(options: object): Promise<AsyncIterable<{ readonly key: string }>>;
}
interface Connection {
  close(): Promise<void>;
}
interface Transport {
  connect(options: object): Promise<Connection>;
}
interface KeyValue {
  readonly Kvm: new (
    connection: Connection,
  ) => { create(name: string, options: object): Promise<Bucket>; open(name: string): Promise<Bucket> };
  readonly KvWatchInclude: { readonly UpdatesOnly: string };
}

export const nats: Peer = {
  id: 'nats',
  throughput: { placeCount: 1 },
  lag: { placeCount: 3 },
  heal: { not: 'the side with fewer servers refuses writes, so nothing diverges' },
  remark:
    'It does not fsync a write before it acknowledges it: at best to be compared with --durability async. Throughput is of one ' +
    'server; over links three hold the bucket and two of them agree on a write, so lag is told from sending.',
  missing: async () =>
    missingProgram('nats-server', 'nats-server') ??
    missingLibraries('@nats-io/transport-node', '@nats-io/kv'),
  start: ({ placeCount, delayMs }) => {
    if (placeCount !== 1 && placeCount !== 3)
      throw new RangeError('NATS is measured with one server or three');
    return Site.build((site) => start(site, placeCount, delayMs));
  },
};

async function start(site: Site, placeCount: number, delayMs: number): Promise<Target> {
  const [transport, kv] = await Promise.all([
    library<Transport>('@nats-io/transport-node'),
    library<KeyValue>('@nats-io/kv'),
  ]);
  const ports = await site.ports(2 * placeCount);
  const routes = ports.slice(placeCount);
  const links: number[] = [];
  for (const route of routes) links.push(await site.link(route, delayMs, true));
  await Promise.all(
    ports.slice(0, placeCount).map((port, index) => {
      const args = ['-a', '127.0.0.1', '-p', String(port), '-n', `s${index}`, '-js', '-sd', 'data'];
      if (placeCount === 1) return site.program('nats-server', args, port);
      const others = links.filter((_, at) => at !== index).map((link) => `nats://127.0.0.1:${link}`);
      const cluster = ['--cluster_name', 'bench', '--cluster', `nats://127.0.0.1:${routes[index]}`];
      const addresses = ['--cluster_advertise', `127.0.0.1:${links[index]}`, '--routes', others.join(',')];
      return site.program('nats-server', [...args, ...cluster, ...addresses], port);
    }),
  );
  const dial = (placeIndex: number) =>
    transport.connect({ servers: `127.0.0.1:${ports[placeIndex]}`, ignoreClusterUpdates: true });
  const connection = await dial(0);
  await until('the bucket to be made', async () => {
    await new kv.Kvm(connection).create(BUCKET, { replicas: placeCount, history: 1, storage: 'file' });
    return true;
  });
  await connection.close();
  const version = await versionOfProgram('nats-server');
  return {
    name: `NATS ${version} JetStream KV, ${placeCount === 1 ? 'one server' : 'three servers'}, @nats-io/kv ${versionOfLibrary('@nats-io/kv')}`,
    durability: `file, not fsynced, ${placeCount === 1 ? 'of one server' : 'of two of three servers'}`,
    pids: site.pids,
    placeCount,
    connect: async (placeIndex = 0) => {
      const connection = await dial(placeIndex);
      const bucket = await new kv.Kvm(connection).open(BUCKET);
      return clientOf(connection, bucket, kv.KvWatchInclude.UpdatesOnly);
    },
    stop: () => site.clear(),
  };
}

function clientOf(connection: Connection, bucket: Bucket, updatesOnly: string): TargetClient {
  return {
    put: async (key, value) => void (await bucket.put(toSubject(key), value)),
    get: async (key) => (await bucket.get(toSubject(key)))?.value,
    watch: async (prefix, onChange) => {
      const entries = await bucket.watch({ key: `${toSubject(prefix)}>`, include: updatesOnly });
      const follow = async (): Promise<void> => {
        for await (const { key } of entries) onChange(key.replaceAll('.', ':'));
      };
      void follow();
    },
    close: () => connection.close(),
  };
}

/** A colon is not allowed there, and a dot is what a prefix ends with. */
function toSubject(key: string): string {
  return key.replaceAll(':', '.');
}
