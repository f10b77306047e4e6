/** etcd with three members, by etcd3: each write is agreed on by two of them. */
import { until } from '@causeway/cli';
import type { TargetClient } from '../harness/target.js';
import {
  library,
  missingLibraries,
  missingProgram,
  versionOfLibrary,
  versionOfProgram,
} from './installed.js';
import type { Peer } from './peer.js';
import { Site } from './site.js';

const MEMBERS = 3;
const DURABILITY = 'fsync on two of three members';

interface Watcher {
  on(event: 'put', listener: (put: { readonly key: Buffer }) => void): void;
  cancel(): Promise<void>;
}
interface Client {
  put(key: string): { value(value: Buffer): Promise<unknown> };
  get(key: string): { buffer(): Promise<Uint8Array | null> };
  watch(): { prefix(prefix: string): { create(): Promise<Watcher> } };
  close(): void;
}
interface Library {
  readonly Etcd3: new (options: { hosts: string }) => Client;
}

export const etcd: Peer = {
  id: 'etcd',
  throughput: { placeCount: MEMBERS },
  lag: { placeCount: MEMBERS },
  heal: { not: 'the side with fewer members refuses writes, so nothing diverges' },
  remark:
    'What consensus costs: a write waits for a majority, and a cut-off member takes none; reads are linearizable. Throughput ' +
    'without delay between members; over links the acknowledgement pays for their round trips, so lag is told from sending.',
  missing: async () => missingProgram('etcd', 'etcd-server') ?? missingLibraries('etcd3'),
  start: ({ placeCount, delayMs }) => {
    if (placeCount !== MEMBERS) throw new RangeError(`etcd is measured with ${MEMBERS} members`);
    return Site.build(async (site) => {
      const { Etcd3 } = await library<Library>('etcd3');
      const ports = await site.ports(2 * MEMBERS);
      const members = await Promise.all(
        ports.slice(0, MEMBERS).map(async (client, index) => {
          const peer = ports[MEMBERS + index]!;
          return {
            name: `m${index}`,
            client: url(client),
            peer: url(peer),
            port: client,
            dialled: url(await site.link(peer, delayMs, true)),
          };
        }),
      );
      const cluster = members.map(({ name, dialled }) => `${name}=${dialled}`).join(',');
      await Promise.all(
        members.map(({ name, client, peer, port, dialled }) => {
          const args = ['--name', name, '--data-dir', 'data', '--log-level', 'error'];
          const clientArgs = ['--listen-client-urls', client, '--advertise-client-urls', client];
          const peerArgs = ['--listen-peer-urls', peer, '--initial-advertise-peer-urls', dialled];
          return site.program(
            'etcd',
            [...args, ...clientArgs, ...peerArgs, '--initial-cluster', cluster],
            port,
          );
        }),
      );
      const connect = async (placeIndex = 0): Promise<TargetClient> =>
        clientOf(new Etcd3({ hosts: members[placeIndex]!.client }));
      for (const index of members.keys()) await untilAnswering(await connect(index));
      const version = await versionOfProgram('etcd');
      return {
        name: `etcd ${version}, ${MEMBERS} members, etcd3 ${versionOfLibrary('etcd3')}`,
        durability: DURABILITY,
        pids: site.pids,
        placeCount,
        connect,
        stop: () => site.clear(),
      };
    });
  },
};

async function untilAnswering(client: TargetClient): Promise<void> {
  await until('etcd to answer', async () => {
    await client.get('key:');
    return true;
  });
  await client.close();
}

function clientOf(client: Client): TargetClient {
  const watchers: Watcher[] = [];
  return {
    put: async (key, value) => void (await client.put(key).value(Buffer.from(value))),
    get: async (key) => (await client.get(key).buffer()) ?? undefined,
    watch: async (prefix, onChange) => {
      const watcher = await client.watch().prefix(prefix).create();
      watchers.push(watcher);
      watcher.on('put', ({ key }) => onChange(key.toString()));
    },
    close: async () => {
      // A client that is closed would dial for them again, for ever.
      await Promise.all(watchers.map((watcher) => watcher.cancel()));
      client.close();
    },
  };
}

function url(port: number): string {
  return `http://127.0.0.1:${port}`;
}
